"""Settings of the guided selection."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zsris_viz.methods.settings import settings


@settings
class AuthorsGuidance:
    """Settings that only reproduce the authors' public code.

    Attributes:
        geometry: Quantities by which relations are checked: "masks" for centroids and areas of masks; "boxes" for
            centres and areas of bounding boxes as Segment Anything gives them (HybridGL's code); "corners" for corners
            of boxes read as x, y, width and height (CoPatch's code).
        sharing: Normalisation of the guided scores of the candidates: "share" divides them by their sum; "softmax"
            takes their softmax, although they are probabilities already, which makes them nearly equal (both codes).
        count_others: Whether, without a relation, the score of a candidate is multiplied by the number of the other
            proposals, which makes the softmax of the shares steeper (both codes).
        relation_ramp: Whether the relations "left" and "right" to another thing shade the heat map too (CoPatch's code,
            which considers only the word).
    """

    geometry: Literal["masks", "boxes", "corners"] = "masks"
    sharing: Literal["share", "softmax"] = "share"
    count_others: bool = False
    relation_ramp: bool = False


@settings
class GuidanceConfig:
    """Settings of :func:`~zsris_viz.methods.guidance.selection.select`.

    Attributes:
        use_base: Whether the base method's probabilities count; without them all proposals are equal.
        use_relation: Whether the relation to other things counts.
        use_coherence: Whether the spatial coherence with the heat map of the noun phrase counts.
        weight: Weight w of the spatial coherence, 0-1; the relation term has weight 1 - w.
        temperature: Factor of the cosines in the softmax over the proposals; None for the model's logit scale.
        others: Number of the proposals most similar to the other noun phrases against which the relation is checked.
        vertical_ramp: Whether "top" and "bottom" shade the heat map too; the authors' codes use only left, right and
            middle.
        heat_size: Side of GEM's input in pixels, a multiple of the patch size; None for twice the model's.
        heat_depth: Number of last blocks that GEM's path replaces, see :func:`~zsris_viz.methods.gem.gem_features`.
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
