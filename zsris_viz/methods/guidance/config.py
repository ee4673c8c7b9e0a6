"""Settings of the guided selection."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zsris_viz.methods.settings import settings


@settings
class AuthorsGuidance:
    """Settings that only reproduce the authors' public code.

    Attributes:
        geometry: What relations are checked on. "masks": centroids and areas of masks; "boxes": centres and areas of
            bounding boxes as Segment Anything reports them (HybridGL's code); "corners": corners of boxes read as if
            they were x, y, width and height (CoPatch's code).
        sharing: How the guided scores of the candidates become shares of 1. "share" divides by their sum; "softmax"
            takes the softmax of what is a probability already, which makes all nearly equal (both codes).
        count_others: Without a relation the score of a candidate counts once for each of the other proposals, so that
            the softmax of the shares is steeper (both codes).
        relation_ramp: Left and right of another thing shade the heat map too (CoPatch's code, which reads the word
            alone).
    """

    geometry: Literal["masks", "boxes", "corners"] = "masks"
    sharing: Literal["share", "softmax"] = "share"
    count_others: bool = False
    relation_ramp: bool = False


@settings
class GuidanceConfig:
    """Settings of :func:`~zsris_viz.methods.guidance.selection.select`.

    Attributes:
        use_base: Whether the base method's probabilities count; all proposals are equal otherwise.
        use_relation: Whether the relation to other things counts.
        use_coherence: Whether the heat map of the noun phrase counts.
        weight: Weight of the coherence, 0-1; the relation term has the rest.
        temperature: Factor of the cosines in the softmax over the proposals; None for the model's logit scale.
        others: How many of the proposals that fit the other noun phrases best the relation is checked against.
        vertical_ramp: "top" and "bottom" shade the heat map too; the authors' codes know left, right and middle.
        heat_size: Side of GEM's input in pixels, a multiple of the patch size; None for twice the model's.
        heat_depth: How many blocks GEM's path replaces, see :func:`~zsris_viz.methods.gem.gem_features`.
        authors: Settings that only reproduce the authors' codes.
    """

    use_base: bool = True
    use_relation: bool = True
    use_coherence: bool = True
    weight: Annotated[float, Field(ge=0, le=1)] = 0.7
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    others: Annotated[int, Field(ge=1, strict=True)] = 6
    vertical_ramp: bool = True
    heat_size: Annotated[int, Field(ge=1)] | None = None
    heat_depth: Annotated[int, Field(ge=1)] | None = None
    authors: AuthorsGuidance = AuthorsGuidance()
