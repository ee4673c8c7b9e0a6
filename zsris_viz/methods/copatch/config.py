"""Settings of CoPatch, grouped by its steps, and the authors' preset."""

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

    The default takes the context tokens into the fused phrase. Right choices of CoPatch with each kind, in per cent, on
    40 training scenes with short (n = 143) and long (n = 159) expressions, ground-truth masks, the miniature and
    `for_dataset("scenes")`: "ensemble" 83 and 74, "context" 84 and 65, "fusion" 81 and 67, "context-fusion" 84 and 69.
    The 95 % intervals are about 15 points wide, so these figures decide only that context tokens do not harm the fused
    text; on long expressions the ensemble without them is ahead.

    Attributes:
        kind: "ensemble" mixes the features of sentence and noun phrase; "context" extends the noun phrase by its
            context tokens first; "fusion" mixes sentence and noun phrase inside the text tower; "context-fusion" does
            so with the extended noun phrase.
        beta: Weight of the sentence, 0-1.
        fusion_block: The text block, counted from 0, in which texts are fused; None for three quarters of the way (9 of
            12, 3 of 4).
        causal: Keep the causal mask in that block (the authors' code drops it there).
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
        masked_blocks: The number of last blocks before which patch tokens are masked; None for 3.
        mixing: "unit" normalises features before mixing; "raw" mixes what comes out of the towers.
        keep_one: A mask that vanishes on the token grid keeps its largest cell.
        antialias: Resize masks to the token grid with antialiasing (the authors' code).
        crop: How the crops are made.
    """

    alpha: Weight = 0.95
    masked_blocks: Annotated[int, Field(ge=0)] | None = None
    mixing: Literal["unit", "raw"] = "unit"
    keep_one: bool = True
    antialias: bool = False
    crop: CropVariant = CropVariant()


@settings
class PatchConfig:
    """Settings of the patch path.

    Attributes:
        layer: Where it leaves the image tower: the number of a layer (8 blocks counted from 0 are layer 9), "avg" for
            the mean of the upper half (7 to 12 of 12), None for three quarters of the way: layer 9 of 12, 18 of 24, 4
            of 6.
        negate: Flip the sign of the patch tokens before the final LayerNorm.
        normalise: "features" makes similarities cosines; "patches" divides each channel by its norm over the patches
            (the authors' code).
    """

    layer: Annotated[int, Field(strict=True)] | Literal["avg"] | None = None
    negate: bool = True
    normalise: Literal["features", "patches"] = "features"


@settings
class ClusterConfig:
    """Settings of CoMap's clusters.

    Attributes:
        delta: Similarity above which patches join clusters; it falls by `step` until one does.
        step: By how much delta falls.
        lowest: Where delta stops falling; below it there is no cluster and the Global-Local choice stands alone. None
            for no end.
        falls_first: Delta falls before the first try too (the authors' code).
        skip_last: Leave the least similar patch out (the authors' code, which reads patches in pairs).
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
        top_k: How many clusters propose a candidate.
        most: How many candidates are kept, the Global-Local choice first; None for all. The authors' code keeps `top_k`
            in all, so that the last cluster never counts.
        unique: List each proposal once (the authors' code repeats it).
        edge: Where a cluster ends on the image: "half" (bilinear, above 0.5) or "any" (the authors' code: corners
            aligned, any positive value; and a cluster that no proposal overlaps stands for the first proposal).
    """

    top_k: Annotated[int, Field(ge=0, strict=True)] = 3
    most: Count | None = None
    unique: bool = True
    edge: Literal["half", "any"] = "half"


@settings
class CoPatchConfig:
    """Settings of :class:`~zsris_viz.methods.copatch.CoPatch`, a group for each of its steps.

    Attributes:
        text: The hybrid text.
        base: The Global-Local scores.
        patches: The patch path.
        clusters: CoMap's clusters.
        candidates: The candidates.
        guidance: The selection among the candidates.
        spaced: Where the noun phrase is parsed, write the sentence in lower case with its words as the parser splits
            them (the authors' code).
        preprocess: Name of a preprocessing preset; None for the scene's own.
    """

    text: HybridTextConfig = HybridTextConfig()
    base: BaseConfig = BaseConfig()
    patches: PatchConfig = PatchConfig()
    clusters: ClusterConfig = ClusterConfig()
    candidates: CandidateConfig = CandidateConfig()
    guidance: GuidanceConfig = GuidanceConfig()
    spaced: bool = False
    preprocess: str | None = None


#: What the authors' public code (its version of 2026, ViT-B/16) does where the default differs.
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
