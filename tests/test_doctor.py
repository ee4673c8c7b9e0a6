"""What `zsris doctor` looks at."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from zsris_viz import doctor
from zsris_viz.doctor import OK, PROBLEM, WARNING


def test_versions_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tested = doctor.tested_versions()
    assert tested["torch"].count(".") == 2
    constraints = tmp_path / "constraints.txt"
    monkeypatch.setattr(doctor, "CONSTRAINTS", constraints)
    assert [check.status for check in doctor._packages()] == [OK]  # outside a clone: nothing to compare with
    constraints.write_text("# comment\nnumpy==0.1\n")
    (check,) = doctor._packages()
    assert check.status == WARNING and "numpy" in check.found and "tested: 0.1" in check.found
    monkeypatch.setattr(doctor, "requires", lambda name: ["numpy>=1", "no-such-package", 'x; extra == "dev"'])
    (check,) = doctor._packages()
    assert check.status == PROBLEM and check.found == "missing: no-such-package"


def test_weights_are_compared_with_their_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGE", tmp_path)
    assert [check.status for check in doctor._miniature()] == [PROBLEM]
    folder = tmp_path / "miniature" / "clip"
    folder.mkdir(parents=True)
    weights = folder / "model.safetensors"
    weights.write_bytes(b"weights")
    assert [check.status for check in doctor._miniature()] == [WARNING]
    (folder / "README.md").write_text(f"sha256: {hashlib.sha256(b'weights').hexdigest()}")
    assert [check.status for check in doctor._miniature()] == [OK]
    weights.write_bytes(b"damaged")
    (check,) = doctor._miniature()
    assert check.status == PROBLEM and "git checkout" in (check.remedy or "")


def test_little_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FREE_GB", 1e9)
    assert [check.status for check in doctor._disk()] == [WARNING]


def test_torch_and_kernel_work_here() -> None:
    checks = {check.name: check for check_all in (doctor._torch, doctor._kernel) for check in check_all()}
    assert checks["torch"].status == OK, checks["torch"]
    assert set(checks) == {"torch", "cuda", "dtype=auto", "jupyter kernel"}


def test_checkpoints_and_the_cache_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZSRIS_CACHE", "off")
    sam, cache = doctor._proposals()
    assert (sam.status, cache.status) == (OK, OK) and "none" in sam.found and "off" in cache.found
    file = tmp_path / "data" / "checkpoints" / "sam" / "sam_vit_b_01ec64.pth"
    file.parent.mkdir(parents=True)
    file.touch()
    entry = tmp_path / "kept" / "proposals" / "ab" / "abc.json.gz"
    entry.parent.mkdir(parents=True)
    entry.write_bytes(bytes(200_000))
    monkeypatch.setenv("ZSRIS_CACHE", str(tmp_path / "kept"))
    sam, cache = doctor._proposals()
    assert "sam-vit-b" in sam.found and cache.found == f"0.2 MB in {tmp_path / 'kept'}"
    monkeypatch.setenv("ZSRIS_CACHE", str(file / "below"))
    assert [check.status for check in doctor._proposals()] == [OK, WARNING]
