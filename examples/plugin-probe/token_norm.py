"""A probe of the norms of image tokens, layer by layer: the least that a probe consists of."""

from __future__ import annotations

from zsris_viz.probes import ImageTexts, Probe
from zsris_viz.probes.inputs import as_view


class TokenNorm(Probe):
    """Measure the mean Euclidean norm of CLS and of the patch tokens at every layer.

    Variants: "CLS" and "patches". The control "untrained" tells how much of it the training has brought about.
    """

    name = "token norm"
    controls = ("untrained",)

    def update(self, image: ImageTexts) -> None:
        """Take in one image."""
        view = as_view(image)
        norms = view.tokens.float().norm(dim=-1)  # (layers, 1 + P)
        for variant, values in (("CLS", norms[:, 0]), ("patches", norms[:, 1:].mean(dim=1))):
            self.tally.add_layers(
                view.number,
                values.tolist(),
                view.layers,
                probe=self.name,
                kind="norm",
                variant=variant,
                control=self.control,
            )
