"""Pictures, rankings and marked texts: what is drawn where."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from zsris_viz import figures
from zsris_viz.errors import InvalidInputError
from zsris_viz.figures import CHOSEN, TRUTH
from zsris_viz.masks import Masks
from zsris_viz.methods import Ranking

IMAGE = Image.new("RGB", (12, 8), "white")


def box(left: int, right: int, top: int = 2, bottom: int = 6) -> np.ndarray:
    mask = np.zeros((8, 12), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


MASKS = Masks.from_arrays([box(0, 4), box(4, 8), box(8, 12)])


def test_import_is_light() -> None:
    heavy = "'seaborn', 'pandas', 'torch', 'plotly', 'matplotlib'"
    code = f"import sys, zsris_viz.figures; print([m for m in ({heavy}) if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_public_name_exists() -> None:
    assert all(getattr(figures, name) is not None for name in figures.__all__)
    with pytest.raises(AttributeError, match="attribute draw"):
        figures.draw  # noqa: B018


def test_pyplot_keeps_no_figure() -> None:
    import matplotlib.pyplot as plt

    figures.overlay_masks(IMAGE, MASKS)
    assert plt.get_fignums() == []


def test_a_tint_covers_the_mask_and_nothing_else() -> None:
    ax = figures.new_figure()[1][0, 0]
    figures.add_mask(ax, torch.from_numpy(box(4, 8)), CHOSEN, fill=0.5)
    layer = ax.images[0].get_array()
    assert np.array_equal(layer[..., 3] > 0, box(4, 8))
    assert np.allclose(layer[3, 5], [round(255 * part) for part in to_rgba(CHOSEN, 0.5)])
    assert ax.get_xlim() == (-0.5, 11.5) and ax.get_ylim() == (7.5, -0.5)


def test_an_outline_lies_on_the_border_and_an_empty_mask_has_none() -> None:
    ax = figures.new_figure()[1][0, 0]
    figures.add_mask(ax, box(4, 8), fill=0)
    (contour,) = ax.collections
    points = contour.get_paths()[0].vertices
    assert points.min(axis=0).tolist() == [3.5, 1.5] and points.max(axis=0).tolist() == [7.5, 5.5]
    empty = figures.new_figure()[1][0, 0]
    figures.add_mask(empty, np.zeros((8, 12), dtype=bool), label="nothing")
    assert not empty.collections and not empty.texts


def test_an_outline_at_the_edge_stays_in_the_image() -> None:
    ax = figures.new_figure()[1][0, 0]
    figures.add_mask(ax, np.ones((8, 12), dtype=bool))
    points = ax.collections[0].get_paths()[0].vertices
    assert points.min() >= -0.5 and points[:, 0].max() <= 11.5 and points[:, 1].max() <= 7.5


def test_the_outline_of_a_small_mask_is_thinner() -> None:
    small, large = np.zeros((64, 64), dtype=bool), np.ones((64, 64), dtype=bool)
    small[30:34, 30:34] = True
    widths = []
    for mask in (small, large):
        ax = figures.new_figure(size=(2, 2))[1][0, 0]
        figures.add_mask(ax, mask, fill=0, line=2.6)
        widths.append(float(ax.collections[0].get_linewidth()[0]))
    assert widths == [1.3, 2.6]


def test_large_masks_lie_below_small_ones() -> None:
    masks = Masks.from_arrays([box(5, 6), np.ones((8, 12), dtype=bool)])
    ax = figures.overlay_masks(IMAGE, masks, labels=["small", "large"]).axes[0]
    assert [text.get_text() for text in ax.texts] == ["large", "small"]


def test_many_masks_become_one_layer() -> None:
    masks = Masks.from_arrays([box(0, 2, top, top + 1) for top in (0, 2, 4, 6)] * 7 + [box(6, 11, 1, 7)])
    ax = figures.overlay_masks(IMAGE, masks, fill=0.25).axes[0]
    assert len(ax.images) == 2 and not ax.collections
    layer = ax.images[1].get_array()
    assert np.array_equal(layer[..., 3] > 0, masks.data.any(dim=0).numpy())
    assert layer[3, 8, 3] == pytest.approx(0.25) and layer[1, 8, 3] == pytest.approx(1.0)


def test_cut_out_keeps_the_inside() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 12, 3)).astype(np.uint8))
    faded = np.asarray(figures.cut_out(noise, box(4, 8)))
    assert np.array_equal(faded[box(4, 8)], np.asarray(noise)[box(4, 8)])
    outside = faded[~box(4, 8)]
    assert (outside >= 190).all() and (outside == outside[:, :1]).all()


def test_boxes_are_exclusive_on_the_right() -> None:
    ax = figures.new_figure()[1][0, 0]
    figures.add_boxes(ax, MASKS.boxes[1:2], labels=["a"])
    assert ax.patches[0].get_bbox().bounds == (3.5, 1.5, 4.0, 4.0)
    with pytest.raises(InvalidInputError, match="XYXY"):
        figures.add_boxes(ax, np.zeros((2, 3)))


def test_zoom_shows_the_masks_surroundings() -> None:
    whole, near = (figures.show_examples([(IMAGE, box(5, 6, 3, 4), None, "x")], zoom=zoom).axes[0] for zoom in (0, 1))
    assert whole.get_xlim() == (-0.5, 11.5)
    left, right = near.get_xlim()
    assert (right - left, near.get_ylim()[0] - near.get_ylim()[1]) == (8, 8) and left < 5 < right


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="nothing to draw"):
        figures.show_images([])
    with pytest.raises(InvalidInputError, match=r"\(H, W\)"):
        figures.add_mask(figures.new_figure()[1][0, 0], np.zeros((1, 8, 12)))
    with pytest.raises(InvalidInputError, match="at least one"):
        figures.new_figure(0, 1)


def scene(masks: Masks = MASKS) -> SimpleNamespace:
    held = SimpleNamespace(image=IMAGE, masks=masks)
    return type("Scene", (SimpleNamespace,), {"__len__": lambda self: len(self.masks)})(**vars(held))


def ranking(scores: list[float]) -> Ranking:
    values = torch.tensor(scores)
    mask = torch.zeros(8, 12, dtype=torch.bool)
    chosen = int(values.argmax()) if scores else None
    return Ranking(mask=mask, method="cropping", expression="the box", scores=values, chosen=chosen)


def test_ranking_goes_from_the_best_on_and_frames_what_is_right() -> None:
    fig = figures.show_ranking(scene(), ranking([0.1, 0.3, 0.2]), top=2, truth=box(8, 12))
    assert isinstance(fig, Figure) and fig.get_suptitle() == 'cropping: "the box"'
    titles = [axis.get_title(loc="left") for axis in fig.axes]
    assert titles == ["", "1. 0.300  IoU 0.00", "2. 0.200  IoU 1.00"]
    edges = [axis.spines["left"].get_edgecolor() for axis in fig.axes[1:]]
    assert edges[1] == to_rgba(TRUTH) and edges[0] != to_rgba(TRUTH)


def test_ranking_without_proposals_or_truth() -> None:
    none = Masks.from_arrays([], size=(8, 12))
    fig = figures.show_ranking(scene(none), ranking([]), truth=box(0, 4))
    assert not fig.axes[1].axison
    titles = [axis.get_title(loc="left") for axis in figures.show_ranking(scene(), ranking([3, 2, 1])).axes]
    assert titles[1:] == ["1. 3.000", "2. 2.000", "3. 1.000"]


def test_rankings_have_a_row_each() -> None:
    fig = figures.show_rankings(scene(), {"a": ranking([1, 2, 3]), "b": ranking([3, 2, 1])}, top=3)
    assert len(fig.axes) == 8
    assert [fig.axes[place].get_title(loc="left") for place in (0, 4)] == ["a", "b"]


def test_spans_that_overlap_go_to_lines_of_their_own() -> None:
    ax = figures.show_spans("the red cup", [(0, 11, "phrase"), (8, 11, "head"), (0, 3, "other")]).axes[0]
    heights = [line.get_ydata()[0] for line in ax.lines]
    assert heights[0] > heights[1] == heights[2]
    assert [list(line.get_xdata()) for line in ax.lines][1] == [8.1, 10.9]
    assert "".join(text.get_text() for text in ax.texts[:11]) == "the red cup"


@pytest.mark.parametrize("span", [(0, 99, "x"), (3, 3, "x"), (-1, 2, "x")])
def test_a_span_outside_the_text_is_an_error(span: tuple[int, int, str]) -> None:
    with pytest.raises(InvalidInputError, match="outside the text"):
        figures.show_spans("the red cup", [span])


def test_source_note_says_what_is_built_in() -> None:
    data = type("D", (), {"name": "scenes", "split": "val", "__len__": lambda self: 3})()
    fig = figures.note_source(figures.new_figure()[0], SimpleNamespace(name="miniature"), data)
    lines = fig.texts[-1].get_text().split("\n")  # wrapped to the width of the figure, at blanks only
    assert " ".join(lines) == "model: built-in miniature · data: built-in drawn scenes val (3 images)"
    other = figures.note_source(figures.new_figure()[0], SimpleNamespace(name="RN50"))
    assert other.texts[-1].get_text() == "model: RN50"
    assert not figures.note_source(figures.new_figure()[0]).texts


def test_colours_are_as_many_as_asked_for_and_distinct() -> None:
    for count in (1, 8, 30):
        assert len(set(figures.colours(count))) == count


def test_toggle_masks_has_a_trace_for_each_mask() -> None:
    figure = figures.toggle_masks(IMAGE, MASKS, names=["a", "b", "c"], shown=1)
    assert [trace.name for trace in figure.data[1:]] == ["a", "b", "c"]
    assert [trace.visible for trace in figure.data[1:]] == [True, "legendonly", "legendonly"]
    assert min(x for x in figure.data[2].x if x is not None) == 3.5
