"""RISCLIP as a method of the registry, which predicts a mask without proposals."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import torch
import torch.nn.functional as F
from pydantic import Field

from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.io.hashing import file_hash
from zsris_viz.methods.base import Method, MethodInfo, Prediction, SceneFeatures
from zsris_viz.methods.expression_parts import ExpressionParts, KnownParts, PartSource
from zsris_viz.methods.risclip.checkpoint import load_model
from zsris_viz.methods.risclip.model import EncodedImage, Grounding, RisClipModel
from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.methods.settings import settings
from zsris_viz.miniature import WEIGHTS
from zsris_viz.models.base import ImageTextModel

if TYPE_CHECKING:
    from zsris_viz.datasets.types import Expression

SHIPPED = {"miniature": WEIGHTS / "risclip" / "model.safetensors"}


@settings
class RisClipConfig:
    """Settings of :class:`RisClip`.

    Attributes:
        checkpoint: Path of a file written by `zsris train risclip`; None for the checkpoint included in the package,
            which exists only for the tower "miniature".
        threshold: Probability above which a pixel belongs to the mask, between 0 and 1.
    """

    checkpoint: str | None = None
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5


class RisClip(Method):
    """A segmenter trained on masks, on top of a frozen CLIP.

    It is not a zero-shot method, so comparisons with zero-shot methods have to say that it was trained on masks. It
    does not need proposals: its decoder predicts the mask.

    Evidence: `cfe_map` and `map`, (g, g), the cosines of patches and sentence after CFE and after SKE; `probability`,
    (m, m), the mask probability before enlargement to the image.
    """

    info = MethodInfo(
        name="risclip",
        title="RISCLIP",
        paper="Kim, Kang, Kim, Park and Kwak, NAACL 2024, Figures 1 and 2",
        towers=("vit",),
        summary="Trained on masks: adapters between CLIP's frozen towers, a transformer above them, a light decoder.",
    )
    Config = RisClipConfig

    def __init__(self, preset: str = "default", **overrides: Any) -> None:
        super().__init__(preset, **overrides)
        self._models: dict[int, RisClipModel] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_models": {}}

    @property
    def weights(self) -> str | None:
        """Return the first 16 digits of the SHA-256 of the checkpoint file, which identifies a training.

        Returns:
            16 hexadecimal digits; None if the file does not exist.
        """
        path = Path(self.config.checkpoint) if self.config.checkpoint else SHIPPED["miniature"]
        return file_hash(path)[:16] if path.is_file() else None

    def model(self, clip: ImageTextModel) -> RisClipModel:
        """Return the trained model on a tower; it is loaded on first use.

        Args:
            clip: The CLIP model that the checkpoint was trained on.

        Returns:
            The model.

        Raises:
            UnavailableError: There is no checkpoint for this tower.
            InvalidInputError: The checkpoint belongs to another tower.
            CorruptFileError: The file is damaged.
        """
        self.info.require(clip)
        if id(clip) not in self._models:
            path = self.config.checkpoint or SHIPPED.get(clip.name)
            if path is None or (self.config.checkpoint is None and not Path(path).is_file()):
                raise UnavailableError(
                    f"there is no trained RISCLIP for the tower {clip.name!r}. Train one (zsris train risclip --config "
                    "FILE.yaml) and name it: get_method('risclip', checkpoint='RUN/model.safetensors'); the miniature "
                    "brings its own."
                )
            self._models[id(clip)] = load_model(path, clip)
        return self._models[id(clip)]

    def ground(self, scene: SceneFeatures, texts: Sequence[str]) -> Grounding:
        """Compute the maps and mask logits of several texts on one image.

        The part of the image tower before the first adapter is computed once for each image.

        Args:
            scene: Image and model.
            texts: E texts, at least one.

        Returns:
            The maps and logits of all texts, in float32.

        Raises:
            InvalidInputError: The preprocessing crops the image, or the checkpoint belongs to another tower.
            UnavailableError: There is no checkpoint for this tower.
            CorruptFileError: The checkpoint is damaged.
        """
        model = self.model(scene.clip)
        preprocess = scene.preprocess(size=model.input_size)
        if preprocess.resize != "squash":
            raise InvalidInputError(
                f"the preprocessing {preprocess.name!r} crops the image, so the mask would not lie on the object; "
                "use 'clip', which squashes it."
            )
        with torch.inference_mode():
            encoded = encoded_image(scene, model)
            found = []
            for first in range(0, len(texts), scene.batch_size):
                tokens = scene.layered.tokenize(list(texts[first : first + scene.batch_size]))
                owner = torch.zeros(len(tokens), dtype=torch.long, device=scene.clip.device)
                found.append(model(encoded, owner, tokens.ids, tokens.end))
        return Grounding(*(torch.cat(parts).float() for parts in zip(*found, strict=True)))

    def predict_many(
        self,
        scene: SceneFeatures,
        expressions: Sequence[str | Expression],
        *,
        parts: PartSource = "parser",
        **known: Unpack[KnownParts],
    ) -> list[Prediction]:
        """Predict for several expressions in one batch, see :meth:`~zsris_viz.methods.base.Method.predict_many`.

        Args:
            scene: Image and model.
            expressions: Texts or Expressions.
            parts: As for :meth:`~zsris_viz.methods.base.Method.predict`; RISCLIP uses only the text.
            **known: As for :meth:`~zsris_viz.methods.base.Method.predict`.

        Returns:
            One prediction for each expression; `seconds` is the mean over them.

        Raises:
            InvalidInputError: The model computes values that are not finite, or an expression is empty.
        """
        self.info.require(scene.clip)
        start = time.perf_counter()
        resolved = [ExpressionParts(text, known, source=parts, parser=scene.load_parser) for text in expressions]
        predictions = self._predict_texts(scene, [text.text for text in resolved]) if resolved else []
        seconds = (time.perf_counter() - start) / max(1, len(predictions))
        return [dataclasses.replace(prediction, seconds=seconds) for prediction in predictions]

    def predict_parts(self, scene: SceneFeatures, text: ExpressionParts) -> Prediction:
        """Predict for one expression from its text alone.

        Args:
            scene: Image and model.
            text: The expression.

        Returns:
            The prediction.
        """
        return self._predict_texts(scene, [text.text])[0]

    def _predict_texts(self, scene: SceneFeatures, texts: list[str]) -> list[Prediction]:
        found = self.ground(scene, texts)
        grid = self.model(scene.clip).grid
        large = F.interpolate(found.logits[:, None], size=scene.size, mode="bilinear", align_corners=False)[:, 0]
        if not bool(large.isfinite().all()):
            raise InvalidInputError(
                f"RISCLIP computed logits that are not finite numbers: the weights of {scene.clip.name!r} or of the "
                "checkpoint are damaged. Load them again."
            )
        masks = (large.sigmoid() > self.config.threshold).cpu()
        return [
            Prediction(
                mask=masks[row].clone(),
                method=self.name,
                expression=text,
                evidence={
                    "cfe_map": found.cfe_map[row].view(grid).cpu().clone(),
                    "map": found.map[row].view(grid).cpu().clone(),
                    "probability": found.logits[row].sigmoid().cpu().clone(),
                },
            )
            for row, text in enumerate(texts)
        ]


@once_per_scene
def encoded_image(scene: SceneFeatures, model: RisClipModel) -> EncodedImage:
    """Compute the part of a model that depends on the image alone, once for each image.

    Args:
        scene: The image.
        model: The model.

    Returns:
        The result of :meth:`~zsris_viz.methods.risclip.model.RisClipModel.encode_image`.
    """
    return model.encode_image(scene.pixels(size=model.input_size))
