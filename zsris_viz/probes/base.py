"""The interface of a probe: it is prepared for a tower, reads every image once, and returns a tidy table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from zsris_viz.probes.table import RESAMPLES, Tally

if TYPE_CHECKING:
    import pandas as pd

    from zsris_viz.probes.inputs import ImageTexts, ProbeInputs


class Probe(ABC):
    """Base class of the probes, which measure a tower layer by layer, with controls.

    :func:`~zsris_viz.probes.run.run_probes` makes one instance for each tower, calls `prepare`, then `update` for every
    image, then `result`. A subclass adds its numbers to `self.tally` under `self.control`, and under the names of its
    own controls if `self.has_control` returns true for them.

    Args:
        seed: Seed of all random draws.

    Attributes:
        name: Name in the column "probe" of the table.
        reads: "images" for the layers of a vision transformer; `update` then receives an
            :class:`~zsris_viz.probes.inputs.ImageView`. "texts" for the text tower alone; `update` then receives an
            :class:`~zsris_viz.probes.inputs.ImageTexts`.
        controls: Controls of the probe: "untrained" (the same measurement of a tower with random weights), and those
            that it computes itself, such as "shuffled".
        uses_changes: Whether the probe compares an image with its changed copies, `ImageView.copies`.
        tally: The sums for each image.
        rng: Generator of the random draws; every measurement starts it from the seed.
        control: "model", or "untrained" for the tower of random weights.
    """

    name: ClassVar[str]
    reads: ClassVar[Literal["images", "texts"]] = "images"
    controls: ClassVar[tuple[str, ...]] = ("untrained", "shuffled")
    uses_changes: ClassVar[bool] = False

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    def prepare(
        self, inputs: ProbeInputs, *, control: str = "model", controls: tuple[str, ...] = ("shuffled",)
    ) -> None:
        """Start a measurement; a subclass that keeps something between images resets it here.

        Args:
            inputs: All images and expressions.
            control: "model", or "untrained" for the tower of random weights.
            controls: Additional controls to compute; those that the probe does not have are ignored.
        """
        self.tally = Tally(len(inputs.samples))
        self.rng = np.random.default_rng(self.seed)
        self.control = control
        self._wanted = frozenset(controls) & frozenset(self.controls) if control == "model" else frozenset()

    def has_control(self, control: str) -> bool:
        """Return whether the probe has this control and is to compute it."""
        return control in self._wanted

    @abstractmethod
    def update(self, image: ImageTexts) -> None:
        """Add one image.

        Args:
            image: The image with its expressions; an `ImageView` if the probe reads images.
        """

    def finish(self) -> None:  # noqa: B027  (most probes have nothing to do here)
        """Compute the numbers that need all images; `result` calls this once."""

    def result(self, *, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
        """Return one row for each number, with the columns :data:`~zsris_viz.probes.table.COLUMNS`.

        Args:
            resamples: Number of draws of the bootstrap over images.
            seed: Seed of the draws.
        """
        self.finish()
        return self.tally.table(resamples=resamples, seed=seed)
