"""The `zsris` command: what it prints, for people and for programs, and how it fails."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from tests.datasets.benchmark_files import make_grefcoco
from zsris_viz import __version__
from zsris_viz.cli import app
from zsris_viz.errors import InvalidInputError, ZsrisWarning
from zsris_viz.evaluation import EvaluationConfig
from zsris_viz.methods.prediction import Ranking
from zsris_viz.models.devices import resolve_device, resolve_dtype

COMMANDS = ("segment", "evaluate", "reproduce", "methods", "parse", "explore", "doctor", "data")


def zsris(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def replace_module(patch: pytest.MonkeyPatch, name: str, **content: Any) -> None:
    module = ModuleType(name)
    module.__dict__.update(content)
    patch.setitem(sys.modules, name, module)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (40, 30), "green").save(path)
    return path


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stand-in for the models, which chooses the second of three masks; what it was asked."""
    recorded: dict[str, Any] = {"chosen": 1}

    def segment(image: Path, expression: str, **options: Any) -> SimpleNamespace:
        if not image.is_file():
            raise InvalidInputError(f"The image file {image} does not exist;\ngive another.")
        recorded.update(options, image=image, expression=expression)
        mask = np.zeros((30, 40), bool)
        mask[5:10, 20:30] = recorded["chosen"] is not None
        prediction = Ranking(
            mask=torch.from_numpy(mask),
            method="cropping",
            expression=expression,
            scores=torch.tensor([0.1, 0.25, -np.inf]),
            chosen=recorded["chosen"],
        )
        return SimpleNamespace(
            mask=mask,
            prediction=prediction,
            scene=range(3),
            note="Model tiny, method cropping.",
            save=lambda path: path.write_text("overlay"),
        )

    replace_module(monkeypatch, "zsris_viz.segmentation", segment=segment)
    return recorded


def test_help_within_a_second_without_torch() -> None:
    started = time.process_time()
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "zsris_viz.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(name in run.stdout for name in COMMANDS)
    loaded = {line.split("|")[2].strip().split(".")[0] for line in run.stderr.splitlines() if line.count("|") == 2}
    assert not loaded & {"torch", "numpy", "transformers", "spacy", "pandas", "matplotlib", "papermill"}
    cumulative = max(int(line.split("|")[1]) for line in run.stderr.splitlines()[1:] if line.count("|") == 2)
    # Wall time of the slowest import; a stalled machine gets more than the second that a person would wait.
    assert cumulative < 3_000_000
    assert time.process_time() - started < 1


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = zsris(command, "--help")
    assert result.exit_code == 0 and "Usage" in result.output


def test_version_and_unknown_command() -> None:
    assert __version__ in zsris("--version").output
    assert zsris("explore-nothing").exit_code == 2


def test_segment_prints_place_and_model(photo: Path, recorded: dict[str, Any], tmp_path: Path) -> None:
    result = zsris("segment", photo, "the dog", "--save", tmp_path / "overlay.png")
    assert result.exit_code == 0, result.output
    assert "mask 1 of 3, score 0.2500" in result.output
    assert "x 20 to 30, y 5 to 10, 50 pixels" in result.output
    assert "Model tiny, method cropping." in result.output
    assert recorded["expression"] == "the dog" and recorded["image"] == photo
    assert (tmp_path / "overlay.png").read_text() == "overlay"


def test_segment_json(photo: Path, recorded: dict[str, Any]) -> None:
    result = zsris("segment", photo, "the dog", "--json", "--clip", "RN50", "--method", "cropping", "--proposals", "x")
    result_json = json.loads(result.stdout)
    assert {name: recorded[name] for name in ("method", "clip", "proposals")} == {
        "method": "cropping",
        "clip": "RN50",
        "proposals": "x",
    }
    assert result_json["chosen"] == 1 and result_json["candidates"] == 3 and result_json["score"] == pytest.approx(0.25)
    assert result_json["box"] == [20, 5, 30, 10] and result_json["area"] == 50 and result_json["size"] == [30, 40]
    assert (
        result_json["rle"]["size"] == [30, 40]
        and result_json["clip"] == "RN50"
        and result_json["note"].startswith("Model")
    )


