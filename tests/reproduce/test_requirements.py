"""`--dry-run`: what a run would need, from its parameters, the manifests and what is on disk; nothing runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.datasets.benchmark_files import make_refer
from tests.reproduce.conftest import World
from zsris_viz.cli import app
from zsris_viz.datasets.manifests import get_manifest
from zsris_viz.reproduce import requirements as needs_module
from zsris_viz.reproduce.requirements import Needs, needs_of_wanted

PARAMETERS = """
dataset = "scenes"  # data
data_root = ""  # files
limit = 2  # images
clip = "miniature"  # tower
clip_b16 = ""  # tower
clip_rn = "miniature-rn"  # tower
itc = {}  # others
freesolo = "felzenszwalb"  # masks
sam = "sam"  # masks
captioner = "miniature"  # words
captioner_2 = ""  # words
only = []  # ids
output_dir = "outputs"  # place
"""
REAL = {"dataset": "refcoco", "clip": "openai/clip-vit-base-patch32", "clip_rn": "RN50", "sam": "sam-vit-h",
        "captioner": "blip2-opt-2.7b", "freesolo": "ground-truth", "limit": "null"}  # fmt: skip


@pytest.fixture
def tables(world: World) -> World:
    world.notebook("11_paper_figures", [], PARAMETERS)
    for id in ("gl-table1", "gl-table2", "tas-table1", "hybridgl-table-fusion", "picture"):
        world.entry("11_paper_figures", id=id, outputs=[f"tables/{id}"])
    return world


def need(world: World, *wanted: str, **parameters: Any) -> Needs:
    (found,) = needs_of_wanted(wanted, parameters=parameters, notebooks=world.notebooks, output=world.output)
    return found


def names(found: Needs) -> list[str]:
    return [part.name for part in found.parts if part.kind == "model"]


def test_the_built_in_world_needs_nothing(tables: World) -> None:
    found = need(tables, "gl-table1")
    assert found.figures == ("gl-table1",) and found.run == "11_paper_figures--gl-table1"
    assert found.images == 2 * 8 and found.expressions is None  # nine columns, but RefCOCOg val(G) has no twin
    assert names(found) == ["miniature", "miniature-rn", "felzenszwalb"] and not found.missing
    assert found.memory_gb == 0 and "CPU" in found.memory_note


def test_only_the_drawn_columns_that_are_measured_count(world: World) -> None:
    world.notebook(
        "11_paper_figures", [], PARAMETERS.replace("only = []", 'columns = ["refcoco val"]  # drawn\nonly = []')
    )
    world.entry("11_paper_figures", id="gl-table1", outputs=["tables/gl-table1"])
    assert need(world, "gl-table1").images == 2 and need(world, "gl-table1", columns=[]).images == 16
    assert (need(world, "gl-table1", **REAL).images or 0) > 1_000


def test_only_what_the_rows_ask_for(tables: World) -> None:
    assert names(need(tables, "gl-table2")) == ["miniature"]  # ground-truth masks, ViT alone
    assert set(names(need(tables, "tas-table1"))) == {"miniature", "miniature-rn", "sam", "felzenszwalb"}
    assert names(need(tables, "hybridgl-table-fusion")) == ["miniature"]
    assert names(need(tables, "hybridgl-table-fusion", clip_b16="ViT-B/16")) == ["clip-vit-b16"]
    everything = need(tables, "11")
    assert everything.run == "11_paper_figures" and set(names(everything)) >= {"miniature", "sam", "felzenszwalb"}


def test_a_benchmark_needs_files_and_checkpoints(tables: World, tmp_path: Path) -> None:
    root = tmp_path / "data"
    found = need(tables, "tas-table1", data_root=str(root), **REAL)
    manifest = get_manifest("refcoco")
    splits = [one for one in manifest.splits if one.split_by == "unc" and one.split in ("val", "testA", "testB")]
    assert found.images == sum(one.images or 0 for one in splits)
    assert found.expressions == sum(one.expressions or 0 for one in splits)
    assert set(names(found)) == {"clip-vit-b32", "clip-rn50", "sam-vit-h", "blip2-opt-2.7b", "ground-truth"}
    missing = {part.name: part.detail for part in found.missing}
    assert {"sam-vit-h", "blip2-opt-2.7b"} <= set(missing) and f"--data-root {root}" in missing["sam-vit-h"]
    assert any(name.endswith(".zip") for name in missing)
    assert found.memory_gb == 22 and "published" in found.memory_note
    assert found.images is not None
    assert found.hours["one RTX 3090"] == pytest.approx((1.88 + 0.13 + 0.13 + 1.75) * found.images / 3600)
    assert any("section 4.5" in line for line in found.basis)
    make_refer(root)
    (root / "checkpoints/sam").mkdir(parents=True)
    (root / "checkpoints/sam/sam_vit_h_4b8939.pth").write_bytes(b"x")
    there = {part.name for part in need(tables, "tas-table1", data_root=str(root), **REAL).parts if part.available}
    assert {"refcoco.zip", "sam-vit-h"} <= there


def test_limit_and_columns(tables: World) -> None:
    few = need(tables, "gl-table1", **{**REAL, "limit": "100"})
    assert few.images == 300 and few.expressions is not None and 600 < few.expressions < 3000
    assert few.memory_gb == pytest.approx((353_976_522 + 255_827_503) / 1e9 + needs_module.WORKING_GB)
    assert (need(tables, "gl-table1", **{**REAL, "dataset": "all"}).images or 0) > 10_000
    own = need(tables, "gl-table1", clip="someone/else")
    part = next(part for part in own.parts if part.name == "someone/else")
    assert part.available is None and "unknown" in part.detail
    assert any("no measured seconds for someone/else" in line for line in own.basis)


def test_local_checkpoints_are_found_with_their_size(tables: World, tmp_path: Path) -> None:
    file, folder = tmp_path / "ViT-B-32.pt", tmp_path / "clip"
    file.write_bytes(bytes(3_000_000))
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(bytes(2_000_000))
    (folder / "config.json").write_text("{}")
    found = need(tables, "gl-table1", clip=str(file), clip_rn=str(folder), freesolo=f"sam:{tmp_path / 'none.pth'}")
    sizes = {part.name: (part.available, part.size) for part in found.parts}
    assert sizes[str(file)] == (True, 3_000_000) and sizes[str(folder)] == (True, 2_000_000)
    assert [part.name for part in found.missing] == [f"sam:{tmp_path / 'none.pth'}"]
    assert found.memory_gb == pytest.approx(0.005 + needs_module.WORKING_GB)


def test_what_is_unknown_is_called_unknown(tables: World) -> None:
    found = need(tables, "gl-table1", clip="someone/else")
    assert found.memory_gb is None and [part.name for part in found.unknown] == ["someone/else"]
    assert "unknown  someone/else" in found.text() and "memory   unknown" in found.text()
    words = ["reproduce", "gl-table1", "--dry-run", "--notebooks", str(tables.notebooks), "-p", "clip=someone/else"]
    shown = CliRunner().invoke(app, words).stdout
    assert "unknown: someone/else" in shown and "nothing is missing" not in shown


def test_a_file_that_a_manifest_knows_is_missing_and_not_unknown(tables: World) -> None:
    found = need(tables, "gl-table1", clip="data/checkpoints/albef/ALBEF.pth")
    assert {part.name: part.detail for part in found.missing} == {"albef": "zsris data fetch albef --data-root DIR"}


def test_hours_of_the_last_run_here(tables: World) -> None:
    state = tables.output / ".state"
    state.mkdir(parents=True)
    last = {"status": "done", "seconds": 32.0, "parameters": {"only": ["gl-table1"], "limit": 2}}
    (state / "11_paper_figures--gl-table1.json").write_text(json.dumps(last))
    (state / "11_paper_figures--x.json").write_text("damaged")
    found = need(tables, "gl-table1", limit=200)
    assert found.hours["this machine"] == pytest.approx(3200 / 3600) and "32 s for 16 images" in found.basis[0]
    assert "this machine" not in need(tables, "gl-table1", limit=200, clip="RN50").hours
    assert "this machine" not in need(tables, "gl-table2", limit=200).hours


def test_other_notebooks(world: World) -> None:
    world.notebook("03_x", [], 'dataset = "refcoco"\nsplits = ["val", "testA"]\nlimit = 5\noutput_dir = "outputs"')
    world.entry("03_x", id="x", outputs=["tables/x"])
    found = need(world, "x")
    assert found.images == 10 and found.data == "refcoco val, refcoco testA" and not names(found)


def test_on_the_command_line(tables: World) -> None:
    words = ["reproduce", "gl-table1", "--dry-run", "--notebooks", str(tables.notebooks)]
    words += ["--output", str(tables.output)]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0 and "11_paper_figures--gl-table1: gl-table1" in shown.stdout
    assert "16 images" in shown.stdout and "nothing is missing" in shown.stdout
    real = CliRunner().invoke(app, [*words, "-p", "dataset=refcoco", "-p", "clip=ViT-B/32", "-p", "limit=null"])
    assert "MISSING" in real.stdout and "zsris data fetch clip-vit-b32" in real.stdout
    assert "missing: " in real.stdout.splitlines()[-1]
    answer = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert answer["runs"][0]["images"] == 16 and answer["runs"][0]["missing"] == []
    assert not tables.output.exists()  # nothing ran
    wrong = CliRunner().invoke(app, [*words, "-p", "colour=red"])
    assert wrong.exit_code == 2 and "colour" in wrong.stderr
