"""Pipeline diagrams: every label fits its box, no two boxes overlap, and arrows join boxes that exist."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.text import Annotation
from PIL import Image

from zsris_viz.errors import InvalidInputError
from zsris_viz.figures.checks import text_problems
from zsris_viz.figures.diagrams import BOX_HEIGHT, BOX_WIDTH, COLUMN_STEP, ROW_STEP, Box, Pipeline, show_pipeline
from zsris_viz.figures.layout import note_source
from zsris_viz.figures.pipelines import PIPELINES, get_pipeline
from zsris_viz.figures.texts import expression_spans, show_message
from zsris_viz.methods.expression_parts import ExpressionParts


@pytest.mark.parametrize("name", PIPELINES)
def test_labels_fit_their_boxes(name: str) -> None:
    figure = show_pipeline(get_pipeline(name))
    figure.canvas.draw()
    (axes,) = figure.axes
    canvas = figure.bbox
    title, *labels = axes.texts[: 1 + len(get_pipeline(name).boxes)]
    assert title.get_text() == get_pipeline(name).title
    assert title.get_window_extent().x1 <= canvas.x1
    for label, patch in zip(labels, axes.patches, strict=True):
        text, box = label.get_window_extent(), patch.get_window_extent()
        assert box.x0 <= text.x0 and text.x1 <= box.x1, label.get_text()
        assert box.y0 <= text.y0 and text.y1 <= box.y1, label.get_text()
        assert canvas.x0 <= box.x0 and box.x1 <= canvas.x1 and canvas.y0 <= box.y0 and box.y1 <= canvas.y1


@pytest.mark.parametrize("name", PIPELINES)
def test_boxes_do_not_overlap(name: str) -> None:
    for a, b in itertools.combinations(get_pipeline(name).boxes.values(), 2):
        apart = abs(a.column - b.column) * COLUMN_STEP >= BOX_WIDTH or abs(a.row - b.row) * ROW_STEP >= BOX_HEIGHT
        assert apart, (a.label, b.label)


@pytest.mark.parametrize("name", PIPELINES)
def test_no_arrow_crosses_a_box(name: str) -> None:
    figure = show_pipeline(get_pipeline(name))
    (axes,) = figure.axes
    arrows = [text for text in axes.texts if isinstance(text, Annotation)]
    assert len(arrows) == len(get_pipeline(name).arrows)
    for arrow in arrows:
        start, end = np.array(arrow.xyann), np.array(arrow.xy)
        for patch in axes.patches:
            box = patch.get_path().get_extents(patch.get_patch_transform())
            inner = [start + share * (end - start) for share in np.linspace(0.05, 0.95, 60)]
            assert not any(box.contains(*point) for point in inner), (name, start, end)


def test_every_box_is_joined() -> None:
    for pipeline in PIPELINES.values():
        assert {name for arrow in pipeline.arrows for name in arrow} == set(pipeline.boxes), pipeline.title


def test_errors() -> None:
    with pytest.raises(InvalidInputError, match="missing"):
        Pipeline("", {"a": Box("a", 0, 0)}, [("a", "missing")])
    with pytest.raises(InvalidInputError, match="at least one box"):
        Pipeline("", {}, [])
    with pytest.raises(InvalidInputError, match="global-local"):
        get_pipeline("no such method")


def test_a_box_takes_the_labels_and_pictures_of_one_image() -> None:
    boxes = {"image": Box("image", 0, 0, "input"), "scores": Box("scores", 1, 0)}
    pipeline = Pipeline("two boxes", boxes, [("image", "scores")])
    filled = pipeline.with_labels({"scores": "scores of 3 masks"}, title="one image")
    picture = Image.new("RGB", (40, 20), "red")
    figure = show_pipeline(filled, {"image": [picture], "scores": [np.eye(3)]})
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "scores of 3 masks" in texts and "one image" in texts and "scores" not in texts
    first, second = figure.axes[0].images
    assert first.get_array().shape == (20, 40, 3) and second.get_array().shape == (3, 3)
    left, right, bottom, top = first.get_extent()
    assert (right - left) == pytest.approx(2 * (bottom - top))  # the picture keeps its proportions
    assert figure.get_figheight() > show_pipeline(filled).get_figheight()
    assert text_problems(figure) == []


@pytest.mark.parametrize("pictures", [{"mask": [np.eye(2)]}, {"image": [np.eye(2)] * 4}])
def test_unknown_boxes_and_too_many_pictures_are_refused(pictures: dict[str, list[np.ndarray]]) -> None:
    pipeline = Pipeline("one box", {"image": Box("image", 0, 0)}, [])
    with pytest.raises(InvalidInputError):
        show_pipeline(pipeline, pictures)


@pytest.mark.parametrize("name", PIPELINES)
def test_the_line_below_a_diagram_lies_on_no_box(name: str) -> None:
    figure = note_source(show_pipeline(get_pipeline(name)), "a model with a rather long name", "a dataset")
    figure.canvas.draw()
    note = figure._supxlabel.get_window_extent()
    assert not any(patch.get_window_extent().overlaps(note) for patch in figure.axes[0].patches)


def test_a_message_takes_the_place_of_a_figure() -> None:
    figure = show_message("No expression of this run fulfils the rule.")
    assert text_problems(figure) == [] and not figure.axes[0].axison


def test_spans_of_an_expression() -> None:
    given = {"noun_phrase": "the red cat", "head": "cat", "context_tokens": ["left", "of"]}
    parts = ExpressionParts("the red cat left of the dog", given)
    assert [(parts.text[start:end], name) for start, end, name in expression_spans(parts)] == [
        ("the red cat", "noun phrase"),
        ("cat", "head"),
        ("left", "context"),
        ("of", "context"),
    ]