def test_segment_without_a_choice(photo: Path, recorded: dict[str, Any]) -> None:
    recorded["chosen"] = None
    assert "no mask" in zsris("segment", photo, "the dog").output
    assert json.loads(zsris("segment", photo, "the dog", "--json").stdout)["box"] is None


@pytest.mark.parametrize("target", ["overlay.txt", "nowhere/overlay.png"])
def test_segment_checks_the_target_first(photo: Path, recorded: dict[str, Any], tmp_path: Path, target: str) -> None:
    result = zsris("segment", photo, "the dog", "--save", tmp_path / target)
    assert result.exit_code == 2 and "--save" in result.stderr
    assert "expression" not in recorded


def test_missing_image_is_one_line(tmp_path: Path, recorded: dict[str, Any]) -> None:
    result = zsris("segment", tmp_path / "none.jpg", "the dog")
    assert result.exit_code == 2
    assert result.stderr.startswith("zsris: ") and result.stderr.count("\n") == 1
    assert "none.jpg" in result.stderr and "Traceback" not in result.output


def test_debug_lets_the_error_through(tmp_path: Path, recorded: dict[str, Any]) -> None:
    result = zsris("--debug", "segment", tmp_path / "none.jpg", "the dog")
    assert isinstance(result.exception, InvalidInputError)


def test_warnings_are_one_line(photo: Path, monkeypatch: pytest.MonkeyPatch, recorded: dict[str, Any]) -> None:
    real = sys.modules["zsris_viz.segmentation"].segment

    def warns(*args: Any, **options: Any) -> Any:
        warnings.warn("the expression was\ncut", ZsrisWarning, stacklevel=2)
        warnings.warn("of no interest", UserWarning, stacklevel=2)
        return real(*args, **options)

    replace_module(monkeypatch, "zsris_viz.segmentation", segment=warns)
    result = zsris("segment", photo, "the dog")
    assert result.stderr == "zsris: warning: the expression was cut\n"


def test_evaluate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[Any, list[str], EvaluationConfig]] = []

    def run(data: Any, methods: list[str], config: EvaluationConfig) -> SimpleNamespace:
        calls.append((data, methods, config))
        frame = pd.DataFrame({"method": methods, "miou": [51.25, np.nan], "oiou": [40.0, 30.0], "n": [9, 9]})
        frame["miou_low"], frame["miou_high"] = 48.0, 55.4
        return SimpleNamespace(table=lambda chance=True: frame, chance=lambda: pd.DataFrame({"method": ["chance"]}))

    replace_module(monkeypatch, "zsris_viz.evaluation", evaluate=run, EvaluationConfig=EvaluationConfig)
    words = ["evaluate", "--split", "testA", "--methods", "a, b", "--limit", "3", "--output", tmp_path]
    result = zsris(*words)
    assert result.exit_code == 0, result.output
    assert "51.2 [48, 55]" in result.stdout and "3 images" in result.stdout
    data, methods, config = calls[0]
    assert (data.name, data.split, len(data), methods) == ("scenes", "testA", 3, ["a", "b"])
    assert config.output == tmp_path and config.proposals == "ground-truth" and config.dtype is None
    printed = json.loads(zsris(*words, "--json").stdout)
    assert printed["rows"][0] == {
        "method": "a", "miou": 51.25, "oiou": 40.0, "n": 9, "miou_low": 48.0, "miou_high": 55.4,
    }  # fmt: skip
    assert printed["rows"][1]["miou"] is None and printed["chance"] == {"method": "chance"}
    assert zsris("evaluate", "--methods", " , ").exit_code == 2
    more = ["--dtype", "bfloat16", "--batch-size", "7", "--kind", "open_clip", "--shard", "2/8", "--device", "cpu"]
    assert zsris(*words, *more, "--engine", "dask://local:2").exit_code == 0
    data, _, config = calls[-1]
    assert data == "scenes"  # by name, for the workers
    assert (config.dtype, config.batch_size, config.kind, config.shard) == ("bfloat16", 7, "open_clip", "2/8")


