"""What every method is: a configuration with presets, `predict`, and the ranking with its evidence."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError
from zsris_viz.masks import Masks
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.texts import ExpressionParts
from zsris_viz.models.base import ImageTextModel
from zsris_viz.models.layered import LayeredModel

if TYPE_CHECKING:
    from zsris_viz.datasets.types import Expression

__all__ = ["Method", "MethodInfo", "Ranking", "SceneFeatures"]


Need = Literal["layers", "captions", "wordnet"]


@dataclass(frozen=True)
class MethodInfo:
    """One method of the registry.

    Attributes:
        name: The name that `get_method` takes.
        title: The name in tables.
        paper: Authors, venue and equations.
        towers: Kinds of models whose layers the method can use, for example ("vit", "rn"). Without "layers" in `needs`
            any `ImageTextModel` serves.
        summary: One sentence.
        presets: Names of the presets, the default first.
        needs: What the method needs besides image and text features: "layers" of the model (it must be a
            `LayeredModel`), "captions" of the proposals, "wordnet".
    """

    name: str
    title: str
    paper: str
    towers: tuple[str, ...]
    summary: str
    presets: tuple[str, ...] = ("default",)
    needs: frozenset[Need] = frozenset({"layers"})

    def accepts(self, model: ImageTextModel) -> bool:
        """Return whether the model can serve the method."""
        return "layers" not in self.needs or (isinstance(model, LayeredModel) and model.kind in self.towers)

    def require(self, model: ImageTextModel) -> None:
        """Raise UnavailableError unless the model can serve the method."""
        if not self.accepts(model):
            raise UnavailableError(
                f"{self.title} needs the layers of a model of kind {' or '.join(self.towers)}; {model.name!r} is of "
                f"kind {model.kind!r}. Load another model, e.g. "
                f"load_clip('{'miniature' if 'vit' in self.towers else 'miniature-rn'}'), or use cropping."
            )


@dataclass(frozen=True)
class Ranking:
    """The proposals of one image, scored for one expression.

    Attributes:
        scores: (N,) float32 on the CPU, higher is better; -inf for an empty mask.
        chosen: index of the best, the first of equals; None when there is no proposal with a pixel, and for a method
            that makes its own mask.
        method: its name. expression: the text.
        evidence: what explains the choice, for drawing: maps, features and part scores, by name (each method's
            docstring lists its own). Tensors are on the CPU.
        mask: (H, W) bool on the CPU, the answer of a method that makes its own mask instead of choosing; else None.
    """

    scores: Tensor
    chosen: int | None
    method: str
    expression: str
    evidence: dict[str, Any] = field(default_factory=dict)
    mask: Tensor | None = None

    def answer(self, masks: Masks) -> Tensor | None:
        """The mask that is the answer, (H, W) bool: the method's own, or the chosen one of the proposals `masks`; None
        without any."""
        if self.mask is not None:
            return self.mask
        return None if self.chosen is None else masks[self.chosen]

    @property
    def order(self) -> list[int]:
        """Indices from best to worst; equals keep their order."""
        return torch.argsort(self.scores, descending=True, stable=True).tolist()

    def top(self, count: int = 5) -> list[tuple[int, float]]:
        """(index, score) of the best `count`."""
        return [(index, float(self.scores[index])) for index in self.order[:count]]

    def __repr__(self) -> str:
        if self.mask is not None:
            share = 100 * float(self.mask.float().mean())
            return f"Ranking({self.method!r}, {self.expression!r}: its own mask, {share:.1f} % of the image)"
        best = "none" if self.chosen is None else f"{self.chosen} ({float(self.scores[self.chosen]):.4f})"
        return f"Ranking({self.method!r}, {self.expression!r}: {len(self.scores)} proposals, chosen {best})"


class Method(ABC):
    """A way of choosing the proposal that an expression means.

    Args:
        preset: "default", or another of `presets`, for example "official": the authors' own computation.
        **overrides: fields of the method's configuration, on top of the preset.

    Attributes:
        info: MethodInfo. Config: the configuration's dataclass. presets: name -> field values. config: the frozen
            configuration in use.
        preset: the preset's name.

    Raises:
        InvalidInputError: an unknown preset or a value that a field does not take. InvalidTypeError: an unknown
            field.
    """

    info: ClassVar[MethodInfo]
    Config: ClassVar[type]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"default": {}}

    def __init__(self, preset: str = "default", **overrides: Any) -> None:
        if preset not in self.presets:
            raise InvalidInputError(
                f"preset={preset!r} is unknown for {self.info.name!r}; use one of {', '.join(self.presets)}."
            )
        names = [entry.name for entry in dataclasses.fields(self.Config)]
        unknown = sorted(set(overrides) - set(names))
        if unknown:
            raise InvalidTypeError(
                f"{self.info.name!r} has no setting {', '.join(unknown)}; it has {', '.join(names) or 'none'}."
            )
        self.preset = preset
        self.config = self.Config(**{**self.presets[preset], **overrides})

    @property
    def name(self) -> str:
        """The method's name in the registry."""
        return self.info.name

    def __repr__(self) -> str:
        return f"{type(self).__name__}(preset={self.preset!r}, {self.config})"

    def predict(
        self, scene: SceneFeatures, expression: str | Expression, *, parts: str = "parser", **given: Any
    ) -> Ranking:
        """Score every proposal of `scene` for `expression`.

        Args:
            scene: image, proposals and model.
            expression: the text, or an Expression of a dataset, whose gold parts are used only with `parts="gold"`.
            parts: where the text's parts come from that are not given: "parser" or "gold".
            **given: parts that are known: noun_phrase=, head=, context_tokens=, direction=, relation=,
                relation_object=; for methods that use captions also captions= (a text for each proposal),
                image_caption= and negatives= (a list of phrases, which may be empty).

        Returns:
            Ranking; without proposals its scores are empty and `chosen` is None.

        Raises:
            InvalidInputError: an empty expression. InvalidTypeError: an unknown part. UnavailableError: a tower that
                the method cannot use.
        """
        return self._predict(scene, ExpressionParts(expression, given, source=parts, parser=scene.load_parser))

    def predict_many(
        self, scene: SceneFeatures, expressions: Sequence[str | Expression], *, parts: str = "parser", **given: Any
    ) -> list[Ranking]:
        """Predict for several expressions; their texts pass the text tower in one batch first."""
        read = [ExpressionParts(one, given, source=parts, parser=scene.load_parser) for one in expressions]
        if len(scene):
            scene.text_features([text for one in read for text in self.texts_of(scene, one)])
        return [self._predict(scene, one) for one in read]

    def _predict(self, scene: SceneFeatures, text: ExpressionParts) -> Ranking:
        self.info.require(scene.clip)
        if not len(scene):
            return Ranking(torch.zeros(0), None, self.name, text.text, {})
        scores, evidence = self._score(scene, text)
        scores = scores.detach().float().cpu().clone()
        scores[scene.empty] = -torch.inf
        chosen = None if bool(scene.empty.all()) else int(scores.argmax())
        return Ranking(scores, chosen, self.name, text.text, {name: _on_cpu(value) for name, value in evidence.items()})

    def texts_of(self, scene: SceneFeatures, text: ExpressionParts) -> list[str]:
        """The strings that the text tower will be asked for."""
        return [text.text]

    @abstractmethod
    def _score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """(N,) scores, higher is better, and the evidence. Scores of empty masks are overwritten by the caller."""


def _on_cpu(value: Any) -> Any:
    """Tensors as copies on the CPU: whoever draws them can change them without touching what the scene keeps."""
    return value.detach().cpu().clone() if isinstance(value, Tensor) else value
