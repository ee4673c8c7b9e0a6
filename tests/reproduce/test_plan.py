"""figures.yaml: its schema, the choice of entries, and the runs that follow."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reproduce.conftest import World
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError, ZsrisError
from zsris_viz.reproduce import find_notebooks, load_entries, runs_of, select
from zsris_viz.reproduce.runner import plan_runs

ENDS = ("png", "svg", "pdf")


def test_entries_are_read_and_names_normalised(world: World) -> None:
    world.notebook("03_global_local", [])
    world.entry(
        "03_global_local.ipynb", id="table-3", kind="table", outputs=["tables/grid.csv", "figures/alpha-0.95.svg"]
    )
    (entry,) = load_entries(world.notebooks)
    assert entry.notebook == "03_global_local"
    assert entry.outputs == ("tables/grid", "figures/alpha-0.95")
    (run,) = runs_of([entry], world.notebooks)
    assert run.files == ("tables/grid.csv", "tables/grid.tex", *(f"figures/alpha-0.95.{end}" for end in ENDS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "colour"),
        ({"id": "Has Space"}, "id"),
        ({"outputs": []}, "outputs"),
        ({"outputs": ["plots/a"]}, "figures/NAME"),
        ({"outputs": ["figures/a/b"]}, "figures/NAME"),
        ({"kind": "picture"}, "kind"),
        ({"notebook": "99_none"}, "99_none.ipynb"),
        ({"parameters": {"output_dir": "x"}}, "output_dir"),
        ({"title": None}, "title"),
    ],
)
def test_wrong_entries_are_refused(world: World, change: dict[str, Any], message: str) -> None:
    world.notebook("00_a", [])
    world.entry("00_a")
    world.entries[0].update(change)
    world.write()
    with pytest.raises(InvalidInputError, match=message) as caught:
        load_entries(world.notebooks)
    assert "figures.yaml" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["[", "- a", "figures: 3", "figures: []\nother: 1", ""],
    ids=["cut off", "list", "number of figures", "unknown key", "empty"],
)
def test_wrong_files_are_refused(world: World, text: str) -> None:
    (world.notebooks / "figures.yaml").write_text(text)
    with pytest.raises(ZsrisError, match=r"figures\.yaml"):
        load_entries(world.notebooks)


def test_a_list_that_is_not_utf8_is_refused(world: World) -> None:
    (world.notebooks / "figures.yaml").write_bytes("figures: [] # café".encode("latin-1"))
    with pytest.raises(CorruptFileError, match="not UTF-8"):
        load_entries(world.notebooks)


def test_no_id_or_output_twice(world: World) -> None:
    world.notebook("00_a", [])
    world.entry("00_a")
    world.entry("00_a", outputs=["figures/b"])
    with pytest.raises(InvalidInputError, match="id '00-a'"):
        load_entries(world.notebooks)
    world.entries[1]["id"] = "other"
    world.entries[1]["outputs"] = ["figures/00_a-curve.png"]
    world.write()
    with pytest.raises(InvalidInputError, match="00-a and other both make figures/00_a-curve"):
        load_entries(world.notebooks)


def test_select_by_id_notebook_and_number(world: World) -> None:
    for name in ("00_a", "01_b"):
        world.notebook(name, [])
    world.entry("00_a", id="first", outputs=["figures/x"])
    world.entry("00_a", id="second", outputs=["figures/y"])
    world.entry("01_b", id="third")
    entries = load_entries(world.notebooks)
    chosen = {name: [e.id for e in select(entries, [name])] for name in ("second", "00_a", "00_a.ipynb", "00", "01")}
    assert chosen == {
        "second": ["second"],
        "00_a": ["first", "second"],
        "00_a.ipynb": ["first", "second"],
        "00": ["first", "second"],
        "01": ["third"],
    }
    assert [e.id for e in select(entries, ["third", "first"])] == ["first", "third"]
    assert select(entries, []) == entries
    with pytest.raises(InvalidInputError, match=r"did you mean 'second'\?.*first, second, third, 00_a, 01_b"):
        select(entries, ["secnd"])


def test_same_notebook_and_parameters_run_once(world: World) -> None:
    world.notebook("00_a", [])
    world.entry("00_a", id="x", outputs=["figures/x"], parameters={"limit": 3}, test_parameters={"limit": 1})
    world.entry("00_a", id="y", outputs=["figures/y"], parameters={"limit": 3}, test_parameters={"limit": 1})
    world.entry("00_a", id="z", outputs=["figures/z"], parameters={"limit": 9}, test_parameters={"limit": 1})
    entries = load_entries(world.notebooks)
    runs = runs_of(entries, world.notebooks)
    assert [(r.name, r.parameters["limit"], r.outputs) for r in runs] == [
        ("00_a--x", 3, ("figures/x", "figures/y")),
        ("00_a--z", 9, ("figures/z",)),
    ]
    (tested,) = runs_of(entries, world.notebooks, test=True)
    assert (tested.name, tested.parameters["limit"]) == ("00_a", 1)


def test_missing_folder_says_what_to_do(world: World) -> None:
    with pytest.raises(UnavailableError, match="--notebooks DIR"):
        find_notebooks(world.root)


def test_ids_are_unique_and_a_figure_has_no_other_name(world: World) -> None:
    world.notebook("00_a", [])
    world.entry("00_a", id="gl-table1", outputs=["figures/x"])
    world.entry("00_a", id="gl-table1", outputs=["figures/y"])
    with pytest.raises(InvalidInputError, match="id 'gl-table1'"):
        load_entries(world.notebooks)
    world.entries[1] |= {"id": "tas-table1", "aliases": ["table-1"]}
    world.write()
    with pytest.raises(InvalidInputError, match="aliases"):
        load_entries(world.notebooks)


def test_a_notebook_that_can_makes_only_what_is_wanted(world: World) -> None:
    world.notebook("00_a", [], 'only = []\nlimit = 2\noutput_dir = "outputs"')
    world.notebook("01_b", [])
    for name in ("00_a", "01_b"):
        for letter in "xyz":
            world.entry(name, id=f"{name[1]}-{letter}", outputs=[f"tables/{name}-{letter}"])

    def planned(*wanted: str, **parameters: Any) -> list[tuple[str, dict[str, Any], tuple[str, ...]]]:
        runs = plan_runs(wanted, parameters=parameters, notebooks=world.notebooks)[1]
        return [(run.name, dict(run.parameters), run.outputs) for run in runs]

    assert planned("0-y") == [("00_a--0-y", {"only": ["0-y"]}, ("tables/00_a-y",))]
    assert planned("0-z", "0-x")[0][:2] == ("00_a--0-x+0-z", {"only": ["0-x", "0-z"]})
    whole = ("00_a", {}, tuple(f"tables/00_a-{letter}" for letter in "xyz"))
    assert planned("00_a") == planned("0-x", "0-y", "0-z") == [whole]
    assert planned("1-x")[0] == ("01_b", {}, tuple(f"tables/01_b-{letter}" for letter in "xyz"))  # it has no `only`
    assert planned("0-y", only="[0-x]")[0][:2] == ("00_a", {"only": ["0-x"]})
