"""Archives that torch itself wrote are read without running them; hostile ones are refused."""

from __future__ import annotations

import io
import pickle
import struct
import time
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.factories import TINY_RN, openai_model
from zsris_viz.errors import CorruptFileError
from zsris_viz.models import load_clip
from zsris_viz.models.archive import TensorArchive

JIT_LOAD = torch.jit.load


@pytest.fixture(autouse=True)
def no_torchscript(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("torch.jit.load was called")

    monkeypatch.setattr(torch.jit, "load", refuse)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("shape", [{}, TINY_RN], ids=["vit", "rn"])
@pytest.mark.parametrize("half", [False, True])
def test_archives_of_torchscript(tmp_path, shape, half):
    model = openai_model(3, **shape)
    pixels, ids = torch.randn(2, 3, 64, 64), torch.zeros(1, 77, dtype=torch.long)
    expected = model.encode_image(pixels).detach()
    inputs = {"encode_image": pixels[:1], "encode_text": ids}
    for name in ("input_resolution", "context_length", "vocab_size"):  # as in OpenAI's own files
        if hasattr(model, name):
            delattr(model, name)
        model.register_buffer(name, torch.tensor(7))
    traced = torch.jit.trace_module(model, inputs, check_trace=False)
    (traced.half() if half else traced).save(str(tmp_path / "model.pt"))
    archive = TensorArchive(tmp_path / "model.pt")
    assert archive.is_torchscript
    state = (model.half() if half else model).state_dict()
    assert set(archive) >= set(state) and len(state) > 30
    for name, value in state.items():
        assert archive[name].dtype == value.dtype and torch.equal(archive[name], value), name
    clip = load_clip(tmp_path / "model.pt", device="cpu")
    assert clip.activation == "quick_gelu"
    torch.testing.assert_close(clip.embed_images(pixels), expected, atol=0.05 if half else 1e-5, rtol=0)


class WritesOnLoading(nn.Module):
    """Makes a file when torch.jit.load restores it."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self.target = target
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.target, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.target = state[0]
        self.training = state[1]
        self.weight = torch.from_file(state[0], True, 64)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_code_in_an_archive_does_not_run(tmp_path):
    target, path = tmp_path / "made", tmp_path / "model.pt"
    torch.jit.script(WritesOnLoading(str(target))).save(str(path))
    with pytest.raises(CorruptFileError, match="code of its own"):
        load_clip(path, device="cpu")
    assert not target.exists()
    JIT_LOAD(str(path))
    assert target.exists(), "the archive is harmless, so the test shows nothing"


class LoopsOnLoading(nn.Module):
    """Never ends when torch.jit.load restores it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    @torch.jit.export
    def __getstate__(self) -> bool:
        return self.training

    @torch.jit.export
    def __setstate__(self, state: bool) -> None:
        self.training = state
        self.weight = torch.ones(2)
        while self.weight.sum() > 0:
            self.weight += 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_code_that_never_ends_does_not_run(tmp_path):
    torch.jit.script(LoopsOnLoading()).save(str(tmp_path / "model.pt"))
    start = time.process_time()
    with pytest.raises(CorruptFileError, match="code of its own"):
        load_clip(tmp_path / "model.pt", device="cpu")
    assert time.process_time() - start < 2


def saved(tensors: object) -> dict[str, bytes]:
    """Return the members of what torch.save writes."""
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    with zipfile.ZipFile(buffer) as file:
        return {name: file.read(name) for name in file.namelist()}


def write(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_views_strides_and_types_come_back(tmp_path):
    whole = torch.arange(24.0).reshape(4, 6)
    state = {
        "whole": whole,
        "transposed": torch.arange(6.0).reshape(2, 3).T,
        "row": torch.arange(12.0).reshape(4, 3)[2],
        "scalar": torch.tensor(3, dtype=torch.int64),
        "empty": torch.zeros(0, 3),
        "half": torch.ones(3, dtype=torch.bfloat16),
        "flag": torch.tensor([True, False]),
        "parameter": nn.Parameter(torch.ones(2)),
    }
    torch.save(state, tmp_path / "a.pt")
    archive = TensorArchive(tmp_path / "a.pt")
    assert list(archive) == list(state) and len(archive) == len(state)
    for name, value in state.items():
        assert archive[name].dtype == value.dtype and torch.equal(archive[name], value.detach()), name
    archive["whole"].zero_()
    assert torch.equal(archive["whole"], whole), "each reading is a copy"
    assert not any(isinstance(value, torch.Tensor) for value in vars(archive).values())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x02" + b"]" * 243 + b".", "tensors by name"),
        (b"\x80\x02]r" + struct.pack("<I", 2**29) + b".", "more memory"),
        (b"\x80\x02)" + b"\x85" * 400_000 + b".", "tensors by name"),
        (b"\x80\x02)" + b"\x85" * 5_000_000 + b".", "description of tensors"),
        (b"\x80\x02]" + b"q\x00" * 5_000_000 + b".", "larger than"),
        (b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.", r"os\.system"),
        (b"\x80\x02c__builtin__\neval\n.", "eval"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".", "weight file"),
        (pickle.dumps({"a": 1}, 2), "not a tensor"),
        (b"garbage", "weight file"),
    ],
    ids=[
        "243 nested lists",
        "memo index 2^29",
        "nested tuples",
        "5,000,000 nested tuples",
        "10 MB of memo entries",
        "os.system",
        "eval",
        "byte array of 2^40",
        "no tensor",
        "text",
    ],
)
def test_hostile_pickles_are_refused_at_once(tmp_path, data, message):
    path = write(tmp_path / "a.pt", {"archive/data.pkl": data, "archive/data/0": bytes(16)})
    start = time.process_time()
    with pytest.raises(CorruptFileError, match=message):
        TensorArchive(path)
    assert time.process_time() - start < 2


def test_tensors_that_lie_about_their_size_are_refused(tmp_path):
    path = tmp_path / "a.pt"
    with pytest.raises(CorruptFileError, match="larger than its numbers"):
        TensorArchive(write(path, saved({"a": torch.ones(1).expand(4)})))
    members = saved({"a": torch.ones(8)})
    data = next(name for name in members if name.endswith("data/0"))
    for content in (b"", members[data][:-4], members[data] + b"1234"):
        with pytest.raises(CorruptFileError, match="another size"):
            TensorArchive(write(path, members | {data: content}))
    del members[data]
    with pytest.raises(CorruptFileError, match="missing"):
        TensorArchive(write(path, members))
    with pytest.raises(CorruptFileError, match="compressed"):
        TensorArchive(write(path, saved({"a": torch.zeros(1000)}), zipfile.ZIP_DEFLATED))
    with pytest.raises(CorruptFileError, match=r"data\.pkl"):
        TensorArchive(write(path, {"readme.txt": b"no weights"}))


def test_many_views_of_one_storage_are_bounded(tmp_path):
    numbers = torch.zeros(100_000)
    torch.save({f"t{i}": numbers[:] for i in range(10)}, tmp_path / "a.pt")
    with pytest.raises(CorruptFileError, match="larger than the file"):
        TensorArchive(tmp_path / "a.pt")
