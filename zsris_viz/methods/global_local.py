"""Global-Local CLIP (Yu et al., CVPR 2023): global-context and local-context features of image and text, mixed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.crops import CropVariant
from zsris_viz.methods.settings import settings
from zsris_viz.methods.texts import ExpressionParts


@settings
class GlobalLocalConfig:
    """Settings of :class:`GlobalLocal`.

    Attributes:
        alpha: Weight of the global visual feature, 0-1 (eq. 5). 0.95 for RefCOCO and RefCOCO+, 0.85 for RefCOCOg,
            see `for_dataset`.
        beta: Weight of the sentence in the text feature, 0-1 (eq. 8).
        masked_blocks: k, the number of last blocks before which patch tokens are masked; None is 3 for a ViT, and the
            only value for an RN.
        visual: "global-local", "global" (masking in the tower alone) or "local" (the crop alone).
        textual: "global-local", "global" (the sentence alone) or "local" (the noun phrase alone). With `visual`, the
            grid of Table 3.
        mixing: "unit" normalises each feature before mixing and takes the cosine; "raw" mixes what comes out of the
            towers and takes the cosine; "official" is "raw" for a ViT, while for an RN crop, sentence and noun phrase
            are normalised, the global feature is not, and the score is a plain dot product.
        keep_one: a mask that vanishes on the token grid keeps its largest cell.
        unit_map: RN only: the feature map is L2-normalised at each position before masking.
        crop: How the crops are made.
        spaced: where the noun phrase is parsed, write the sentence in lower case with its words as the parser splits
            them (official).
        preprocess: a preset's name; None for the scene's own.
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
    """Global-Local CLIP: f = alpha f_G + (1 - alpha) f_L against t = beta E_t(T) + (1 - beta) E_t(NP(T)) (eq. 1-8).

    Presets: "default", CLIP's own preprocessing, every feature normalised before mixing; "official", the authors' code:
    ImageNet normalisation, boxes and background of its crops, features mixed as they come out. Its scores are cosines
    (RN: dot products), without the constant factor logit_scale that the code multiplies in. Its
    preprocessing, "glclip", also takes over the detour of their data loader, which resizes each image to a shorter side
    of 800 pixels for their mask generator, and back.

    Evidence: part scores (N,), each feature alone against the mixed text, "global_scores" and "local_scores", and
    "by_text", the visual feature against the sentence and the noun phrase alone; "global_features", "local_features",
    "visual" (N, D); "text_feature" (D,), "sentence", "noun_phrase" (strings); "grid_masks" (N, g, g); "alpha",
    "beta". What a variant leaves out is absent.
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
            features = scene.global_features(
                config.masked_blocks, keep_one=config.keep_one, unit_map=config.unit_map, preset=config.preprocess
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
    """Weighted sum; a single part stays as it is."""
    if len(parts) == 1:
        return parts[0][1]
    (weight, first), (rest, second) = parts
    return weight * first + rest * second
