"""The common interface of methods: a description, a configuration with presets, and `predict`."""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, Unpack, cast, get_args

import torch
from torch import Tensor

from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.methods.dataset_settings import dataset_settings
from zsris_viz.methods.expression_parts import ExpressionParts, KnownParts, PartSource
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.prediction import Prediction, Ranking
from zsris_viz.methods.settings import build_settings, merge_settings, update_settings
from zsris_viz.models.base import ImageTextModel
from zsris_viz.models.layered import LayeredModel

if TYPE_CHECKING:
    from zsris_viz.datasets.types import Expression

__all__ = ["Method", "MethodInfo", "Prediction", "Ranking", "RankingMethod", "SceneFeatures"]

Need = Literal["layers", "captions", "wordnet"]


@dataclass(frozen=True)
class MethodInfo:
    """The description of a method for tables and menus, and its requirements.

    Attributes:
        name: Name for `get_method`.
        title: Name that is printed in tables.
        paper: Authors, venue and equations.
        towers: Kinds of models whose layers the method can use, for example ("vit", "rn"). Without "layers" in `needs`,
            every `ImageTextModel` is accepted.
        summary: Description of the method in one sentence.
        presets: Names of the presets, the default first.
        needs: Requirements besides features of images and texts: "layers" (the model must be a `LayeredModel`),
            "captions" (a captioner, unless captions are given) and "wordnet".
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
        """Return whether the method can use the model."""
        return "layers" not in self.needs or (isinstance(model, LayeredModel) and model.kind in self.towers)

    def require(self, model: ImageTextModel) -> None:
        """Check that the method can use the model.

        Args:
            model: The model.

        Raises:
            UnavailableError: The method needs the layers of another kind of model.
        """
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
    """Base class of all methods, which predict the mask of the object that an expression refers to.

    Most methods choose among proposals and derive from :class:`RankingMethod`. A method that generates a mask of its
    own derives from this class and implements :meth:`predict_parts`.

    Args:
        preset: Name of a preset, for example "default" or "official", which follows the authors' code.
        **overrides: Fields of the configuration that replace those of the preset. A mapping changes single fields of a
            nested configuration, as in `crop={"fill": "blur"}`.

    Attributes:
        info: Description of the method.
        Config: Dataclass of the configuration.
        presets: Values of configuration fields for the name of each preset.
        config: The frozen configuration in use.
        preset: Name of the preset.

    Raises:
        InvalidInputError: The preset is unknown, or a field does not accept a value.
        InvalidTypeError: A field is unknown.
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
            dataset: Name of the dataset. For an unknown dataset only the settings that apply to all datasets are used.
            preset: As for the class.
            **overrides: As for the class; they take precedence over the settings for the dataset.

        Returns:
            The method.
        """
        return cls(preset, **merge_settings(dataset_settings(cls.info.name, dataset, preset), overrides))

    def with_settings(self, **overrides: Any) -> Self:
        """Return a copy of the method with other values of some settings.

        Args:
            **overrides: As for the class.

        Returns:
            The new method; this one does not change.

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
        """Return the name of the method in the registry."""
        return self.info.name

    @property
    def weights(self) -> str | None:
        """Return a fingerprint of the method's own weights, or None if it has none.

        The fingerprint distinguishes the results of two trainings.
        """
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(preset={self.preset!r}, {self.config})"

    def predict(
        self,
        scene: SceneFeatures,
        expression: str | Expression,
        *,
        parts: PartSource = "parser",
        **known: Unpack[KnownParts],
    ) -> Prediction:
        """Predict the mask of the object that an expression refers to.

        Args:
            scene: Image, proposals and model.
            expression: The text, or an Expression of a dataset, whose gold parts are used only with `parts="gold"`.
            parts: Source of the parts of the text that are not known: "parser" or "gold".
            **known: Known parts of the expression, and texts of its image for methods that use captions:
                `noun_phrase`, `head`, `context_tokens`, `direction`, `relation`, `relation_object`, `captions`,
                `image_caption` and `negatives`, see :class:`~zsris_viz.methods.expression_parts.KnownParts`.

        Returns:
            A Prediction. Methods that choose among proposals return a Ranking; without proposals its scores are empty
            and its mask is all False.

        Raises:
            InvalidInputError: The expression is empty.
            InvalidTypeError: A part is unknown.
            UnavailableError: The method cannot use the model.
        """
        self.info.require(scene.clip)
        return self._timed(scene, ExpressionParts(expression, known, source=parts, parser=scene.load_parser))

    def predict_many(
        self,
        scene: SceneFeatures,
        expressions: Sequence[str | Expression],
        *,
        parts: PartSource = "parser",
        **known: Unpack[KnownParts],
    ) -> list[Prediction]:
        """Predict the masks for several expressions of one image, whose texts are embedded in one batch first.

        Args:
            scene: Image, proposals and model.
            expressions: Texts or Expressions.
            parts: As for :meth:`predict`.
            **known: As for :meth:`predict`; the same for all expressions.

        Returns:
            One prediction for each expression.
        """
        self.info.require(scene.clip)
        resolved = [ExpressionParts(text, known, source=parts, parser=scene.load_parser) for text in expressions]
        if len(scene):
            self.prepare_texts(scene, resolved)
        return [self._timed(scene, text) for text in resolved]

    def texts_of(self, scene: SceneFeatures, text: ExpressionParts) -> list[str]:
        """Return the strings that the method embeds for an expression."""
        return [text.text]

    def prepare_texts(self, scene: SceneFeatures, texts: Sequence[ExpressionParts]) -> None:
        """Embed the strings of several expressions in one batch; the scene keeps their features."""
        scene.text_features([string for text in texts for string in self.texts_of(scene, text)])

    @abstractmethod
    def predict_parts(self, scene: SceneFeatures, text: ExpressionParts) -> Prediction:
        """Predict the mask for an expression with its parts; :meth:`predict` calls this method."""

    def _timed(self, scene: SceneFeatures, text: ExpressionParts) -> Prediction:
        start = time.perf_counter()
        prediction = self.predict_parts(scene, text)
        return dataclasses.replace(prediction, seconds=time.perf_counter() - start)


class RankingMethod(Method):
    """Base class of methods that score every proposal and predict the best one; subclasses implement :meth:`score`."""

    @abstractmethod
    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Score the proposals of a scene with at least one proposal.

        Args:
            scene: Image, proposals and model.
            text: The expression with its parts.

        Returns:
            Tensor (N,) of scores, of which higher ones are better, and the evidence by name. The caller replaces the
            scores of empty masks by -inf.
        """

    def predict(
        self,
        scene: SceneFeatures,
        expression: str | Expression,
        *,
        parts: PartSource = "parser",
        **known: Unpack[KnownParts],
    ) -> Ranking:
        """Rank the proposals for an expression; see :meth:`Method.predict`."""
        return cast(Ranking, super().predict(scene, expression, parts=parts, **known))

    def predict_parts(self, scene: SceneFeatures, text: ExpressionParts) -> Ranking:
        """Rank the proposals for an expression with its parts.

        Raises:
            InvalidInputError: A score is nan or infinite, as with damaged weights.
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
    """Return a tensor as a copy on the CPU, so that changes to it do not affect the results of the scene."""
    return value.detach().cpu().clone() if isinstance(value, Tensor) else value
