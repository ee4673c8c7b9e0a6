"""TAS (Suo et al., EMNLP Findings 2023): scores of crop, caption and negative phrases, and a spatial rectifier."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from zsris_viz.captioning.regions import check_style
from zsris_viz.errors import InvalidInputError
from zsris_viz.methods.base import MethodInfo, RankingMethod, SceneFeatures
from zsris_viz.methods.captions import image_caption, region_captions
from zsris_viz.methods.crops import CropVariant, crop_boxes
from zsris_viz.methods.negatives import Negatives, Synonymy, mine_negatives
from zsris_viz.methods.rectifier import HALVES, rectify
from zsris_viz.methods.texts import ExpressionParts


@dataclass(frozen=True)
class TasConfig:
    """Settings of :class:`Tas`.

    Attributes:
        alpha: weight of the P-score, the caption's (eq. 5). 0.1.
        lam: lambda, weight of the N-score, the negative phrases' (eq. 5). 0.7 for RefCOCO and RefCOCO+, 1 for RefCOCOg,
            see `for_dataset`.
        v_score, p_score, n_score, rectifier: which modules are on (Table 4). At least one score.
        fill, square, box, sigma, pipeline: what CLIP sees of a mask, see
            :class:`~zsris_viz.methods.crops.CropVariant`; fill "black" or "blur" for Table 5.
        caption_style, caption_square: what the captioner sees, see
            :func:`~zsris_viz.captioning.regions.region_images`; "blur" or "black" for Table 5. The blur has `sigma`.
        prefix: written before a negative phrase.
        min_pairs, threshold, same_word, noun: when a phrase names the referent, see
            :class:`~zsris_viz.methods.negatives.Synonymy`.
        halves: see :func:`~zsris_viz.methods.rectifier.rectify`.
        preprocess: a preset's name; None for the scene's own.
    """

    alpha: float = 0.1
    lam: float = 0.7
    v_score: bool = True
    p_score: bool = True
    n_score: bool = True
    rectifier: bool = True
    fill: str = "black"
    square: str = "squash"
    box: str = "tight"
    sigma: float = 11.6
    pipeline: str = "pixels"
    caption_style: str = "blur"
    caption_square: str = "none"
    prefix: str = "a photo of "
    min_pairs: int = 3
    threshold: float = 0.9
    same_word: bool = True
    noun: str = "head"
    halves: str = "shared"
    preprocess: str | None = None

    def __post_init__(self) -> None:
        for name in ("alpha", "lam"):
            if not (0 <= getattr(self, name) < math.inf):
                raise InvalidInputError(f"{name}={getattr(self, name)!r} was given; it is a weight from 0 up.")
        if not (self.v_score or self.p_score or self.n_score):
            raise InvalidInputError("v_score, p_score and n_score are all off; leave one of them on.")
        if self.halves not in HALVES:
            raise InvalidInputError(f"halves={self.halves!r} is unknown; use one of {', '.join(HALVES)}.")
        check_style(self.caption_style, self.caption_square, 0.0, self.sigma)
        self.crop, self.synonymy  # noqa: B018 - a wrong setting is an error here, not at the first image

    @property
    def crop(self) -> CropVariant:
        """What CLIP sees of a mask."""
        return CropVariant(fill=self.fill, square=self.square, box=self.box, sigma=self.sigma, pipeline=self.pipeline)

    @property
    def synonymy(self) -> Synonymy:
        """When a phrase of the image's caption names the referent."""
        return Synonymy(self.min_pairs, self.threshold, self.same_word, self.noun)


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

    Captions, the image's caption, negatives and the direction can be given: `rank(scene, text, captions=[...],
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
            "square": "pad",
            "box": "sam",
            "pipeline": "transform",
            "preprocess": "clip",
            "caption_square": "pad",
            "same_word": False,
            "noun": "first",
            "halves": "official",
        },
    }

    def texts_of(self, scene: SceneFeatures, text: ExpressionParts) -> list[str]:
        """Return the strings to embed, see :meth:`~zsris_viz.methods.base.Method.texts_of`."""
        captions = list(self._captions(scene, text).texts) if self.config.p_score else []
        return [text.text, *captions, *(self._negatives(scene, text)[1] if self.config.n_score else [])]

    def _captions(self, scene: SceneFeatures, text: ExpressionParts) -> Any:
        config = self.config
        return region_captions(
            scene, text, style=config.caption_style, square=config.caption_square, sigma=config.sigma
        )

    def _negatives(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[str | None, list[str], Negatives]:
        """The image's caption, the texts that are compared, and what was kept and dropped."""
        given = text.extras.get("negatives")
        if given is not None:
            return None, list(given), Negatives(given, {})
        caption = image_caption(scene, text)
        if not caption.strip():
            return caption, [], Negatives((), {})
        referent = text.head if self.config.noun == "head" else text.noun_phrase
        key = ("negatives", caption, referent, self.config.synonymy)
        found = scene.cached(key, lambda: mine_negatives(caption, referent, scene.load_parser(), self.config.synonymy))
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
                "boxes": crop_boxes(scene.masks, config.box),
                "crop": config.crop,
            }
        if config.v_score:
            evidence["v_scores"] = scene.clip.similarity(features, sentence[None])[:, 0]
            total = total + evidence["v_scores"]
        if config.p_score:
            captions = self._captions(scene, text)
            said = scene.text_features(captions.texts)
            evidence |= {"captions": captions.texts, "empty_captions": captions.empty}
            evidence["p_scores"] = torch.nn.functional.cosine_similarity(said, sentence[None])
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
        found_side = scene.cached(
            ("rectify", text.direction, config.halves),
            lambda: rectify(scene.masks, text.direction, halves=config.halves),
        )
        evidence |= {
            "direction": found_side.direction,
            "halves": found_side.halves,
            "medians": found_side.medians,
            "centres": found_side.centres,
        }
        return found_side.apply(total), evidence
