"""Settings of CoPatch, grouped by its steps, and the preset of the authors' code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from zsris_viz.methods.crops import CropVariant
from zsris_viz.methods.guidance.config import GuidanceConfig
from zsris_viz.methods.settings import settings

Weight = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, strict=True)]
HybridKind = Literal["ensemble", "context", "fusion", "context-fusion"]
HYBRID_TEXTS: tuple[HybridKind, ...] = get_args(HybridKind)


@settings
class HybridTextConfig:
    """Settings of the hybrid text.

    The default is what the paper describes: the phrase includes the context tokens and is joined to the sentence inside
    the text tower. It was not chosen by its score. For the drawn scenes, `for_dataset` selects the "ensemble", which is
    better there on training scenes (see :mod:`zsris_viz.methods.dataset_settings`), and so does the preset "official".

    Attributes:
        kind: "ensemble" mixes the features of sentence and noun phrase; "context" does so with the noun phrase extended
            by its context tokens; "fusion" mixes sentence and noun phrase inside the text tower; "context-fusion" does
            so with the extended noun phrase.
        beta: Weight of the sentence, 0-1.
        fusion_block: Text block, counted from 0, in which the texts are mixed; None for three quarters of the blocks (9
            of 12, 3 of 4).
        causal: Whether the causal mask applies in that block; the authors' code omits it there.
    """

    kind: HybridKind = "context-fusion"
    beta: Weight = 0.5
    fusion_block: int | None = None
    causal: bool = True


@settings
class BaseConfig:
    """Settings of the Global-Local scores, as in :class:`~zsris_viz.methods.global_local.GlobalLocalConfig`.

    Attributes:
        alpha: Weight of the global visual feature, 0-1.
        masked_blocks: Number of last blocks before which patch tokens are masked; None for 3.
        mixing: "unit" normalises the features before mixing; "raw" mixes the features without normalisation.
        keep_one: Whether a mask that vanishes on the token grid keeps its largest cell.
        antialias: Whether masks are resized to the token grid with antialiasing, as in the authors' code.
        crop: Settings of the crops.
    """

    alpha: Weight = 0.95
    masked_blocks: Annotated[int, Field(ge=0)] | None = None
    mixing: Literal["unit", "raw"] = "unit"
    keep_one: bool = True
    antialias: bool = False
    crop: CropVariant = CropVariant()


@settings
class PatchConfig:
    """Settings of the patch features.

    Attributes:
        layer: Layer of the image tower whose patches are projected to the joint space. A number counts the blocks
            before the layer; "avg" takes the mean of the upper half (7 to 12 of 12); None takes three quarters of the
            blocks (9 of 12, 18 of 24, 4 of 6).
        negate: Whether the sign of the patch tokens is flipped before the final LayerNorm.
        normalise: "features" makes the similarities cosines; "patches" divides each channel by its norm over the
            patches, as in the authors' code.
    """

    layer: Annotated[int, Field(strict=True)] | Literal["avg"] | None = None
    negate: bool = True
    normalise: Literal["features", "patches"] = "features"


@settings
class ClusterConfig:
    """Settings of the clusters of CoMap.

    Attributes:
        delta: Similarity above which patches belong to clusters; it falls by `step` until at least one patch exceeds
            it.
        step: Amount by which delta falls, above 0.
        lowest: Lowest value of delta, below which there is no cluster and only the Global-Local choice remains; None
            for no limit.
        falls_first: Whether delta falls before the first attempt too, as in the authors' code.
        skip_last: Whether the least similar patch is excluded, as in the authors' code, which reads patches in pairs.
    """

    delta: Annotated[float, Field(allow_inf_nan=False)] = 0.3
    step: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.05
    lowest: float | None = None
    falls_first: bool = False
    skip_last: bool = False


@settings
class CandidateConfig:
    """Settings of the candidates.

    Attributes:
        top_k: Number of clusters that contribute a candidate, at least 0.
        most: Largest number of candidates including the Global-Local choice; None for all. The authors' code keeps
            `top_k` in all, so that the last cluster is never used.
        unique: Whether each proposal is listed only once; the authors' code repeats it.
        edge: Boundary of a cluster on the image: "half" keeps pixels above 0.5 after bilinear resizing; "any" keeps
            every positive pixel with aligned corners, and gives a cluster without overlap the first proposal, as in the
            authors' code.
    """

    top_k: Annotated[int, Field(ge=0, strict=True)] = 3
    most: Count | None = None
    unique: bool = True
    edge: Literal["half", "any"] = "half"


@settings
class CoPatchConfig:
    """Settings of :class:`~zsris_viz.methods.copatch.CoPatch`, with one group for each of its steps.

    Attributes:
        text: Settings of the hybrid text.
        base: Settings of the Global-Local scores.
        patches: Settings of the patch features.
        clusters: Settings of the clusters of CoMap.
        candidates: Settings of the candidates.
        guidance: Settings of the selection among the candidates.
        spaced: Whether the sentence is put in lower case with one blank between the parser's tokens where the parser
            finds the noun phrase, as in the authors' code.
        preprocess: Name of a preprocessing preset; None for that of the scene.
    """

    text: HybridTextConfig = HybridTextConfig()
    base: BaseConfig = BaseConfig()
    patches: PatchConfig = PatchConfig()
    clusters: ClusterConfig = ClusterConfig()
    candidates: CandidateConfig = CandidateConfig()
    guidance: GuidanceConfig = GuidanceConfig()
    spaced: bool = False
    preprocess: str | None = None


#: Settings of the authors' public code (its version of 2026, ViT-B/16) that differ from the defaults.
OFFICIAL: Mapping[str, Any] = {
    "text": {"kind": "ensemble", "causal": False},
    "base": {
        "mixing": "raw",
        "keep_one": False,
        "antialias": True,
        "crop": {"fill": "imagenet-mean", "box": "sam", "pipeline": "normalised"},
    },
    "patches": {"normalise": "patches"},
    "clusters": {"falls_first": True, "skip_last": True},
    "candidates": {"most": 3, "unique": False, "edge": "any"},
    "guidance": {
        "vertical_ramp": False,
        "authors": {"geometry": "corners", "sharing": "softmax", "count_others": True, "relation_ramp": True},
    },
    "spaced": True,
    "preprocess": "copatch",
}
