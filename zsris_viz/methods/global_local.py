"""Global-Local CLIP (Yu et al., CVPR 2023): mixed global-context and local-context features of image and text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.crops import CropVariant
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.global_context import global_context_features
from zsris_viz.methods.settings import settings


@settings
class GlobalLocalConfig:
    """Settings of :class:`GlobalLocal`.

    Attributes:
        alpha: Weight of the global visual feature, 0-1 (eq. 5): 0.95 for RefCOCO and RefCOCO+, 0.85 for RefCOCOg; see
            `for_dataset`.
        beta: Weight of the sentence in the text feature, 0-1 (eq. 8).
        masked_blocks: Number k of last blocks before which patch tokens are masked; None for 3 in a ViT, and the only
            accepted value for an RN.
        visual: Visual features: "global-local" for both, "global" for masking in the tower alone, "local" for the crop
            alone.
        textual: Text features: "global-local" for both, "global" for the sentence alone, "local" for the noun phrase
            alone. Together, `visual` and `textual` give the combinations of Table 3.
        mixing: "unit" normalises each feature before mixing and takes the cosine. "raw" mixes the features without
            normalisation and takes the cosine. "official" is "raw" for a ViT; for an RN it normalises the features of
            crop, sentence and noun phrase but not the global feature, and takes the dot product.
        keep_one: Whether a mask that vanishes on the token grid keeps its largest cell.
        unit_map: Whether the feature map of an RN is L2-normalised at each position before masking.
        crop: Settings of the crops.
        spaced: Whether the sentence is put in lower case with one blank between the parser's tokens where the parser
            finds the noun phrase, as in the authors' code.
        preprocess: Name of a preprocessing preset; None for that of the scene.
    """

    alpha: Annotated[float, Field(ge=0, le=1)] = 0.95
    beta: Annotated[float, Field(ge=0, le=1)] = 0.5
    masked_blocks: int | None = None
    visual: Literal["global-local", "global", "local"] = "global-local"
    textual: Literal["global-local", "global", "local"] = "global-local"
    mixing: Literal["unit", "raw", "official"] = "unit"
    keep_one: bool = True
    unit_map: bool = False
    crop: CropVariant = CropVariant()
    spaced: bool = False
    preprocess: str | None = None


class GlobalLocal(RankingMethod):
    """Global-Local CLIP, which compares mixed visual features of proposals with mixed text features (eq. 1-8).

    The score is the cosine of f = alpha f_G + (1 - alpha) f_L and t = beta E_t(T) + (1 - beta) E_t(NP(T)).

    Presets: "default" uses CLIP's own preprocessing and normalises every feature before mixing. "official" follows the
    authors' code: ImageNet normalisation, the boxes and the background of its crops, and features that are mixed
    without normalisation. Its scores are cosines (dot products for an RN) without the constant factor logit_scale of
    the code. Its preprocessing, "glclip", also resizes each image to a shorter side of 800 pixels and back, because the
    authors' data loader does so for their mask generator.

    Evidence; the values of a feature that is not used are absent:

    - `global_scores`, `local_scores`: (N,), the scores of each visual feature alone with the mixed text.
    - `by_text`: the scores (N,) of the visual feature with the sentence alone and the noun phrase alone, by name.
    - `global_features`, `local_features`, `visual`: (N, D), the visual features and their mixture.
    - `text_feature`: (D,), the feature of the mixed text.
    - `sentence`, `noun_phrase`: the two texts.
    - `grid_masks`: (N, g, g), the masks on the token grid.
    - `alpha`, `beta`: the weights.
    """

    info = MethodInfo(
        name="global-local",
        title="Global-Local CLIP",
        paper="Yu et al., CVPR 2023, eq. 1-8",
        towers=("vit", "rn"),
        summary="Tokens masked in the tower show a proposal in context, a crop shows it alone; two texts are mixed.",
        presets=("default", "official"),
    )
    Config = GlobalLocalConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "default": {},
        "official": {
            "mixing": "official",
            "keep_one": False,
            "unit_map": True,
            "crop": {"fill": "imagenet-mean", "box": "freesolo", "pipeline": "normalised"},
            "spaced": True,
            "preprocess": "glclip",
        },
    }

    def texts_of(self, scene: SceneFeatures, text: ExpressionParts) -> list[str]:
        """Return the strings to embed, see :meth:`~zsris_viz.methods.base.Method.texts_of`."""
        wanted = self.config.textual
        text = text.spaced() if self.config.spaced and wanted != "global" else text
        return [text.text] * (wanted != "local") + [text.noun_phrase for _ in range(wanted != "global")]

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Score the proposals, see :meth:`~zsris_viz.methods.base.RankingMethod.score`."""
        config = self.config
        rn_official = config.mixing == "official" and scene.clip.kind == "rn"
        unit = config.mixing == "unit"
        evidence: dict[str, Any] = {"alpha": config.alpha, "beta": config.beta}

        visual: list[tuple[float, Tensor]] = []
        if config.visual != "local":
            features = global_context_features(
                scene,
                config.masked_blocks,
                keep_one=config.keep_one,
                unit_map=config.unit_map,
                preset=config.preprocess,
            )
            evidence["global_features"] = features = F.normalize(features, dim=-1) if unit else features
            evidence["grid_masks"] = scene.grid_masks(keep_one=config.keep_one)
            visual.append((config.alpha, features))
        if config.visual != "global":
            features = scene.crop_features(config.crop, config.preprocess)
            evidence["local_features"] = features = F.normalize(features, dim=-1) if unit or rn_official else features
            visual.append((1 - config.alpha, features))
        image = _mix(visual)

        texts = self.texts_of(scene, text)
        features = scene.text_features(texts)
        features = F.normalize(features, dim=-1) if unit or rn_official else features
        sentence = _mix(
            list(zip((config.beta, 1 - config.beta), features, strict=False))
            if len(texts) == 2
            else [(1.0, features[0])]
        )

        def compare(image: Tensor, text: Tensor) -> Tensor:
            return image @ text if rn_official else F.cosine_similarity(image, text[None])

        evidence |= {"visual": image, "text_feature": sentence}
        evidence |= {
            name.replace("features", "scores"): compare(evidence[name], sentence)
            for name in ("global_features", "local_features")
            if name in evidence
        }
        names = {"global-local": ("sentence", "noun_phrase"), "global": ("sentence",), "local": ("noun_phrase",)}[
            config.textual
        ]
        evidence |= dict(zip(names, texts, strict=True))
        evidence["by_text"] = {
            name: compare(image, feature).cpu() for name, feature in zip(names, features, strict=True)
        }
        return compare(image, sentence), evidence


def _mix(parts: list[tuple[float, Tensor]]) -> Tensor:
    """Return the weighted sum of two features; a single feature is returned unchanged."""
    if len(parts) == 1:
        return parts[0][1]
    (weight, first), (rest, second) = parts
    return weight * first + rest * second
