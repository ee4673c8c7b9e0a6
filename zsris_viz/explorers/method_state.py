"""The state of MethodExplorer and CompareExplorer, without widgets: rankings by any method, of masks of any source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zsris_viz.explorers.state import BATCH, ExplorerState, Scene, check_choice, check_range, check_text, propose
from zsris_viz.masks import Masks
from zsris_viz.methods import list_methods
from zsris_viz.methods import method_class as class_of
from zsris_viz.methods.base import Ranking
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.models.base import ImageTextModel
from zsris_viz.proposals import proposal_names

OWN_MASKS = "given masks"
_NEED_MORE = ("ground-truth", "precomputed", "none")  # than an image, or give nothing to rank
_PARTS = ("base", "coherence", "unrectified")  # scores of proposals whose names do not say so


def source_names() -> list[str]:
    """Return the sources of proposals that need nothing but an image."""
    return [name for name in proposal_names() if name not in _NEED_MORE]


def methods_for(model: ImageTextModel) -> list[str]:
    """Return the names of the methods that the model can serve."""
    return [info.name for info in list_methods() if info.accepts(model)]


class RankingState(ExplorerState):
    """Rank the proposals of one image; each ranking is computed once and kept, and all share the features.

    Args:
        image: See :class:`~zsris_viz.explorers.state.ExplorerState`.
        clip: See :class:`~zsris_viz.explorers.state.ExplorerState`.
        proposals: A name for `load_proposals`, a Proposer, or masks.
        truth: See :class:`~zsris_viz.explorers.state.ExplorerState`.
        parser: See :class:`~zsris_viz.explorers.state.ExplorerState`.
        dataset: Name of the dataset whose settings the methods get (see
            :mod:`zsris_viz.methods.dataset_settings`), such as "scenes"; None for the methods' own.

    Attributes:
        dataset: Name of the dataset whose settings the methods get, or None.
    """

    def __init__(
        self,
        image: Scene,
        clip: ImageTextModel | str,
        proposals: Any,
        *,
        truth: Any = None,
        parser: Any = None,
        dataset: str | None = None,
    ) -> None:
        self.dataset = dataset
        named = isinstance(proposals, str) and not isinstance(image, SceneFeatures)
        self.source: str = proposals if named else OWN_MASKS
        super().__init__(image, clip, propose(image, proposals), truth=truth, parser=parser)
        self.sources = source_names()
        if self.source not in self.sources:
            self.sources.insert(0, self.source)
        self._scenes: dict[str, SceneFeatures] = {self.source: self.scene}
        self._rankings: dict[tuple[str, ...], Ranking] = {}

    def scene_of(self, source: str) -> SceneFeatures:
        """Return the image with the proposals of a source; text features are shared.

        Raises:
            InvalidInputError: A source that finds no proposal.
            UnavailableError: A source that is not available.
        """
        check_choice(source, self.sources, "proposals")
        if source not in self._scenes:
            scene = self.scene
            masks = propose(scene.image, source)
            self._scenes[source] = SceneFeatures(
                scene.image,
                masks,
                self.clip,
                parser=scene.parser,
                captioner=scene.captioner,
                texts=scene.texts,
                batch_size=BATCH,
            )
            self._scenes[source].progress = self._advance
        return self._scenes[source]

    def ranking_of(self, expression: str, method: str, preset: str = "default") -> Ranking:
        """Return the current proposals ranked by a method; each ranking is computed once."""
        key = (self.source, expression, method, preset)
        scene = self.scene
        if key not in self._rankings:
            kind = class_of(method)
            chooser = kind(preset) if self.dataset is None else kind.for_dataset(self.dataset, preset)
            self._rankings[key] = chooser.predict(scene, expression).rank(scene.masks)
        return self._rankings[key]

    def report_to(self, progress: Callable[[str, int, int], None] | None) -> None:
        """See `ExplorerState.report_to`."""
        super().report_to(progress)
        for scene in self._scenes.values():
            scene.progress = self._advance

    def close(self) -> None:
        """See `ExplorerState.close`."""
        super().close()
        self._scenes.clear()
        self._rankings.clear()


@dataclass(frozen=True)
class Place:
    """A ranked proposal: its place from 1, number, score, partial scores by name, and IoU with the ground truth."""

    place: int
    mask: int
    score: float
    parts: dict[str, float]
    iou: float | None


class MethodState(RankingState):
    """Compute one method's ranking of the proposals, and which masks are shown on the image.

    Args:
        image: See :class:`RankingState`.
        expression: The text.
        clip: See :class:`RankingState`.
        method: Name of the method.
        preset: Name of the method's preset.
        proposals: See :class:`RankingState`.
        truth: See :class:`RankingState`.
        parser: See :class:`RankingState`.
        dataset: See :class:`RankingState`.

    Attributes:
        expression: The current text; change it with :meth:`set`.
        method: The current method; change it with :meth:`set`.
        preset: The current preset; change it with :meth:`set`.
        source: The current source of proposals; change it with :meth:`set`.
        ranking: The ranking under the current settings.
        shown: Numbers of the masks on the image; the chosen mask after every change of ranking.

    Raises:
        InvalidInputError: An empty expression, an unknown name, or no proposal.
        UnavailableError: A method that cannot use the model, or a model that is not available.
    """

    def __init__(
        self,
        image: Scene,
        expression: str,
        clip: ImageTextModel | str = "miniature",
        *,
        method: str = "global-local",
        preset: str = "default",
        proposals: Any = "felzenszwalb",
        truth: Any = None,
        parser: Any = None,
        dataset: str | None = None,
    ) -> None:
        super().__init__(image, clip, proposals, truth=truth, parser=parser, dataset=dataset)
        self.expression, self.method, self.preset = "", method, preset
        self.ranking: Ranking
        self.shown: frozenset[int] = frozenset()
        self.set(expression=expression)

    def set(self, **changes: Any) -> None:
        """Change any of `expression`, `method`, `preset`, `source` and `truth`.

        If one value is wrong, nothing is changed. Another method starts with its preset "default".
        """
        for name in changes:
            check_choice(name, ("expression", "method", "preset", "source", "truth"), "setting")
        expression = check_text(changes.get("expression", self.expression))
        method = changes.get("method", self.method)
        preset = changes.get("preset", self.preset if method == self.method else "default")
        source = changes.get("source", self.source)
        before, scene = self.source, self._scene
        try:
            self._scene, self.source = self.scene_of(source), source
            ranking = self.ranking_of(expression, method, preset)
            if "truth" in changes:
                self.set_truth(changes["truth"])
        except Exception:
            self.source, self._scene = before, scene
            raise
        self.expression, self.method, self.preset, self.ranking = expression, method, preset, ranking
        self.shown = frozenset()

    @property
    def presets(self) -> list[str]:
        """Return the names of the method's presets."""
        return list(class_of(self.method).presets)

    @property
    def chosen(self) -> int | None:
        """Return the number of the chosen proposal; None if there is none, or if the method draws its own mask."""
        return self.ranking.chosen

    def predicted_mask(self) -> Tensor | None:
        """Return the predicted mask, (H, W) bool; None if it is empty."""
        return self.ranking.mask if bool(self.ranking.mask.any()) else None

    def show(self, masks: Any) -> None:
        """Show some masks on the image.

        Raises:
            InvalidInputError: A number that does not exist.
        """
        last = len(self.scene) - 1
        self.shown = frozenset(check_range(number, 0, last, "mask") for number in masks)

    def toggle(self, mask: int) -> None:
        """Show a mask that is hidden, or hide a mask that is shown."""
        self.show(self.shown ^ {mask})

    def places(self, count: int = 10) -> list[Place]:
        """Return the best `count` proposals with their part scores."""
        parts = part_scores(self.ranking)
        overlaps = None if self.truth is None else self.scene.masks.iou(self.truth)[:, 0].tolist()
        return [
            Place(
                place,
                index,
                score,
                {name: float(values[index]) for name, values in parts.items()},
                None if overlaps is None else overlaps[index],
            )
            for place, (index, score) in enumerate(self.ranking.top(count), start=1)
        ]


