"""What every method is: a description, a configuration with presets, and `predict`."""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast, get_args

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.methods.dataset_settings import dataset_settings
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.prediction import Prediction, Ranking
from zsris_viz.methods.settings import build_settings, merge_settings, update_settings
from zsris_viz.methods.texts import ExpressionParts
from zsris_viz.models.base import ImageTextModel
from zsris_viz.models.layered import LayeredModel

if TYPE_CHECKING:
    from zsris_viz.datasets.types import Expression

__all__ = ["Method", "MethodInfo", "Prediction", "Ranking", "RankingMethod", "SceneFeatures"]

Need = Literal["layers", "captions", "wordnet"]


@dataclass(frozen=True)
class MethodInfo:
    """What a table or a menu says about a method, and what the method needs.

    Attributes:
        name: As in `get_method(name)`.
        title: As printed in tables.
        paper: Authors, venue and equations.
        towers: Kinds of models whose layers the method can use, for example ("vit", "rn"). Without "layers" in `needs`
            any `ImageTextModel` serves.
        summary: One sentence.
        presets: Names of the presets, the default first.
        needs: What the method needs besides features of images and texts: "layers" (the model must be a
            `LayeredModel`), "captions" (a captioner, unless captions are given), "wordnet".
    """

    name: str
    title: str
    paper: str
    towers: tuple[str, ...]
    summary: str
    presets: tuple[str, ...] = ("default",)
    needs: frozenset[Need] = frozenset({"layers"})

    def __post_init__(self) -> None:
        unknown = sorted(set(self.needs) - set(get_args(Need)))
        if unknown:
            raise InvalidInputError(f"needs={', '.join(unknown)} is unknown; use any of {', '.join(get_args(Need))}.")
        object.__setattr__(self, "needs", frozenset(self.needs))

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
class NoSettings:
    """The configuration of a method that has no settings."""


