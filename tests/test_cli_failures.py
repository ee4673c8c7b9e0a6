"""How the `zsris` command fails: one line that says what to do, an exit code, no traceback and no half-written file."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from tests.test_cli import replace_module
from zsris_viz.cli import app
from zsris_viz.cli.failures import explain
from zsris_viz.errors import UnavailableError

ZSRIS = [sys.executable, "-m", "zsris_viz.cli"]
LONG = "a" * 300


def zsris(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def assert_one_line(result: Result, code: int) -> None:
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("zsris: ") and result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.output


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.new("RGB", (40, 30), "green").save(path)
    return path


@pytest.fixture
def parser_that_raises(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """Make `zsris parse` raise the one error that the test puts into this list."""
    errors: list[Exception] = []

    def load_parser(model: str | None) -> Any:
        raise errors[0]

    replace_module(monkeypatch, "zsris_viz.language", load_parser=load_parser)
    return errors


OS_ERRORS = ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "ENAMETOOLONG", "ENOTDIR", "EISDIR", "EEXIST")


@pytest.mark.parametrize(
    "number", [*(getattr(errno, name) for name in OS_ERRORS), 9999], ids=lambda number: errno.errorcode.get(number, "")
)
def test_every_error_of_the_system_is_one_line_and_exit_code_1(
    parser_that_raises: list[Exception], number: int
) -> None:
    parser_that_raises.append(OSError(number, os.strerror(number), "/some/place"))
    result = zsris("parse", "a cat")
    assert_one_line(result, 1)
    assert "/some/place" in result.stderr


def test_debug_shows_the_traceback_of_anything(parser_that_raises: list[Exception]) -> None:
    parser_that_raises.append(OSError(errno.ENOSPC, "full"))
    for error in (OSError(errno.ENOSPC, "full"), KeyError("x"), UnavailableError("no"), MemoryError()):
        parser_that_raises[0] = error
        assert zsris("--debug", "parse", "a cat").exception is error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UnavailableError("no model\nhere"), 2, "zsris: no model here"),
        (MemoryError(), 1, "not enough memory"),
        (KeyError("gone"), 1, "unexpected KeyError: 'gone'"),
        (RuntimeError("\x1b[2Jcleared"), 1, r"\x1b[2Jcleared"),
    ],
    ids=["own error of two lines", "MemoryError", "KeyError", "escape in an error"],
)
def test_other_errors_are_one_line(
    parser_that_raises: list[Exception], error: Exception, code: int, words: str
) -> None:
    parser_that_raises.append(error)
    result = zsris("parse", "a cat")
    assert_one_line(result, code)
    assert words in result.stderr


def test_memory_of_an_accelerator_is_told_apart_by_its_class() -> None:
    import torch

    assert "memory" in explain(torch.OutOfMemoryError("tried to allocate"))
    assert "unexpected" in explain(RuntimeError("CUDA out of memory"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("words", [["--help"], ["--version"]], ids=" ".join)
def test_a_full_standard_output_is_one_line(words: list[str]) -> None:
    with open("/dev/full", "w") as full:
        run = subprocess.run([*ZSRIS, *words], stdout=full, stderr=subprocess.PIPE, text=True)
    assert run.returncode == 1
    assert "disk is full" in run.stderr and run.stderr.count("\n") == 1
    with open("/dev/full", "w") as full:  # standard error is full as well: only the code is left
        assert subprocess.run([*ZSRIS, *words], stdout=full, stderr=full).returncode == 1


def test_a_closed_pipe_is_silent() -> None:
    script = f"{' '.join(ZSRIS)} --help; echo $? >&2"
    run = subprocess.run(["bash", "-c", f"({script}) | true"], capture_output=True, text=True)
    assert run.stderr in ("1\n", "0\n")  # 0 where everything was written before the reader ended


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["segment", f"{LONG}.png", "a cat"], 2),  # refused like any other input that is no readable image
        (["data", "verify", "refcoco", "--data-root", LONG], 1),
        (["reproduce", "--list", "--notebooks", LONG], 1),
        (["explore", "--image", LONG], 1),
        (["segment", "photo.png", "a cat", "--save", f"{LONG}.png"], 1),
    ],
    ids=["segment", "data verify", "reproduce", "explore", "segment --save"],
)
def test_a_name_of_300_characters_is_one_line(
    words: list[str], code: int, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photo.parent)
    assert_one_line(zsris(*words), code)


def test_save_refuses_the_image_itself(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_module(monkeypatch, "zsris_viz.segmentation", segment=lambda *args, **options: 1 / 0)
    link = photo.with_name("link.png")
    link.symlink_to(photo)
    before = photo.read_bytes()
    for target in (photo, link, photo.parent / "." / "photo.png"):
        result = zsris("segment", photo, "a cat", "--save", target)
        assert_one_line(result, 2)
        assert "--force" in result.stderr
    assert photo.read_bytes() == before
    assert "ZeroDivisionError" in zsris("segment", photo, "a cat", "--save", photo, "--force").stderr


@pytest.mark.parametrize("name", ["folder.png", "absent/overlay.png", "/dev/full", "overlay.txt"])
def test_save_refuses_what_is_no_file_before_the_model_runs(
    photo: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (photo.parent / "folder.png").mkdir()
    replace_module(monkeypatch, "zsris_viz.segmentation", segment=lambda *args, **options: 1 / 0)
    assert_one_line(zsris("segment", photo, "a cat", "--save", photo.parent / name), 2)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_save_into_a_read_only_folder_is_refused_before_the_model_runs(photo: Path) -> None:
    folder = photo.parent / "locked"
    folder.mkdir(mode=0o500)
    assert_one_line(zsris("segment", photo, "a cat", "--save", folder / "overlay.png"), 1)


@pytest.mark.parametrize("command", ["segment", "evaluate"])
@pytest.mark.parametrize(("device", "words"), [("cuda", "CUDA"), ("nope", "'nope'")], ids=["cuda", "nope"])
def test_a_device_that_is_not_there_is_one_line(command: str, device: str, words: str, photo: Path) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    options = {"segment": [photo, "a cat"], "evaluate": ["--limit", "1", "--methods", "cropping"]}[command]
    result = zsris(command, *options, "--device", device)
    assert_one_line(result, 2)
    assert words in result.stderr


@pytest.mark.parametrize("command", ["segment", "explore"])
def test_an_image_of_too_many_pixels_is_one_line(command: str, photo: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # 40 x 30 pixels are more than twice as many
    words = {"segment": [photo, "a cat"], "explore": ["--image", photo, "--no-browser"]}[command]
    result = zsris(command, *words)
    assert_one_line(result, 2)
    assert "pixels" in result.stderr


@pytest.mark.parametrize("command", ["parse", "segment", "explore"])
def test_bytes_that_are_no_text_are_refused(command: str, photo: Path) -> None:
    text = os.fsdecode(b"\xff cat")
    words = {"parse": [text], "segment": [photo, text], "explore": ["--expression", text]}[command]
    result = zsris(command, *words)
    assert_one_line(result, 2)
    assert "UTF-8" in result.stderr


def test_a_terminal_gets_no_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    class Parsed:
        def to_dict(self) -> dict[str, Any]:
            return {"noun_phrase": "\x1b[31mred\x07 cat\u009b", "head": "cat", "model": "m"}

    class Parser:
        def parse(self, text: str) -> Parsed:
            return Parsed()

    replace_module(monkeypatch, "zsris_viz.language", load_parser=lambda model: Parser())
    shown = zsris("parse", "\x1b[31mred").stdout
    assert "\\x1b[31mred\\x07 cat\\x9b" in shown and "\x1b" not in shown
    assert json.loads(zsris("parse", "x", "--json").stdout)["noun_phrase"] == "\x1b[31mred\x07 cat\u009b"


@pytest.mark.parametrize("options", [["--list"], ["--dry-run"], []], ids=["--list", "--dry-run", "run"])
def test_reproduce_refuses_a_parameter_that_would_be_ignored(tmp_path: Path, options: list[str]) -> None:
    result = zsris("reproduce", *options, "-p", "output_dir=elsewhere", "--output", tmp_path)
    assert_one_line(result, 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", [["--force"], ["--jobs", "2"], ["--timeout", "3"]], ids=" ".join)
@pytest.mark.parametrize("mode", ["--list", "--dry-run"])
def test_reproduce_refuses_options_that_would_be_ignored(mode: str, option: list[str]) -> None:
    result = zsris("reproduce", mode, *option)
    assert_one_line(result, 2)
    assert option[0] in result.stderr


@pytest.mark.parametrize("words", [["segment", "photo.png", "a cat", "--method"], ["evaluate", "--methods"]])
def test_a_captioner_that_no_method_uses_is_refused(words: list[str], photo: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(photo.parent)
    result = zsris(*words, "cropping", "--captioner", "git-base")
    assert_one_line(result, 2)
    assert "tas" in result.stderr


def test_reproduce_into_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_one_line(zsris("reproduce", "start-here", "--output", tmp_path / "file"), 1)
    assert_one_line(zsris("reproduce", "start-here", "--output", tmp_path / "file" / "below"), 1)


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "--limit", "1", "--methods", "cropping", "--output", "file"],
        ["data", "export", "scenes", "file", "--format", "refer", "--limit", "1"],
        ["data", "fetch", "phrasecut", "--data-root", "file"],
        ["data", "verify", "refcoco", "--data-root", "file"],
        ["reproduce", "--list", "--notebooks", "file"],
    ],
    ids=["evaluate", "data export", "data fetch", "data verify", "reproduce"],
)
def test_a_file_in_place_of_a_folder_is_one_line(tmp_path: Path, words: list[str], monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("kept")
    result = zsris(*words)
    assert_one_line(result, result.exit_code)
    assert result.exit_code in (1, 2) and (tmp_path / "file").read_text() == "kept"


def test_warnings_have_no_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    from zsris_viz.errors import ZsrisWarning

    def load_parser(model: str | None) -> Any:
        warnings.warn("\x1b[31mred", ZsrisWarning, stacklevel=2)
        raise UnavailableError("no parser")

    replace_module(monkeypatch, "zsris_viz.language", load_parser=load_parser)
    assert "\x1b" not in zsris("parse", "a cat").stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
def test_a_read_only_disk_is_one_line(tmp_path: Path, photo: Path) -> None:
    place = tmp_path / "fixed"
    place.mkdir()
    mount = f"mount -t tmpfs -o ro tmpfs {place}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    commands = (
        f"segment {photo} 'a cat' --save {place}/overlay.png",
        f"evaluate --limit 1 --methods cropping --output {place}/run",
        f"reproduce start-here --test --output {place}/out",
        f"data export scenes {place}/export --format refer --limit 1",
    )
    script = "\n".join([mount, *(f"{' '.join(ZSRIS)} {words}; echo code $?" for words in commands)])
    run = subprocess.run(["unshare", "-rm", "bash", "-c", script], capture_output=True, text=True)
    assert run.stdout.count("code 1\n") == 4, run.stdout + run.stderr
    assert run.stderr.count("the file system is read-only") == 3 and "overlay.png: there is no permission" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    """Evaluate, save and reproduce into a file system of 64 kB: one line, no partial file, the lock released."""
    place = tmp_path / "small"
    place.mkdir()
    photo = tmp_path / "photo.png"
    Image.effect_noise((400, 300), 80).convert("RGB").save(photo)
    tiny = f"mount -t tmpfs -o size=64k tmpfs {place}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", tiny], capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    zsris_command = " ".join(ZSRIS)
    script = f"""
{tiny}
{zsris_command} segment {photo} 'a cat' --save {place}/overlay.png; echo code $?
ls -A {place}
head -c 60000 /dev/zero > {place}/filler
{zsris_command} evaluate --limit 2 --methods cropping --output {place}/run; echo code $?
{zsris_command} evaluate --limit 2 --methods cropping --output {place}/run; echo code $?
{zsris_command} reproduce start-here --test --output {place}/out; echo code $?
{zsris_command} data export scenes {place}/export --format refer --limit 3; echo code $?
"""
    run = subprocess.run(["unshare", "-rm", "bash", "-c", script], capture_output=True, text=True)
    assert run.stdout.count("code 1\n") == 5, run.stdout + run.stderr
    assert "overlay" not in run.stdout
    assert "Traceback" not in run.stderr and "in use by another run" not in run.stderr
