"""The learning rate of a training, as a function of the number of examples that were trained on."""

from __future__ import annotations

from dataclasses import dataclass

from zsris_viz.errors import InvalidInputError


@dataclass(frozen=True)
class WarmupStableDecay:
    """A linear warm-up, a constant rate, and a decay to zero that follows one minus a square root.

    The rate does not depend on `total` before the decay begins. A training can therefore be made longer while its rate
    is constant, and a copy of it can be decayed at any moment (Hägele et al., "Scaling Laws and Compute-Optimal
    Training Beyond Fixed Training Durations", 2024, which also gives the shape of the decay).

    Attributes:
        peak: float, the constant learning rate.
        warmup: int, number of examples over which the rate rises.
        decay: int, number of examples over which the rate falls, the last ones of the training.
        total: int, number of examples of the whole training.
    """

    peak: float
    warmup: int
    decay: int
    total: int

    def __post_init__(self) -> None:
        if self.warmup + self.decay > self.total or min(self.warmup, self.decay) < 0:
            raise InvalidInputError(
                f"a warm-up of {self.warmup:,} examples and a decay of {self.decay:,} do not fit into a training of "
                f"{self.total:,}; lengthen the training or shorten one of the two."
            )

    @property
    def decay_start(self) -> int:
        """Number of examples after which the decay begins."""
        return self.total - self.decay

    def decay_progress(self, examples: int) -> float:
        """Return how much of the decay is done after `examples`, from 0 to 1."""
        if examples < self.decay_start or self.decay == 0:
            return 0.0
        return min((examples - self.decay_start) / self.decay, 1.0)

    def rate(self, examples: int) -> float:
        """Return the learning rate of the step that begins after `examples`."""
        if examples < self.warmup:
            return self.peak * max(examples / self.warmup, 0.01)
        return self.peak * (1.0 - self.decay_progress(examples) ** 0.5)
