"""Bytes of weights and of a computation, against what the sizes of the tensors give."""

from __future__ import annotations

import torch

from zsris_viz.models.memory import peak_bytes, weight_bytes


class Holder:
    """An object with a module, as the models of the package are."""

    def __init__(self) -> None:
        self.name = "two layers"
        self.layers = torch.nn.Sequential(torch.nn.Linear(10, 20, bias=False), torch.nn.Linear(20, 10, bias=False))


def test_weights_count_once() -> None:
    assert weight_bytes(Holder()) == 4 * (200 + 200)
    assert weight_bytes(Holder().layers.half()) == 2 * (200 + 200)
    tied = torch.nn.Sequential(torch.nn.Linear(5, 5, bias=False), torch.nn.Linear(5, 5, bias=False))
    tied[1].weight = tied[0].weight
    assert weight_bytes(tied) == 4 * 25
    assert weight_bytes("no module") == 0


MEGABYTE = 2**20


def make_tensor() -> torch.Tensor:
    return torch.zeros(MEGABYTE // 4)


def test_tensors_that_live_together_add_up() -> None:
    assert 3 * MEGABYTE <= peak_bytes(lambda: [make_tensor() for _ in range(3)]) < 3.1 * MEGABYTE


def test_a_tensor_that_was_freed_does_not_count() -> None:
    def compute() -> None:
        for _ in range(3):
            make_tensor()

    assert MEGABYTE <= peak_bytes(compute) < 1.1 * MEGABYTE
