"""Figures of the steps of CoPatch: the clusters of CoMap, the candidates, and the relation guidance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures.layout import new_figure
from zsris_viz.figures.pictures import add_mask, cut_out, show_image, wrapped
from zsris_viz.figures.roles import role

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsris_viz.images import ImageSource
    from zsris_viz.masks import Masks

CLUSTERS = ("first cluster", "second cluster", "third cluster")  # their roles
OTHER = "other"  # the role of the clusters after the third


@dataclass(frozen=True)
class CoPatchExample:
    """A prediction of CoPatch on an image: one row of the figures.

    Attributes:
        title: Title of the row.
        image: The image.
        masks: The proposals.
        evidence: Evidence of the prediction.
        truth: The ground truth, (H, W) of bool.
    """

    title: str
    image: ImageSource
    masks: Masks
    evidence: Mapping[str, Any]
    truth: Any


def cluster_colour(number: int) -> str:
    """Return the colour of a cluster.

    Args:
        number: Its number, from 1.

    Returns:
        "#rrggbb"; all clusters after the third share one colour.
    """
    return role(CLUSTERS[number - 1] if number <= len(CLUSTERS) else OTHER).colour


def show_clusters(examples: Sequence[CoPatchExample]) -> Figure:
    """Draw CoMap, its sorted values with the threshold, its clusters, and the first clusters on the image.

    Args:
        examples: The rows.

    Returns:
        A figure with one row for each example.

    Raises:
        InvalidInputError: There is no row, or a row has no clusters in its evidence.
    """
    if not examples or any("clusters" not in example.evidence for example in examples):
        raise InvalidInputError("a row has no clusters; give the evidence of CoPatch on at least two proposals.")
    fig, axes = new_figure(len(examples), 4, size=(10.4, 2.9 * len(examples)), width_ratios=[1, 1.25, 1, 1])
    for example, line in zip(examples, axes, strict=True):
        found = example.evidence
        drawn = line[0].imshow(found["map"], cmap="viridis")
        line[0].grid(False)
        line[0].set(xticks=[], yticks=[])
        fig.colorbar(drawn, ax=line[0], shrink=0.75)
        rows, columns = found["map"].shape
        line[0].set_title(
            f"{wrapped(example.title, 30)}\nCoMap, {rows} x {columns} patches", loc="left", parse_math=False
        )
        _draw_sorted(line[1], found)
        _draw_labels(line[2], found["clusters"])
        count = len(found["cluster_masks"])
        _show_with_truth(line[3], example, f"the first {count} on the image")
        _add_clusters(line[3], found)
    return fig


def _draw_sorted(axis: Axes, found: Mapping[str, Any]) -> None:
    """Draw the values of a map in descending order, the kept ones in the colours of their clusters."""
    values = found["map"].flatten().sort(descending=True).values.numpy()
    axis.plot(values, color=role("other").colour, linewidth=1)
    for number in range(int(found["clusters"].max()), 0, -1):
        kept = found["map"][found["clusters"] == number].numpy()
        axis.scatter(np.searchsorted(-values, -kept), kept, color=cluster_colour(number), s=10, zorder=3)
    axis.axhline(found["delta"], color="black", linestyle="--", linewidth=1)
    axis.set_title(f"sorted; threshold {found['delta']:.2f}", loc="left")
    axis.set(xlabel="rank of the patch", ylabel="similarity")


def _draw_labels(axis: Axes, labels: Any) -> None:
    """Draw the patches of each cluster in its colour, with the numbers of the first three."""
    from matplotlib.colors import to_rgb

    coloured = np.ones((*labels.shape, 3))
    for number in range(1, int(labels.max()) + 1):
        coloured[labels.numpy() == number] = to_rgb(cluster_colour(number))
    axis.imshow(coloured)
    for number in range(1, min(int(labels.max()), len(CLUSTERS)) + 1):
        row, column = (labels == number).nonzero().float().mean(dim=0).tolist()
        axis.text(column, row, str(number), ha="center", va="center", fontsize=8)
    axis.set_title(f"{int(labels.max())} clusters, by peak", loc="left")
    axis.grid(False)
    axis.set(xticks=[], yticks=[])


def show_candidates(examples: Sequence[CoPatchExample]) -> Figure:
    """Draw the first clusters with the ground truth, and each candidate with its source and its IoU.

    Args:
        examples: The rows.

    Returns:
        A figure with one row for each example.
    """
    most = max(len(example.evidence["candidates"]) for example in examples)
    fig, axes = new_figure(len(examples), 1 + most, cell=(2.1, 2.5))
    for example, line in zip(examples, axes, strict=True):
        found = example.evidence
        _show_with_truth(line[0], example, wrapped(example.title, 28))
        _add_clusters(line[0], found)
        overlaps = example.masks.iou(example.truth)[:, 0].tolist()
        for axis in line[1:]:
            axis.set_axis_off()
        for axis, candidate, source in zip(line[1:], found["candidates"], found["sources"], strict=False):
            origin = "Global-Local's choice" if source == 0 else f"from cluster {source}"
            show_image(axis, cut_out(example.image, example.masks[candidate]))
            axis.set_title(f"proposal {candidate}\n{origin}\nIoU with the truth {overlaps[candidate]:.2f}", loc="left")
    return fig


def show_guidance(examples: Sequence[CoPatchExample]) -> Figure:
    """Draw the inputs of the relation guidance: candidates, proposals for the other object, and the relation matrix.

    Args:
        examples: The rows, with relation guidance in their evidence.

    Returns:
        A figure with one row for each example and three panels in a row.
    """
    fig, axes = new_figure(len(examples), 3, size=(10.0, 3.3 * len(examples)), width_ratios=[1, 1, 1.2])
    for example, line in zip(examples, axes, strict=True):
        found = example.evidence
        _show_with_truth(line[0], example, f"{wrapped(example.title, 40)}\ncandidates, with their probabilities p")
        _outline_all(line[0], example.masks, found["candidates"], found["base"], role("choice").colour)
        phrases = ", ".join(found["other_phrases"]) or "none is named, so the candidates"
        show_image(line[1], example.image, f"{wrapped(f'other things: {phrases}', 40)}\nwith their probabilities q")
        chances = found["base"] if found["other_scores"] is None else found["other_scores"]
        _outline_all(line[1], example.masks, found["others"], chances, role("relation").colour)
        _draw_relation(line[2], found)
    return fig


def _show_with_truth(axis: Axes, example: CoPatchExample, title: str) -> None:
    """Draw an image with the dashed outline of the ground truth."""
    show_image(axis, example.image, title)
    add_mask(axis, example.truth, role("truth").colour, fill=0, line=role("truth").width, dashed=True)


def _add_clusters(axis: Axes, found: Mapping[str, Any]) -> None:
    """Draw the first clusters in their colours, with their numbers."""
    for number, mask in enumerate(found["cluster_masks"], start=1):
        add_mask(axis, mask, cluster_colour(number), fill=0.15, label=str(number))


def _draw_relation(axis: Axes, found: Mapping[str, Any]) -> None:
    """Draw the relation matrix with its values; without a relation it has no values."""
    candidates, others, relation = list(found["candidates"]), list(found["others"]), found["relation_matrix"]
    matrix = np.zeros((len(candidates), len(others))) if relation is None else relation.numpy()
    axis.imshow(matrix, cmap="Greys", vmin=0, vmax=2, aspect="auto")
    for row, column in np.ndindex(*matrix.shape if relation is not None else (0, 0)):
        axis.text(column, row, f"{matrix[row, column]:.2g}", ha="center", va="center", fontsize=8)
    axis.set_xticks(range(len(others)), [str(number) for number in others])
    axis.set_yticks(range(len(candidates)), [str(number) for number in candidates])
    axis.set(xlabel="other thing $j$ (number of the proposal)", ylabel="candidate $i$")
    axis.set_title(f"$R(i, j)$ for the relation {found['relation'] or 'none'!r}", loc="left")
    axis.grid(False)


def _outline_all(axis: Axes, masks: Masks, chosen: Sequence[int], chances: Any, colour: str) -> None:
    for number in chosen:
        add_mask(axis, masks[number], colour, fill=0, label=f"{number}: {float(chances[number]):.2f}")
