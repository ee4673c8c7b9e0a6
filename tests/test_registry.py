"""Registries: built-in, registered and installed entries, and plug-ins that are broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zsris_viz.errors import InvalidInputError, UnavailableError, ZsrisWarning
from zsris_viz.registry import Registry

GROUP = "zsris_viz.tests"


def install(folder: Path, name: str, entries: dict[str, str], **modules: str) -> None:
    """Write what pip leaves behind: modules and a dist-info folder with entry points."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"[{GROUP}]", *(f"{entry} = {value}" for entry, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for module, code in modules.items():
        (folder / f"{module}.py").write_text(code)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def registry() -> Registry[type]:
    return Registry("shape", GROUP, {"ordered": "collections:OrderedDict", "counter": "collections:Counter"})


def test_an_installed_entry_is_listed_and_loaded_on_request(site: Path) -> None:
    install(site, "round-shapes", {"circle": "round_shapes_test:Circle"}, round_shapes_test="class Circle: pass\n")
    shapes = registry()
    assert shapes.names() == ["ordered", "counter", "circle"]
    assert "round_shapes_test" not in sys.modules
    assert shapes.load("circle").__name__ == "Circle"
    assert (shapes.package("circle"), shapes.package("counter")) == ("round-shapes", None)
    assert [name for name, _ in shapes.items()] == shapes.names()


def test_a_broken_plug_in_is_a_warning_that_names_its_package(site: Path) -> None:
    install(site, "broken-shapes", {"dent": "broken_shapes_test:Dent"}, broken_shapes_test="1 / 0\n")
    shapes = registry()
    with pytest.warns(ZsrisWarning, match="'broken-shapes'.*ZeroDivisionError"):
        assert [name for name, _ in shapes.items()] == ["ordered", "counter"]
    with pytest.raises(UnavailableError, match="broken-shapes"):
        shapes.load("dent")


@pytest.mark.parametrize("value", ["no_such_module_of_shapes:Dent", "collections:NoSuchName", "not a path"])
def test_an_entry_point_that_leads_nowhere_is_an_error_that_names_it(site: Path, value: str) -> None:
    install(site, "lost-shapes", {"lost": value})
    with pytest.raises(UnavailableError, match="lost-shapes"):
        registry().load("lost")


def test_of_two_with_one_name_the_built_in_or_the_first_is_used(site: Path) -> None:
    install(site, "a-shapes", {"square": "collections:UserDict"})
    install(site, "b-shapes", {"square": "collections:UserList", "counter": "collections:UserList"})
    shapes = registry()
    with pytest.warns(ZsrisWarning, match="b-shapes") as caught:
        assert shapes.load("square").__name__ == "UserDict"
    assert len(caught) == 2
    assert shapes.load("counter").__name__ == "Counter"


def test_registering_adds_replaces_and_refuses_taken_names(site: Path) -> None:
    install(site, "round-shapes", {"circle": "collections:UserDict"})
    shapes = registry()
    for cls in (int, str):
        assert shapes.register("mine")(cls) is cls
        assert shapes.load("mine") is cls
    assert shapes.names() == ["ordered", "counter", "circle", "mine"]
    for name in ("counter", "circle"):
        with pytest.raises(InvalidInputError, match="another name"):
            shapes.register(name)


def test_an_unknown_name_lists_what_exists() -> None:
    with pytest.raises(InvalidInputError, match=r"shape 'oval' is unknown; use one of ordered, counter\."):
        registry().load("oval")
    assert "ordered" in registry() and "oval" not in registry()


def test_the_module_imports_nothing_heavy() -> None:
    code = "import sys, zsris_viz.registry; print({'torch', 'numpy', 'pydantic'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