class Method(ABC):
    """A way of predicting the mask that an expression means.

    Most methods choose among proposals and derive from :class:`RankingMethod`; one that draws a mask of its own derives
    from this class and implements :meth:`predict_parts`.

    Args:
        preset: "default", or another of `presets`, for example "official": the authors' own computation.
        **overrides: Fields of the configuration, on top of the preset. A mapping changes single fields of a nested
            configuration: `crop={"fill": "blur"}`.

    Attributes:
        info: The MethodInfo.
        Config: Dataclass of the configuration.
        presets: Name of a preset -> values of fields.
        config: The frozen configuration in use.
        preset: Name of the preset.

    Raises:
        InvalidInputError: An unknown preset, or a value that a field does not accept.
        InvalidTypeError: An unknown field.
    """

    info: ClassVar[MethodInfo]
    Config: ClassVar[type] = NoSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"default": {}}

    def __init__(self, preset: str = "default", **overrides: Any) -> None:
        if preset not in self.presets:
            raise InvalidInputError(
                f"preset={preset!r} is unknown for {self.info.name!r}; use one of {', '.join(self.presets)}."
            )
        self.preset = preset
        self.config: Any = build_settings(self.Config, self.presets[preset], overrides, owner=self.info.name)

    @classmethod
    def for_dataset(cls, dataset: str, preset: str = "default", **overrides: Any) -> Self:
        """Create the method with its settings for a dataset, see :mod:`zsris_viz.methods.dataset_settings`.

        Args:
            dataset: Name of the dataset; an unknown one gets the settings that hold for all others.
            preset: As for the class.
            **overrides: As for the class; they go before the dataset's settings.
        """
        return cls(preset, **merge_settings(dataset_settings(cls.info.name, dataset, preset), overrides))

    def with_settings(self, **overrides: Any) -> Self:
        """Return the same method with some settings changed.

        Args:
            **overrides: As for the class.

        Examples:
            >>> from zsris_viz.methods import get_method
            >>> get_method("copatch").with_settings(clusters={"delta": 0.1}).config.clusters.delta
            0.1
        """
        changed = type(self)(self.preset)
        changed.config = update_settings(self.config, overrides, owner=self.info.name)
        return changed

    @property
    def name(self) -> str:
        """The method's name in the registry."""
        return self.info.name

    @property
    def weights(self) -> str | None:
        """Fingerprint of weights of the method's own, which tells results of two trainings apart; None without any."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(preset={self.preset!r}, {self.config})"

    def predict(
        self, scene: SceneFeatures, expression: str | Expression, *, parts: str = "parser", **given: Any
    ) -> Prediction:
        """Predict the mask that `expression` means in `scene`.

        Args:
            scene: Image, proposals and model.
            expression: The text, or an Expression of a dataset, whose gold parts are used only with `parts="gold"`.
            parts: Where the text's parts come from that are not given: "parser" or "gold".
            **given: Parts that are known: noun_phrase=, head=, context_tokens=, direction=, relation=,
                relation_object=; for methods that use captions also captions= (a text for each proposal),
                image_caption= and negatives= (a list of phrases, which may be empty).

        Returns:
            A Prediction; of methods that choose among proposals a Ranking, whose scores are empty and whose mask is all
            False if there is no proposal.

        Raises:
            InvalidInputError: An empty expression.
            InvalidTypeError: An unknown part.
            UnavailableError: A model that the method cannot use.
        """
        self.info.require(scene.clip)
        return self._timed(scene, ExpressionParts(expression, given, source=parts, parser=scene.load_parser))

    def predict_many(
        self, scene: SceneFeatures, expressions: Sequence[str | Expression], *, parts: str = "parser", **given: Any
    ) -> list[Prediction]:
        """Predict for several expressions of one image; their texts pass the text tower in one batch first.

        Args:
            scene: Image, proposals and model.
            expressions: Texts or Expressions.
            parts: As for :meth:`predict`.
            **given: As for :meth:`predict`; the same for all expressions.
        """
        self.info.require(scene.clip)
        resolved = [ExpressionParts(text, given, source=parts, parser=scene.load_parser) for text in expressions]
        if len(scene):
            scene.text_features([string for text in resolved for string in self.texts_of(scene, text)])
        return [self._timed(scene, text) for text in resolved]

    def texts_of(self, scene: SceneFeatures, text: ExpressionParts) -> list[str]:
        """Return the strings that the method will embed for an expression."""
        return [text.text]

    @abstractmethod
    def predict_parts(self, scene: SceneFeatures, text: ExpressionParts) -> Prediction:
        """Predict for an expression with its parts; the part of :meth:`predict` that a method implements."""

    def _timed(self, scene: SceneFeatures, text: ExpressionParts) -> Prediction:
        start = time.perf_counter()
        prediction = self.predict_parts(scene, text)
        return dataclasses.replace(prediction, seconds=time.perf_counter() - start)


class RankingMethod(Method):
    """A method that scores every proposal and predicts the best one; it implements :meth:`score`."""

    @abstractmethod
    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Score the proposals of a scene, of which there is at least one.

        Args:
            scene: Image, proposals and model.
            text: The expression with its parts.

        Returns:
            (N,) scores, higher is better, and the evidence by name. Scores of empty masks are replaced by -inf.
        """

    def predict(
        self, scene: SceneFeatures, expression: str | Expression, *, parts: str = "parser", **given: Any
    ) -> Ranking:
        """Rank the proposals for an expression; see :meth:`Method.predict`."""
        return cast(Ranking, super().predict(scene, expression, parts=parts, **given))

    def predict_parts(self, scene: SceneFeatures, text: ExpressionParts) -> Ranking:
        """Rank the proposals for an expression with its parts.

        Raises:
            InvalidInputError: A score is not a number, as with damaged weights.
        """
        scores, evidence = self.score(scene, text) if len(scene) else (torch.zeros(0), {})
        scores = scores.detach().float().cpu().clone()
        if bool(scores[~scene.empty].isnan().any()) or bool((scores == torch.inf).any()):
            raise InvalidInputError(
                f"{self.info.title} computed scores that are not finite numbers: the weights of {scene.clip.name!r} or "
                "the pixels are damaged. Load the model again, and check the image."
            )
        scores[scene.empty] = -torch.inf
        chosen = None if bool(scene.empty.all()) else int(scores.argmax())
        return Ranking(
            mask=torch.zeros(scene.size, dtype=torch.bool) if chosen is None else scene.masks[chosen].clone(),
            method=self.name,
            expression=text.text,
            evidence={name: _on_cpu(value) for name, value in evidence.items()},
            scores=scores,
            chosen=chosen,
        )


def _on_cpu(value: Any) -> Any:
    """Return tensors as copies on the CPU: whoever draws them can change them without touching what the scene keeps."""
    return value.detach().cpu().clone() if isinstance(value, Tensor) else value
