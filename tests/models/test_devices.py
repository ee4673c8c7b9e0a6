from __future__ import annotations

import pytest
import torch

from tests.factories import tiny_hf_model
from zsris_viz.errors import InvalidInputError
from zsris_viz.models import devices, load_clip
from zsris_viz.models.devices import choose_dtype, resolve_dtype

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def measure_again():
    devices._measured_choice.cache_clear()
    yield
    devices._measured_choice.cache_clear()


@pytest.mark.parametrize(("fp32", "bf16", "chosen"), [(3.0, 1.0, "bfloat16"), (3.0, 2.5, "float32")])
def test_auto_follows_the_measured_times(monkeypatch, fp32, bf16, chosen):
    times = {torch.float32: fp32, torch.bfloat16: bf16}
    monkeypatch.setattr(devices, "_product_ms", lambda dtype, device: times[dtype])
    monkeypatch.setattr(devices, "compute_dtype", lambda dtype, device: dtype)
    choice = choose_dtype("cpu")
    assert resolve_dtype("auto", CPU) == choice.dtype == getattr(torch, chosen)
    assert f"{fp32:.2f} ms" in choice.reason and f"{bf16:.2f} ms" in choice.reason
    assert load_clip(tiny_hf_model(), device="cpu", dtype="auto").dtype == choice.dtype


def test_auto_is_fp32_without_arithmetic_for_bf16(monkeypatch):
    monkeypatch.setattr(devices, "compute_dtype", lambda dtype, device: torch.float32)
    choice = choose_dtype("cpu")
    assert choice.dtype == torch.float32 and choice.bf16_ms is None and "no arithmetic" in choice.reason


def test_the_measurement_is_real():
    choice = choose_dtype("cpu")
    assert 0 < choice.fp32_ms < 10_000 and choice.dtype in (torch.float32, torch.bfloat16)
    assert choose_dtype("cpu") is choice, "measured once"


@pytest.mark.parametrize("dtype", ["int8", "bf16", "", torch.int8, "nn"])
def test_other_types_are_refused(dtype):
    with pytest.raises(InvalidInputError, match="bfloat16"):
        resolve_dtype(dtype, CPU)


def test_types_by_name(monkeypatch):
    assert resolve_dtype("float16", CPU) == torch.float16 == resolve_dtype(torch.float16, CPU)
    assert resolve_dtype() == torch.float32
    monkeypatch.setenv(devices.DTYPE_VARIABLE, "bfloat16")
    monkeypatch.setenv(devices.DEVICE_VARIABLE, "meta")
    assert resolve_dtype() == torch.bfloat16 and resolve_dtype("float32") == torch.float32
    assert devices.resolve_device() == torch.device("meta") and devices.resolve_device("cpu") == CPU