def test_evaluate_answers_none_below_a_score(tmp_path: Path) -> None:
    make_grefcoco(tmp_path)
    words = ["evaluate", "--dataset", "grefcoco", "--data-root", tmp_path, "--methods", "cropping,global-local"]
    assert "--none-below" in zsris("evaluate", "--help").stdout
    for options, cropping, other in (
        ([], (0, 100), (0, 100)),
        (["--none-below", "2"], (100, 0), (100, 0)),
        (["--none-below", "cropping=2"], (100, 0), (0, 100)),
    ):
        result = zsris(*words, *options, "--json")
        assert result.exit_code == 0, result.output
        rows = {row["method"]: row for row in json.loads(result.stdout)["rows"]}
        assert (rows["cropping"]["n_acc"], rows["cropping"]["t_acc"]) == cropping
        assert (rows["global-local"]["n_acc"], rows["global-local"]["t_acc"]) == other
        assert rows["cropping"]["giou"] == (pytest.approx(100 / 3) if cropping[0] else rows["cropping"]["miou"])


@pytest.mark.parametrize(
    "wrong",
    [["--dtype", "int8"], ["--batch-size", "0"], ["--kind", "laion"], ["--text", "clean"], ["--shard", "9/8"],
     ["--device", "nope"], ["--text", "raw"], ["--shard", "1/2"], ["--none-below", "low"], ["--none-below", "nan"],
     ["--none-below", "cropping=0.2,tas=0.3"]],
    ids=" ".join,
)  # fmt: skip
def test_evaluate_refuses_wrong_and_ignored_options(wrong: list[str]) -> None:
    result = zsris("evaluate", "--limit", "1", *wrong)
    assert result.exit_code == 2 and "Traceback" not in result.output, result.output


def test_variables_set_the_device_and_dtype_of_models_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZSRIS_DTYPE", "bfloat16")
    monkeypatch.setenv("ZSRIS_DEVICE", "cpu:0")
    assert resolve_dtype() == torch.bfloat16 and resolve_dtype("float32") == torch.float32
    assert str(resolve_device()) == "cpu:0" and str(resolve_device("cpu")) == "cpu"
    monkeypatch.setenv("ZSRIS_DTYPE", "int8")
    with pytest.raises(InvalidInputError, match="int8"):
        resolve_dtype()


def test_methods() -> None:
    listed = json.loads(zsris("methods", "--json").stdout)
    assert {"global-local", "cropping"} <= {info["name"] for info in listed}
    assert "global-local" in zsris("methods").stdout


def test_data_list() -> None:
    rows = json.loads(zsris("data", "list", "--json").stdout)
    assert {"name": "scenes", "split": "val", "images": 500, "split_by": "mini", "files": "built in"} in rows
    assert "testA" in zsris("data", "list").stdout


def test_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"noun_phrase": "the dog", "head": "dog", "context_tokens": ["left"], "direction": "left", "relation": None}
    parser = SimpleNamespace(parse=lambda text: SimpleNamespace(to_dict=lambda: {**found, "text": text}))
    replace_module(monkeypatch, "zsris_viz.language", load_parser=lambda model: parser)
    assert json.loads(zsris("parse", "the dog left", "--json").stdout) == {**found, "text": "the dog left"}
    text = zsris("parse", "the dog left").stdout
    assert "noun phrase     the dog\n" in text and "relation" not in text


