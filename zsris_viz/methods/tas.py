"""TAS (Suo et al., EMNLP Findings 2023): scores of crop, caption and negative phrases, and a spatial rectifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.captions import CaptionVariant, RegionCaptions, image_caption, region_captions
from zsris_viz.methods.crops import CropVariant, crop_boxes
from zsris_viz.methods.negatives import Negatives, Synonymy, mine_negatives
from zsris_viz.methods.rectifier import Rectification, rectify
from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.methods.settings import settings
from zsris_viz.methods.texts import ExpressionParts


@settings
class TasConfig:
    """Settings of :class:`Tas`.

    Attributes:
        alpha: Weight of the P-score, the caption's (eq. 5). 0.1.
        lam: Lambda, weight of the N-score, the negative phrases' (eq. 5). 0.7 for RefCOCO and RefCOCO+, 1 for RefCOCOg,
            see `for_dataset`.
        v_score: Whether the crop's score counts (Table 4).
        p_score: Whether the caption's score counts (Table 4).
        n_score: Whether the negative phrases' score counts (Table 4). At least one of the three counts.
        rectifier: Whether the spatial rectifier is on (Table 4).
        crop: What CLIP is shown of a proposal; fill "black" or "blur" for Table 5.
        caption: What the captioner is shown of a proposal; style "blur" or "black" for Table 5.
        prefix: Written before a negative phrase.
        synonymy: When a phrase of the image's caption names the referent.
        halves: How masks on the median count, see :func:`~zsris_viz.methods.rectifier.rectify`.
        preprocess: Name of a preprocessing preset; None for the scene's own.
    """

    alpha: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.1
    lam: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.7
    v_score: bool = True
    p_score: bool = True
    n_score: bool = True
    rectifier: bool = True
    crop: CropVariant = CropVariant()
    caption: CaptionVariant = CaptionVariant()
    prefix: str = "a photo of "
    synonymy: Synonymy = Synonymy()
    halves: Literal["shared", "official"] = "shared"
    preprocess: str | None = None

    def __post_init__(self) -> None:
        if not (self.v_score or self.p_score or self.n_score):
            raise InvalidInputError("v_score, p_score and n_score are all off; leave one of them on.")


class Tas(RankingMethod):
    """TAS: S = S_v + alpha S_p + lambda S_n (eq. 1-6), then the best mask in the half or quadrant that is named.

    S_v = cos(E_v(crop), E_t(T)); S_p = cos(E_t(caption of the mask), E_t(T)); S_n = minus the mean of cos(E_v(crop),
    E_t(n)) over the negative phrases n, 0 if there is none.

    Presets: "default"; "official", the authors' code: crops padded with black under OpenAI's own transform, captions of
    blurred crops padded alike, the first noun of each phrase compared by their rule and no other, halves that give
    the mask on the median to the right and bottom, centres in whole pixels. Its scores are sums of cosines: the code's
    logit_scale, rescaling to 0-1 and softmax do not change their order. (For the direction the code also asks a parser
    for "above", "north", "west" and the like, and never rectifies "bottom"; both presets take it from the package's
    parser, or as given.)

    Captions, the image's caption, negatives and the direction can be given: `predict(scene, text, captions=[...],
    negatives=[...], direction="left")`. Negatives are written as they are given. An empty caption counts as "object".

    Evidence: v_scores, p_scores, n_scores (N,), unweighted, of the modules that are on; unrectified (N,), the sum
    before the rectifier; captions (N texts), empty_captions (indices of those that were empty); image_caption (None if
    negatives were given); negatives (phrases as compared), dropped_negatives (phrase -> why), negative_scores (N, n);
    direction (the sides used, or None), halves (side -> (N,) bool), medians (x, y), centres (N, 2); features (N, D),
    text_feature (D,), boxes (N, 4), crop, alpha, lam.
    """

    info = MethodInfo(
        name="tas",
        title="TAS",
        paper="Suo et al., EMNLP 2023 Findings, eq. 1-6",
        towers=("vit", "rn"),
        summary="Scores of a crop, of its caption and of what else is there; then only the named side counts.",
        presets=("default", "official"),
        needs=frozenset({"captions", "wordnet"}),
    )
    Config = TasConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "default": {},
        "official": {
            "crop": {"square": "pad", "box": "sam", "pipeline": "transform"},
            "caption": {"square": "pad"},
            "synonymy": {"same_word": False, "noun": "first"},
            "halves": "official",
            "preprocess": "clip",
        },
    }

    def texts_of(self, scene: SceneFeatures, text: ExpressionParts) -> list[str]:
        """Return the strings to embed, see :meth:`~zsris_viz.methods.base.Method.texts_of`."""
        captions = list(self._captions(scene, text).texts) if self.config.p_score else []
        return [text.text, *captions, *(self._negatives(scene, text)[1] if self.config.n_score else [])]

    def _captions(self, scene: SceneFeatures, text: ExpressionParts) -> RegionCaptions:
        return region_captions(scene, text, self.config.caption)

    def _negatives(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[str | None, list[str], Negatives]:
        """Return the caption of the image, the negative texts, and which of its phrases were kept and dropped."""
        given = text.extras.get("negatives")
        if given is not None:
            return None, list(given), Negatives(given, {})
        caption = image_caption(scene, text)
        if not caption.strip():
            return caption, [], Negatives((), {})
        referent = text.head if self.config.synonymy.noun == "head" else text.noun_phrase
        found = scene_negatives(scene, caption, referent, self.config.synonymy)
        return caption, [self.config.prefix + phrase for phrase in found.kept], found

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Score the proposals, see :meth:`~zsris_viz.methods.base.RankingMethod.score`."""
        config = self.config
        sentence = scene.text(text.text)
        evidence: dict[str, Any] = {"alpha": config.alpha, "lam": config.lam, "text_feature": sentence}
        total = torch.zeros(len(scene), device=sentence.device)
        if config.v_score or config.n_score:
            features = scene.crop_features(config.crop, config.preprocess)
            evidence |= {
                "features": features,
                "boxes": crop_boxes(scene.masks, config.crop.box),
                "crop": config.crop,
            }
        if config.v_score:
            evidence["v_scores"] = scene.clip.similarity(features, sentence[None])[:, 0]
            total = total + evidence["v_scores"]
        if config.p_score:
            captions = self._captions(scene, text)
            caption_features = scene.text_features(captions.texts)
            evidence |= {"captions": captions.texts, "empty_captions": captions.empty}
            evidence["p_scores"] = torch.nn.functional.cosine_similarity(caption_features, sentence[None])
            total = total + config.alpha * evidence["p_scores"]
        if config.n_score:
            caption, texts, found = self._negatives(scene, text)
            evidence |= {"image_caption": caption, "negatives": tuple(texts), "dropped_negatives": found.dropped}
            if texts:
                evidence["negative_scores"] = scene.clip.similarity(features, scene.text_features(texts))
                evidence["n_scores"] = -evidence["negative_scores"].mean(dim=1)
            else:
                evidence["negative_scores"] = torch.zeros(len(scene), 0)
                evidence["n_scores"] = torch.zeros_like(total)
            total = total + config.lam * evidence["n_scores"]
        evidence["unrectified"] = total
        if not config.rectifier:
            return total, evidence
        found_side = scene_rectification(scene, text.direction, config.halves)
        evidence |= {
            "direction": found_side.direction,
            "halves": found_side.halves,
            "medians": found_side.medians,
            "centres": found_side.centres,
        }
        return found_side.apply(total), evidence


@once_per_scene
def scene_negatives(scene: SceneFeatures, caption: str, referent: str, rule: Synonymy) -> Negatives:
    """Return the negative phrases of a caption for a referent; see :func:`mine_negatives`."""
    return mine_negatives(caption, referent, scene.load_parser(), rule)


@once_per_scene
def scene_rectification(scene: SceneFeatures, direction: str | None, halves: str) -> Rectification:
    """Return which proposals lie where a direction says; see :func:`rectify`."""
    return rectify(scene.masks, direction, halves=halves)
