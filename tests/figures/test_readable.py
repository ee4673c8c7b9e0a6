"""Every drawing of the package: text inside the canvas and not on other text; user text is no formula; alt texts."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from zsris_viz import figures
from zsris_viz.figures import Choices, alt_text, text_problems
from zsris_viz.figures.panel_figures import draw_view
from zsris_viz.figures.panels import (
    Axis,
    LineChart,
    MapGrid,
    Maps,
    Note,
    PairChart,
    PanelView,
    PicturePanel,
    RankingTable,
    Region,
    Slider,
    TokenTable,
)
from zsris_viz.masks import Masks
from zsris_viz.methods.base import Ranking

IMAGE = Image.new("RGB", (90, 60), "#88aa88")
DOLLARS = "the $x^$ sign and $$ \\frac on the left side of the very large photograph"
MASKS = torch.zeros(3, 60, 90, dtype=torch.bool)
MASKS[0, 10:30, 10:40] = MASKS[1, 30:55, 40:80] = MASKS[2, 15:25, 12:30] = True
FRAME = pd.DataFrame(
    {
        "method": ["Global-Local CLIP", "Cropping", "Region token", "Score map"],
        "line": ["a", "a", "b", "b"],
        "value": [50.0, 60.0, 70.0, 12.5],
        "low": [45.0, 58.0, 60.0, 10.0],
        "high": [56.0, 63.0, 75.0, 16.0],
        "layer": [1, 2, 1, 2],
    }
)
TABLE = pd.DataFrame(np.arange(12.0).reshape(3, 4), index=["first", "second", "third"], columns=list("abcd"))


TOKEN_ROLES = ("", "noun phrase", "context", "other", "")
PROPOSALS = tuple(Region("all", number, "selected", str(number), optional=True) for number in range(3))


def ranking() -> Ranking:
    scores = torch.tensor([0.5, 0.25, 0.125])
    return Ranking(mask=MASKS[0], method="cropping", expression=DOLLARS, evidence={}, scores=scores, chosen=0)


def scene() -> SimpleNamespace:
    masks = Masks(MASKS)

    class Scene(SimpleNamespace):
        def __len__(self) -> int:
            return len(masks)

    return Scene(image=IMAGE, masks=masks)


def view() -> PanelView:
    """One panel of every kind."""
    layers = Axis("layer", 0, tuple(map(str, range(13))))
    heads = Axis("head", -1, ("mean", *(f"head {number}" for number in range(12))))
    tokens = ("start", "the", "left", "$x$", "end")
    values = np.random.default_rng(0).random((13, 13, 7, 7)).astype(np.float32)
    return PanelView(
        title=DOLLARS,
        image=IMAGE,
        rows=(
            (Slider("layer"), Note(tuple(f"Layer {number}: {DOLLARS}" for number in range(13)), "layer")),
            (
                PicturePanel("ground truth", regions=(Region("all", 0, "truth"), Region("all", 1, "choice", "1"))),
                PicturePanel("attention, layer {layer}, {head}", "maps", hover="query"),
                PicturePanel("clusters", regions=PROPOSALS),
            ),
            (MapGrid("every layer and head", "maps", "head", "layer"), MapGrid("layers", "row", "layer")),
            (
                LineChart("agreement", "layer", {"first": [i / 20 for i in range(13)]}, {"first": "choice"}),
                PairChart("scores", (0, 1, 2), (0.1, 0.2, 0.3), (0.3, 0.2, 0.1), (2, 0), ("all tokens", "fewer")),
            ),
            (TokenTable("from {token}", tokens, TOKEN_ROLES, "text", ("mean", "head 0"), "token"),),
            (
                PicturePanel("choice", regions=(Region("all", 0, "choice", "0"),)),
                RankingTable(
                    ("score", "global", "by noun phrase", "IoU"),
                    (0, 1, 2),
                    ((0.5, 0.1234, 1e-5, 1.0), (0.2, 0.3, 0.1, 0.0), (-np.inf, np.nan, 0.2, 0.1)),
                    0,
                ),
            ),
        ),
        axes={
            "layer": layers,
            "head": heads,
            "query": Axis("query", -1, ("CLS", *map(str, range(49)))),
            "token": Axis("token", 0, tokens),
        },
        maps={
            "maps": Maps(values, ("layer", "head"), "attention weight"),
            "row": Maps(values[:, 0], ("layer",), "cosine similarity", (0, 1)),
            "text": Maps(np.random.default_rng(1).random((5, 2, 5)).astype(np.float32), ("token",), "attention weight"),
        },
        masks={"all": list(MASKS)},
    )


OUTCOMES = pd.DataFrame({
    "method": ["Global-Local CLIP"] * 3 + ["Cropping"] * 3,
    "outcome": ["right", "right class, wrong instance", "wrong class"] * 2,
    "share": [90.0, 5, 5, 20, 40, 40],
    "n": 40,
})  # fmt: skip
DIFFERENCES = pd.DataFrame({
    "method": ["Global-Local CLIP", "chance"], "difference": [1.0, -30.0], "low": [-1, np.nan], "high": [3, np.nan],
    "p_holm": [0.3, 1e-4], "n": [40, 9],
})  # fmt: skip
CURSOR = {"layer": 3, "head": 2, "query": 10, "token": 4, "shown": [0, 2]}
DRAWINGS: dict[str, Callable[[], Figure]] = {
    "bars": lambda: figures.bars_with_intervals(
        FRAME, "method", "value", low="low", high="high", reference={"chance": 26}, title="mIoU by method"
    ),
    "horizontal bars": lambda: figures.bars_with_intervals(FRAME, "method", "value", hue="line", horizontal=True),
    "curves": lambda: figures.curves(FRAME, "layer", "value", hue="line", mark={"default": 1}, title="by layer"),
    "heat table": lambda: figures.heat_table(TABLE, title="a table", label="mIoU, %"),
    "maps": lambda: figures.show_maps(
        IMAGE, {f"layer {i}": np.eye(7) for i in range(6)}, truth=MASKS[0], title=DOLLARS
    ),
    "map grid": lambda: figures.show_map_grid({DOLLARS: IMAGE}, {DOLLARS: {"one": np.eye(7), "two": np.eye(7)}}),
    "images": lambda: figures.show_images({"first image": IMAGE, "second image": IMAGE}, title=DOLLARS),
    "examples": lambda: figures.show_examples([(IMAGE, MASKS[0], MASKS[1], DOLLARS)] * 3, columns=3, title=DOLLARS),
    "overlay": lambda: figures.overlay_masks(IMAGE, MASKS, labels=True, title="masks"),
    "choices": lambda: figures.show_choices(
        [Choices(IMAGE, DOLLARS, MASKS[0], {"cropping": MASKS[0], "gem": MASKS[1]})]
    ),
    "ranking": lambda: figures.show_ranking(scene(), ranking(), truth=MASKS[0]),
    "rankings": lambda: figures.show_rankings(scene(), {DOLLARS: ranking(), "second": ranking()}, title=DOLLARS),
    "spans": lambda: figures.show_spans("the cat left of $5 and $6", [(0, 7, "noun phrase"), (8, 12, "context words")]),
    "view": lambda: draw_view(view(), CURSOR),
    "pipeline": lambda: figures.show_pipeline(figures.get_pipeline("global-local")),
    "evaluation": lambda: figures.show_pipeline(figures.get_pipeline("evaluation")),
    "outcomes": lambda: figures.show_outcomes(OUTCOMES, title="outcomes by method"),
    "differences": lambda: figures.show_differences(DIFFERENCES, "method", xlabel="points", title="differences"),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_text_can_be_read(name: str) -> None:
    fig = DRAWINGS[name]()
    if fig.get_constrained_layout():
        fig = figures.note_source(fig, "miniature", "scenes val")
    assert text_problems(fig) == []
    words = alt_text(fig)
    assert len(words) >= 9 and words.endswith(".") and "\n" not in words


def test_problems_are_found() -> None:
    fig, axes = figures.new_figure(size=(2, 2))
    fig.text(0.9, 0.5, "this text leaves the canvas on its right")
    axes[0, 0].text(0.5, 0.5, "one label"), axes[0, 0].text(0.52, 0.5, "another label")
    axes[0, 0].text(0.5, 0.5, "hidden").set_visible(False)
    found = text_problems(fig)
    assert any("cut off" in one and "at the right" in one for one in found)
    assert any("'one label' and 'another label' overlap" in one for one in found)
    assert not any("hidden" in one for one in found)


def test_the_name_of_a_column_is_no_title_of_a_legend() -> None:
    fig = figures.curves(FRAME, "layer", "value", hue="line")
    assert fig.axes[0].get_legend().get_title().get_text() == ""
    fig = figures.curves(FRAME, "layer", "value", hue="line", legend_title="backbone")
    assert fig.axes[0].get_legend().get_title().get_text() == "backbone"


def test_an_alt_text_names_what_the_figure_names() -> None:
    fig = figures.curves(FRAME, "layer", "value", hue="line", title="IoU by layer", xlabel="layer", ylabel="IoU, %")
    assert alt_text(fig) == "Panels: IoU by layer. Axes: IoU, % against layer. Legend: a; b."
    assert alt_text(Figure()) == "A figure."
    assert "the cat left of $5" in alt_text(DRAWINGS["spans"]())
