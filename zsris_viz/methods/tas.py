"""TAS (Suo et al., EMNLP 2023 Findings): scores of crops, captions and negative phrases, and a spatial rectifier."""

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
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.negatives import Negatives, Synonymy, mine_negatives
from zsris_viz.methods.rectifier import Rectification, rectify
from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.methods.settings import settings


@settings
class TasConfig:
    """Settings of :class:`Tas`.

    Attributes:
        alpha: Weight of the P-score, the score of the caption (eq. 5); 0.1 in the paper.
        lam: Weight lambda of the N-score, the score of the negative phrases (eq. 5): 0.7 for RefCOCO and RefCOCO+, 1
            for RefCOCOg; see `for_dataset`.
        v_score: Whether the score of the crop is used (Table 4).
        p_score: Whether the score of the caption is used (Table 4).
        n_score: Whether the score of the negative phrases is used (Table 4). At least one of the three scores is
            needed.
        rectifier: Whether the spatial rectifier is used (Table 4).
        crop: Settings of the crops for CLIP, with the fill "black" or "blur" in Table 5.
        caption: Settings of the images for the captioner, with the style "blur" or "black" in Table 5.
        prefix: Text that is put before each negative phrase.
        synonymy: Settings of the test whether a phrase of the image's caption names the referent.
        halves: Assignment of masks on the median, see :func:`~zsris_viz.methods.rectifier.rectify`.
        preprocess: Name of a preprocessing preset; None for that of the scene.
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
    """TAS, which scores the crop and the caption of each proposal and excludes masks outside the named image part.

    The score is S = S_v + alpha S_p + lambda S_n (eq. 1-6). S_v is cos(E_v(crop), E_t(T)). S_p is cos(E_t(caption of
    the mask), E_t(T)). S_n is the negative mean of cos(E_v(crop), E_t(n)) over the negative phrases n, or 0 without
    negative phrases. If the expression names a half or a quadrant of the image, the best mask in that part is
    predicted.

    Presets: "default", and "official", which follows the authors' code. There, the crops are padded with black and pass
    OpenAI's transform, and the captions describe blurred crops that are padded in the same way. The first nouns of
    phrases are compared by the code's rule alone. A mask on the median belongs to the right or bottom half, and centres
    are whole pixels. The scores are sums of cosines, because logit_scale, the rescaling to 0-1 and the softmax of the
    code do not change their order. The direction is not the one of the code, which also recognises words such as
    "above", "north" and "west" and never rectifies "bottom"; both presets use the direction of the package's parser or
    the one that is given.

    Captions, the image's caption, negative phrases and the direction can be given: `predict(scene, text,
    captions=[...], negatives=[...], direction="left")`. Given negative phrases are used without the prefix. An empty
    caption is replaced by "object".

    Evidence; the values of a score that is not used are absent:

    - `v_scores`, `p_scores`, `n_scores`: (N,), the scores without their weights.
    - `unrectified`: (N,), the weighted sum before the rectifier.
    - `captions`, `empty_captions`: N texts, and the indices of the captions that were empty.
    - `image_caption`: the caption of the image; None if the negative phrases were given.
    - `negatives`: the negative phrases as they were compared.
    - `dropped_negatives`: the other phrases, each with the reason.
    - `negative_scores`: (N, n), the cosines of crops and negative phrases.
    - `direction`: the sides that were used, or None.
    - `halves`: for each side a tensor (N,) of bool, the masks in that half.
    - `medians`, `centres`: x and y of the medians, and (N, 2), the centres of the masks.
    - `features`, `text_feature`: (N, D) and (D,), the features of the crops and of the text.
    - `boxes`, `crop`: (N, 4), the boxes of the crops, and their settings.
    - `alpha`, `lam`: the weights.
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
        """Return the caption of the image, the texts of the negatives, and the phrases that were kept and dropped."""
        known = text.extras.get("negatives")
        if known is not None:
            return None, list(known), Negatives(known, {})
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
    """Return which proposals lie in the part that a direction names; see :func:`rectify`."""
    return rectify(scene.masks, direction, halves=halves)
