"""Figures of the steps of CoPatch: the clusters of CoMap, the candidates, and the relation guidance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def cluster_colour(number: int) -> str:
    """Return the colour of a cluster.

    Args:
        number: Its number, from 1.

    Returns:
        "#rrggbb"; all clusters after the third share one colour.
    """
    return role(CLUSTERS[number - 1] if number <= len(CLUSTERS) else OTHER).colour


def show_clusters(
    images: Mapping[str, ImageSource], evidence: Mapping[str, Mapping[str, Any]], truths: Mapping[str, Any]
) -> Figure:
    """Draw CoMap, its sorted values with the threshold, its clusters, and the first clusters on the image.

    Args:
        images: Name of the row to image.
        evidence: Name of the row to the evidence of a CoPatch prediction.
        truths: Name of the row to the ground truth, (H, W) of bool.

    Returns:
        A figure with one row for each name.

    Raises:
        InvalidInputError: There is no row, or a row has no clusters in its evidence.
    """
    if not evidence or any("clusters" not in found for found in evidence.values()):
        raise InvalidInputError("a row has no clusters; give the evidence of CoPatch on at least two proposals.")
    fig, axes = new_figure(len(evidence), 4, size=(10.4, 2.9 * len(evidence)), width_ratios=[1, 1.25, 1, 1])
    for (name, found), line in zip(evidence.items(), axes, strict=True):
        drawn = line[0].imshow(found["map"], cmap="viridis")
        line[0].grid(False)
        line[0].set(xticks=[], yticks=[])
        fig.colorbar(drawn, ax=line[0], shrink=0.75)
        rows, columns = found["map"].shape
        line[0].set_title(f"{wrapped(name, 30)}\nCoMap, {rows} x {columns} patches", loc="left", parse_math=False)
        _draw_sorted(line[1], found)
        _draw_labels(line[2], found["clusters"])
        count = len(found["cluster_masks"])
        _show_with_truth(line[3], images[name], f"the first {count} on the image", truths[name])
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


def show_candidates(
    images: Mapping[str, ImageSource],
    masks: Mapping[str, Masks],
    evidence: Mapping[str, Mapping[str, Any]],
    truths: Mapping[str, Any],
) -> Figure:
    """Draw the first clusters with the ground truth, and each candidate with its source and its IoU.

    Args:
        images: Name of the row to image.
        masks: Name of the row to the proposals.
        evidence: Name of the row to the evidence of a CoPatch prediction.
        truths: Name of the row to the ground truth, (H, W) of bool.

    Returns:
        A figure with one row for each name.
    """
    most = max(len(found["candidates"]) for found in evidence.values())
    fig, axes = new_figure(len(evidence), 1 + most, cell=(2.1, 2.5))
    for (name, found), line in zip(evidence.items(), axes, strict=True):
        _show_with_truth(line[0], images[name], wrapped(name, 28), truths[name])
        _add_clusters(line[0], found)
        overlaps = masks[name].iou(truths[name])[:, 0].tolist()
        for axis in line[1:]:
            axis.set_axis_off()
        for axis, candidate, source in zip(line[1:], found["candidates"], found["sources"], strict=False):
            origin = "Global-Local's choice" if source == 0 else f"from cluster {source}"
            show_image(axis, cut_out(images[name], masks[name][candidate]))
            axis.set_title(f"proposal {candidate}\n{origin}\nIoU with the truth {overlaps[candidate]:.2f}", loc="left")
    return fig


def show_guidance(
    images: Mapping[str, ImageSource],
    masks: Mapping[str, Masks],
    evidence: Mapping[str, Mapping[str, Any]],
    truths: Mapping[str, Any],
) -> Figure:
    """Draw the inputs of the relation guidance: candidates, proposals for the other object, and the relation matrix.

    Args:
        images: Name of the row to image.
        masks: Name of the row to the proposals.
        evidence: Name of the row to the evidence of a CoPatch prediction with relation guidance.
        truths: Name of the row to the ground truth, (H, W) of bool.

    Returns:
        A figure with one row for each name and three panels in a row.
    """
    fig, axes = new_figure(len(evidence), 3, size=(10.0, 3.3 * len(evidence)), width_ratios=[1, 1, 1.2])
    for (name, found), line in zip(evidence.items(), axes, strict=True):
        title = f"{wrapped(name, 40)}\ncandidates, with their probabilities p"
        _show_with_truth(line[0], images[name], title, truths[name])
        _outline_all(line[0], masks[name], found["candidates"], found["base"], role("choice").colour)
        phrases = ", ".join(found["other_phrases"]) or "none is named, so the candidates"
        show_image(line[1], images[name], f"{wrapped(f'other things: {phrases}', 40)}\nwith their probabilities q")
        chances = found["base"] if found["other_scores"] is None else found["other_scores"]
        _outline_all(line[1], masks[name], found["others"], chances, role("relation").colour)
        _draw_relation(line[2], found)
    return fig


def _show_with_truth(axis: Axes, image: ImageSource, title: str, truth: Any) -> None:
    """Draw an image with the dashed outline of the ground truth."""
    show_image(axis, image, title)
    add_mask(axis, truth, role("truth").colour, fill=0, line=role("truth").width, dashed=True)


def _add_clusters(axis: Axes, found: Mapping[str, Any]) -> None:
    """Draw the first clusters in their colours, with their numbers."""
    for number, mask in enumerate(found["cluster_masks"], start=1):
        add_mask(axis, mask, cluster_colour(number), fill=0.15, label=str(number))


def _draw_relation(axis: Axes, found: Mapping[str, Any]) -> None:
    """Draw the relation matrix with its values; without a relation it has no values."""
    candidates, others, held = list(found["candidates"]), list(found["others"]), found["relation_matrix"]
    matrix = np.zeros((len(candidates), len(others))) if held is None else held.numpy()
    axis.imshow(matrix, cmap="Greys", vmin=0, vmax=2, aspect="auto")
    for row, column in np.ndindex(*matrix.shape if held is not None else (0, 0)):
        axis.text(column, row, f"{matrix[row, column]:.2g}", ha="center", va="center", fontsize=8)
    axis.set_xticks(range(len(others)), [str(number) for number in others])
    axis.set_yticks(range(len(candidates)), [str(number) for number in candidates])
    axis.set(xlabel="other thing $j$ (number of the proposal)", ylabel="candidate $i$")
    axis.set_title(f"$R(i, j)$ for the relation {found['relation'] or 'none'!r}", loc="left")
    axis.grid(False)


def _outline_all(axis: Axes, masks: Masks, chosen: Sequence[int], chances: Any, colour: str) -> None:
    for number in chosen:
        add_mask(axis, masks[number], colour, fill=0, label=f"{number}: {float(chances[number]):.2f}")
