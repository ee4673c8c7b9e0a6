"""States of trainings."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from zsris_viz.errors import CorruptFileError, UnavailableError
from zsris_viz.io.training_state import load_state, save_state


def test_states(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    assert load_state(path) is None
    save_state(path, {"step": 3, "weights": torch.ones(2)})
    held = load_state(path)
    assert held is not None and held["step"] == 3 and torch.equal(held["weights"], torch.ones(2))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CorruptFileError, match="delete it to begin again"):
        load_state(path)


def test_a_full_disk_leaves_the_last_good_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run" / "state.pt"
    save_state(path, {"step": 1})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnavailableError, match=r"the disk is full.*previous one is kept"):
        save_state(path, {"step": 2})
    assert load_state(path) == {"step": 1} and [file.name for file in path.parent.iterdir()] == ["state.pt"]