def part_scores(ranking: Ranking) -> dict[str, Tensor]:
    """Return the parts of a score by name, (N,) each, from the evidence.

    The parts are the vectors with one number for each proposal whose names end in "_scores", some others by name, the
    entries of the evidence under "by_text", and CoPatch's `selection`, which only its candidates have (nan for the
    others).
    """
    count, found = len(ranking.scores), {}
    for name, value in ranking.evidence.items():
        named = name.endswith("_scores") or name in _PARTS
        if named and isinstance(value, Tensor) and value.shape == (count,) and value.is_floating_point():
            found[name.removesuffix("_scores")] = value
        if name == "by_text":
            found |= {f"by {text.replace('_', ' ')}": scores for text, scores in value.items()}
    candidates, selection = ranking.evidence.get("candidates"), ranking.evidence.get("selection")
    if isinstance(candidates, list) and isinstance(selection, Tensor) and len(candidates) == len(selection):
        spread = torch.full((count,), torch.nan)
        for index, value in zip(reversed(candidates), reversed(selection.tolist()), strict=True):
            spread[index] = value
        found["selection"] = spread
    return found


def painted_scores(ranking: Ranking, masks: Masks) -> np.ndarray:
    """Paint a ranking as an (H, W) float32 map, so that two rankings can be subtracted.

    Scores are standardised over the proposals (mean 0, standard deviation 1), since methods score on different scales.
    A pixel has the mean of the standardised scores of the masks that cover it, and 0 if no mask covers it. With a
    single proposal, or equal scores, the map is 0 everywhere.
    """
    real = ranking.scores.isfinite()
    scores = torch.zeros(len(real))
    if int(real.sum()) > 1:
        kept = ranking.scores[real]
        spread = float(kept.std(correction=0))
        scores[real] = (kept - kept.mean()) / spread if spread > 1e-12 else torch.zeros_like(kept)
    covered = masks.coverage.clamp(min=1)
    total = torch.zeros(masks.size)
    for mask, score in zip(masks, scores, strict=True):
        total += mask * score
    return (total / covered).numpy()
