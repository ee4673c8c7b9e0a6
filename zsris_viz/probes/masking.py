"""Masking of context tokens: how the scores and the chosen proposal depend on the words that describe the place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.methods.global_context import global_context_features
from zsris_viz.models.layered import LayeredModel
from zsris_viz.models.trace import Trace
from zsris_viz.probes.base import Probe
from zsris_viz.probes.inputs import ImageTexts, as_view
from zsris_viz.probes.tokens import WORDS, head_positions, positions_of, token_groups

PROBE = "context masking"


class ContextMasking(Probe):
    """Probe of the changes if no token attends to a group of words, from a text layer on.

    The score of a proposal is the cosine of its global visual feature (Global-Local CLIP, eq. 3) with the sentence.
    Layer l: the words are hidden in every block after layer l; the last layer is the unmasked text. Kinds: "context"
    and "noun phrase" (without its context words). Variants: "score", the cosine of the right proposal, minus the
    unmasked one; "chosen", the share of expressions whose chosen proposal differs from the unmasked choice; "right",
    the share whose chosen proposal is the right one; "right, change", that share minus the unmasked one, paired by
    expression. Expressions without a word of the group, or with no other word, do not count.

    Shuffled control: instead of the context words, as many random words that are neither context nor the head noun;
    expressions with fewer of them do not count. The kind "context minus other words" is the difference from it, paired
    by expression, with the p-value of a sign-flip test over images, and the same after Holm's correction over layers.

    Args:
        seed: Seed of the draw of other words.
        masked_blocks: K, the number of masked blocks of the visual feature.
    """

    name = PROBE

    def __init__(self, *, seed: int = 0, masked_blocks: int = 3) -> None:
        super().__init__(seed=seed)
        self.masked_blocks = masked_blocks

    def update(self, image: ImageTexts) -> None:
        """Add one image."""
        view = as_view(image)
        blocks = min(self.masked_blocks, view.clip.num_layers)
        visual = F.normalize(global_context_features(view.scene, blocks), dim=-1).cpu()
        trace = view.clip.trace_texts([part.text for part in view.parts], attentions=False)
        assert trace.tokens is not None  # a trace of texts has tokens
        wanted = [
            (row, kind, control, hidden)
            for row, part in enumerate(view.parts)
            for kind, control, hidden in self._hidden(
                token_groups(trace.tokens, part.noun_phrase, part.context_tokens, row),
                head_positions(trace.tokens, part.head, row),
            )
        ]
        if not wanted:
            return
        texts = masked_texts(view.clip, trace, [row for row, *_ in wanted], [hidden for *_, hidden in wanted])
        masks = [view.scene.masks.iou(reference.mask)[:, 0] for reference, _ in view.pairs]
        measured: dict[tuple[int, str], dict[str, Tensor]] = {}
        for (row, kind, control, _), features in zip(wanted, texts, strict=True):
            values = changes(visual @ features.T, int(masks[row].argmax()))
            self._add(view.number, values, kind, control)
            if kind == "context":
                measured[row, control] = values
        for (row, control), values in measured.items():
            if control == self.control and (row, "shuffled") in measured:
                other = measured[row, "shuffled"]
                differences = {variant: values[variant] - other[variant] for variant in values}
                self._add(view.number, differences, "context minus other words", self.control, paired=True)

    def _hidden(self, groups: Sequence[str], head: Sequence[int]) -> list[tuple[str, str, list[int]]]:
        """Return tuples of kind, control and positions to hide."""
        context = positions_of(groups, "context")
        words = positions_of(groups, *WORDS)
        found = []
        for kind in ("context", "noun phrase"):
            own = positions_of(groups, kind)
            if own and len(own) < len(words):
                found.append((kind, self.control, own))
        rest = [place for place in words if place not in context and place not in head]
        if self.has_control("shuffled") and context and len(context) <= len(rest):
            drawn = self.rng.permutation(rest)[: len(context)].tolist()
            found.append(("context", "shuffled", drawn))
        return found

    def _add(self, image: int, values: dict[str, Tensor], kind: str, control: str, *, paired: bool = False) -> None:
        for variant, by_layer in values.items():
            tested = paired or variant == "right, change"
            key = {"probe": PROBE, "kind": kind, "variant": variant, "control": control, "paired": tested}
            self.tally.add_layers(image, by_layer.tolist(), list(range(len(by_layer))), **key)


def changes(cosines: Tensor, right: int) -> dict[str, Tensor]:
    """Return the changes by masking, by layer.

    Args:
        cosines: (N, L + 1) of the proposals; the last layer is the unmasked text.
        right: Number of the right proposal.

    Returns:
        Variant -> (L + 1,) float32.
    """
    chosen = cosines.argmax(dim=0)
    return {
        "score": cosines[right] - cosines[right, -1],
        "chosen": (chosen != chosen[-1]).float(),
        "right": (chosen == right).float(),
        "right, change": (chosen == right).float() - float(chosen[-1] == right),
    }


def masked_texts(clip: LayeredModel, trace: Trace, rows: Sequence[int], hidden: Sequence[Sequence[int]]) -> Tensor:
    """Encode texts with some tokens hidden in every block after layer l, for l = 0 ... L.

    Args:
        clip: The model.
        trace: Trace of the texts.
        rows: Numbers of B texts of the trace; a text may occur several times.
        hidden: For each of the B texts, the positions of its hidden tokens.

    Returns:
        (B, L + 1, D), normalised, on the CPU. Entry L is the unmasked text.
    """
    length = trace.layers[0].shape[1]
    mask = torch.zeros(len(rows), 1, length, length)
    for number, positions in enumerate(hidden):
        mask[number, ..., list(positions)] = -torch.inf
    tokens: Any = trace.tokens
    features = []
    for layer, states in enumerate(trace.layers):
        last = layer == len(trace.layers) - 1
        masked = clip.resume_text(
            states[list(rows)], layer, tokens.end[list(rows)], attention_mask=None if last else mask
        )
        features.append(masked)
    return F.normalize(torch.stack(features, dim=1), dim=-1).cpu()  # type: ignore[arg-type]
