"""The static twin of AttentionExplorer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zsris_viz.explorers.state import ends
from zsris_viz.explorers.static_parts import add_colour_bar, show_heat
from zsris_viz.figures.layout import CHOSEN, SEQUENTIAL, TRUTH, new_figure, note_source
from zsris_viz.figures.pictures import add_mask, show_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zsris_viz.explorers.attention_state import AttentionState, Choice


def attention_figure(state: AttentionState, data: Any = None) -> Figure:
    """Text attention and scores above; the choices and the image's attention below."""
    from zsris_viz.explorers.attention import BEFORE, looks_title, picture_title

    fig, axes = new_figure(2, 2, size=(8.4, 6.0), width_ratios=[1.2, 1])
    choice, image, masks = state.choice(), state.scene.image, state.scene.masks
    _attention(axes[0, 0], state)
    _scores(axes[0, 1], choice)
    show_image(axes[1, 0], image, picture_title(state))
    if choice.chosen_after != choice.chosen_before:
        add_mask(axes[1, 0], masks[choice.chosen_before], BEFORE, fill=0)
    add_mask(axes[1, 0], masks[choice.chosen_after], CHOSEN)
    if state.truth is not None:
        add_mask(axes[1, 0], state.truth, TRUTH, fill=0, dashed=True)
    if state.clip.kind == "vit":
        looks = state.image_attention()
        show_heat(axes[1, 1], image, looks, ends(looks), looks_title(state))
        add_colour_bar(fig, axes[1, 1], ends(looks))
    else:
        show_image(axes[1, 1], image, "an RN has no attention between patches")
    fig.suptitle(f'"{state.expression}"', x=0.01, ha="left")
    return note_source(fig, state.clip, data)


def _attention(ax: Axes, state: AttentionState) -> None:
    from zsris_viz.explorers.attention import GROUP_COLOURS

    weights, names = state.text_attention(), state.tokens
    ax.imshow(weights.numpy(), aspect="auto", cmap=SEQUENTIAL, vmin=0)
    ax.grid(False)
    rows = ["mean", *(f"head {number}" for number in range(len(weights) - 1))]
    ax.set_yticks(range(len(rows)), rows)
    shown = [f"[{name}]" if place in state.masked else name for place, name in enumerate(names)]
    ax.set_xticks(range(len(names)), shown, rotation=40, ha="right")
    for tick, group in zip(ax.get_xticklabels(), state.groups, strict=True):
        tick.set_color(GROUP_COLOURS.get(group, "black"))
    hidden = " ([masked])" if state.masked else ""
    ax.set_title(f"attention from the end token, text layer {state.layer}{hidden}", loc="left")
    ax.set_xlabel("green: noun phrase, pink: context")


def _scores(ax: Axes, choice: Choice) -> None:
    from zsris_viz.explorers.attention import BEFORE, most_moved

    shown = most_moved(choice)
    for line, index in enumerate(shown):
        ends_of = [float(choice.before[index]), float(choice.after[index])]
        ax.plot(ends_of, [line, line], color=CHOSEN, linewidth=1)
        for value, colour, best in zip(
            ends_of, (BEFORE, CHOSEN), (choice.chosen_before, choice.chosen_after), strict=True
        ):
            ax.plot([value], [line], "o", color=colour, markersize=4)
            if best == index:
                ax.plot([value], [line], "o", color=colour, markersize=9, fillstyle="none")
    ax.set_yticks(range(len(shown)), [f"mask {index}" for index in shown])
    ax.invert_yaxis()
    ax.set_title("scores (grey: with all tokens; ring: chosen)", loc="left")