def test_reproduce_lists_and_refuses(tmp_path: Path) -> None:
    (tmp_path / "figures.yaml").write_text("figures: []")
    assert json.loads(zsris("reproduce", "--list", "--notebooks", tmp_path, "--json").stdout) == []
    for words in (["nothing"], ["-p", "limit"], ["-p", "1x=2"]):
        result = zsris("reproduce", *words, "--notebooks", tmp_path, "--output", tmp_path / "out")
        assert result.exit_code == 2 and result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_reproduce_exit_code_and_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zsris_viz.reproduce import Failure, NotebookRun, Report, Result

    run = NotebookRun("00_a", Path("notebooks/00_a.ipynb"), {}, ())
    failure = Failure("KeyError: 'x'", "Traceback ...", 3, 2)
    report = Report([Result(run, "failed", 1.5, failure)], tmp_path / "index.html")
    recorded: dict[str, Any] = {}

    def reproduce(wanted: list[str], **options: Any) -> Report:
        recorded.update(options, wanted=wanted)
        return report

    monkeypatch.setattr("zsris_viz.reproduce.reproduce", reproduce)
    words = ["reproduce", "00", "-p", "limit=5", "-p", "clip=a=b", "--jobs", "1", "--force"]
    result = zsris(*words, "--device", "cuda:1", "--dtype", "auto")
    assert result.exit_code == 1
    assert recorded["wanted"] == ["00"] and recorded["parameters"] == {"limit": "5", "clip": "a=b"}
    assert recorded["jobs"] == 1 and recorded["force"] is True
    assert (recorded["device"], recorded["dtype"]) == ("cuda:1", "auto")
    assert "00_a.ipynb: cell 3 (In [2]): KeyError: 'x'\nTraceback ..." in result.stderr
    assert "0 done, 0 skipped, 1 failed" in result.stdout
    result_json = json.loads(zsris("reproduce", "--json").stdout)
    assert result_json["ok"] is False and result_json["notebooks"][0]["error"] == "cell 3 (In [2]): KeyError: 'x'"


def test_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    from zsris_viz import doctor

    monkeypatch.setattr(doctor, "CHECKS", (doctor._python, doctor._packages, doctor._disk))
    result_json = json.loads(zsris("doctor", "--json").stdout)
    assert result_json["ok"] is True
    assert {check["name"] for check in result_json["checks"]} == {"python", "packages", "disk"}

    def breaks() -> Any:
        raise OSError("libcuda is missing")

    monkeypatch.setattr(doctor, "CHECKS", (doctor._python, breaks))
    result = zsris("doctor")
    assert result.exit_code == 1
    assert "PROBLEM" in result.stdout and "libcuda is missing" in result.stdout and "3.1" in result.stdout


@pytest.mark.slow
def test_segment_for_real(tmp_path: Path) -> None:
    """From a drawn scene on disk to a mask, with the built-in model, in a process of its own."""
    from zsris_viz import load_dataset

    sample = load_dataset("scenes", "val", limit=1)[0]
    sample.image.save(tmp_path / "scene.png")
    words = [sys.executable, "-m", "zsris_viz.cli", "segment", str(tmp_path / "scene.png")]
    words += [sample.references[0].expressions[0].text, "--save", str(tmp_path / "overlay.png"), "--json"]
    run = subprocess.run(words, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    result_json = json.loads(run.stdout)
    assert result_json["size"] == [224, 224] and result_json["area"] > 0 and "miniature" in result_json["note"]
    with Image.open(tmp_path / "overlay.png") as picture:
        assert picture.size == (224, 224)


@pytest.mark.slow
def test_evaluate_for_real(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "zsris_viz.cli", "evaluate", "--limit", "3", "--output", str(tmp_path / "run")]
    run = subprocess.run([*words, "--json"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    result_json = json.loads(run.stdout)
    assert [row["method"] for row in result_json["rows"]] == ["global-local", "cropping"]
    for row in result_json["rows"]:
        assert 0 <= row["miou"] <= row["upper_bound"] <= 100 and row["n"] > 3
        assert {"oiou", "accuracy_50", "miou_low", "miou_high", "seconds"} <= set(row)
    again = subprocess.run(words, capture_output=True, text=True)
    assert again.returncode == 0 and "global-local" in again.stdout
