"""The state of AttentionExplorer, without widgets: attention of both towers, and scores with tokens masked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.explorers.state import ExplorerState, Scene, check_choice, check_range, check_text, propose
from zsris_viz.methods import get_method
from zsris_viz.methods.base import Method, SceneFeatures
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.scene_cache import once_per_scene
from zsris_viz.models.base import ImageTextModel
from zsris_viz.models.trace import Trace
from zsris_viz.probes.tokens import token_groups

SETTINGS = ("expression", "masked", "layer", "image_layer", "image_head", "query", "truth")


@dataclass(frozen=True)
class Choice:
    """The scores of the proposals with and without the masked tokens, and the chosen proposals.

    Attributes:
        before: (N,) float32, cosine of each proposal's feature with that of the text; -inf for an empty mask.
        after: (N,) float32, the same with the masked tokens hidden.
        chosen_before: Number of the best proposal before masking.
        chosen_after: Number of the best proposal after masking.
        iou_before: IoU of `chosen_before` with the ground truth; None without a ground truth.
        iou_after: IoU of `chosen_after` with the ground truth; None without a ground truth.
    """

    before: Tensor
    after: Tensor
    chosen_before: int
    chosen_after: int
    iou_before: float | None
    iou_after: float | None


class AttentionState(ExplorerState):
    """Compute text attention from the end token, token masking, and image attention from CLS or a patch.

    No token attends to a masked token in any block of the text tower, not even the masked token itself: its column of
    the attention mask is -inf. It keeps its place, so the positions of the tokens after it do not change. Scores are
    cosines of each proposal's feature under `method` with the feature of the whole expression (no noun phrase is mixed
    in).

    Args:
        image: See :class:`~zsris_viz.explorers.state.ExplorerState`.
        expression: The text.
        clip: See :class:`~zsris_viz.explorers.state.ExplorerState`.
        proposals: A name for `load_proposals`, a Proposer, or masks.
        method: A method with a feature for each proposal: "global-local", "cropping", "region-token", or a Method.
        truth: See :class:`~zsris_viz.explorers.state.ExplorerState`.
        layer: Text layer, 1 to the last (default); its attention is that of the block that computes it.
        image_layer: Layer of the image tower, 1 to the last (default).
        query: (row, column) of the patch whose attention is shown; None for CLS.
        parser: See :class:`~zsris_viz.explorers.state.ExplorerState`.

    Attributes:
        expression: The current text; change it with :meth:`set`.
        masked: Positions of the masked tokens; change them with :meth:`set`.
        layer: The current text layer; change it with :meth:`set`.
        image_layer: The current image layer; change it with :meth:`set`.
        image_head: The current head of the image tower, None for the mean; change it with :meth:`set`.
        query: The current patch, None for CLS; change it with :meth:`set`.

    Raises:
        InvalidInputError: An empty expression, no proposal, a layer that does not exist, or a method without features.
    """

    def __init__(
        self,
        image: Scene,
        expression: str,
        clip: ImageTextModel | str = "miniature",
        *,
        proposals: Any = "felzenszwalb",
        method: str | Method = "global-local",
        truth: Any = None,
        layer: int | None = None,
        image_layer: int | None = None,
        query: tuple[int, int] | None = None,
        parser: Any = None,
    ) -> None:
        super().__init__(image, clip, propose(image, proposals), truth=truth, parser=parser)
        self.method = _with_features(method)
        self.expression, self.masked = "", frozenset[int]()
        self.layer, self.image_layer = self.layered.text_layers, self.layered.num_layers
        self.image_head: int | None = None
        self.query: tuple[int, int] | None = None
        self._texts: dict[str, Trace] = {}
        self._groups: dict[str, list[str]] = {}
        self._features: Tensor | None = None
        wanted = {"layer": layer, "image_layer": image_layer, "query": query}
        self.set(expression=expression, **{name: value for name, value in wanted.items() if value is not None})

    def set(self, **changes: Any) -> None:
        """Change any of `SETTINGS`.

        If one value is wrong, nothing is changed. A new expression has no token masked.

        Raises:
            InvalidInputError: A value that is not accepted.
            InvalidTypeError: A value of another type.
        """
        for name in changes:
            check_choice(name, SETTINGS, "setting")
        expression = check_text(changes.get("expression", self.expression))
        kept = self.masked if expression == self.expression else frozenset()
        masked = frozenset(changes.get("masked", kept))
        last = self._trace(expression).layers[0].shape[1] - 1
        for place in masked:
            check_range(place, 1, last - 1, "token (the start and the end of the text cannot be masked)")
        layer = check_range(changes.get("layer", self.layer), 1, self.layered.text_layers, "text layer")
        image_layer = check_range(
            changes.get("image_layer", self.image_layer), 1, self.layered.num_layers, "image layer"
        )
        head = changes.get("image_head", self.image_head)
        if head is not None:
            head = check_range(head, 0, self.layered.heads - 1, "head")
        query = changes.get("query", self.query)
        if query is not None:
            rows, columns = self.layered.grid
            query = (check_range(query[0], 0, rows - 1, "row"), check_range(query[1], 0, columns - 1, "column"))
        if "truth" in changes:
            self.set_truth(changes["truth"])
        self.expression, self.masked, self.layer, self.image_layer = expression, masked, layer, image_layer
        self.image_head, self.query = head, query

    @property
    def groups(self) -> list[str]:
        """Return the group of each token, by the parser.

        The groups are "noun phrase", "context" (words for the place), "other", "start" and "end".
        """
        if self.expression not in self._groups:
            tokens = self._trace(self.expression).tokens
            assert tokens is not None
            parts = ExpressionParts(self.expression, parser=self.scene.load_parser)
            self._groups[self.expression] = token_groups(tokens, parts.noun_phrase, parts.context_tokens)
        return self._groups[self.expression]

    def toggle(self, place: int) -> None:
        """Mask a token that is not masked, or unmask a masked one."""
        self.set(masked=self.masked ^ {place})

    # -- the text

    def _trace(self, expression: str) -> Trace:
        if expression not in self._texts:
            self._texts[expression] = self.layered.trace_texts(expression)
        return self._texts[expression]

    @property
    def tokens(self) -> list[str]:
        """Return the expression's tokens, start and end included, without the mark of a word's end."""
        tokens = self._trace(self.expression).tokens
        assert tokens is not None
        inner = [piece.replace("</w>", "") for piece in tokens.pieces[0][1:-1]]
        return ["start", *inner, "end"]

    def text_attentions(self) -> Tensor:
        """Return the attention between the tokens in every layer and head.

        With tokens masked, it is the attention of the masked run.

        Returns:
            (layers, T, 1 + heads, T) float32: from each token, by the mean of all heads first, to every token; rows sum
            to 1.
        """
        attentions = self._masked_run()[1] if self.masked else self._trace(self.expression).attentions[1:]
        layers = torch.stack([weights[0].float().cpu() for weights in attentions if weights is not None])
        return torch.cat([layers.mean(dim=1, keepdim=True), layers], dim=1).transpose(1, 2)

    def _masked_run(self) -> tuple[Tensor, list[Tensor | None]]:
        """Return the text's feature (D,) and every block's attention, with the masked tokens hidden from all."""
        trace, tower = self._trace(self.expression), self.layered.text
        length = trace.layers[0].shape[1]
        hidden_from_all = torch.zeros(1, 1, length, length, device=trace.layers[0].device)
        hidden_from_all[..., sorted(self.masked)] = -torch.inf
        weights: list[Tensor | None] = []
        self.clip.calls.resumed += 1
        with torch.inference_mode():
            last = tower.run(trace.layers[0], mask=hidden_from_all, attentions=weights)
            return tower.project(last[0, -1]), weights

    def text_feature(self) -> Tensor:
        """Return the expression's feature, (D,) float32, with the masked tokens hidden."""
        if not self.masked:
            return self.layered.project_text(self._trace(self.expression).layers[-1][0, -1])
        return self._masked_run()[0]

    # -- the proposals

    def features(self) -> Tensor:
        """Return each proposal's feature under the method, (N, D); computed once."""
        if self._features is None:
            evidence = self.method.predict(self.scene, self.expression).evidence
            self._features = evidence["visual"] if "visual" in evidence else evidence["features"]
        return self._features

    def choice(self) -> Choice:
        """Return the scores and the chosen proposals with all tokens and with the masked ones hidden."""
        whole = self.layered.project_text(self._trace(self.expression).layers[-1][0, -1])
        rows = [self._scores(text) for text in (whole, self.text_feature())]
        best = [int(row.argmax()) for row in rows]
        overlaps = [self.iou(self.scene.masks[index]) for index in best]
        return Choice(rows[0], rows[1], best[0], best[1], overlaps[0], overlaps[1])

    def _scores(self, text: Tensor) -> Tensor:
        scores = F.cosine_similarity(self.features().float(), text.float().cpu()[None])
        scores[self.scene.empty] = -torch.inf
        return scores

    # -- the image

    @property
    def has_patches(self) -> bool:
        """Return whether the image tower has attention between patches."""
        return self.clip.kind == "vit"

    def _attentions(self) -> list[Tensor]:
        """Return the attention of every layer of the image tower, (heads, 1 + P, 1 + P) float16 each; computed once."""
        if not self.has_patches:
            raise UnavailableError(
                f"{self.clip.name!r} is an RN: its patches do not attend to each other before the pooling. Use a ViT, "
                "e.g. clip='miniature'."
            )
        return image_attentions(self.scene)

    def patch_attentions(self) -> Tensor:
        """Return the attention from CLS and from every patch to every patch, by the head that is set.

        Returns:
            (layers, 1 + P, rows, columns) float32; what CLS gets is left out.

        Raises:
            UnavailableError: A ResNet, whose tower has no attention between patches.
        """
        attentions = [weights[:, :, 1:].float() for weights in self._attentions()]
        chosen = [
            weights.mean(dim=0) if self.image_head is None else weights[self.image_head] for weights in attentions
        ]
        return torch.stack(chosen).unflatten(-1, self.layered.grid)

    def head_attentions(self) -> Tensor:
        """Return the attention from CLS, or from the patch `query`, in every layer and head.

        Returns:
            (layers, 1 + heads, rows, columns) float32, the mean of all heads first.

        Raises:
            UnavailableError: A ResNet, whose tower has no attention between patches.
        """
        place = 0 if self.query is None else 1 + self.query[0] * self.layered.grid[1] + self.query[1]
        attentions = torch.stack([weights[:, place, 1:].float() for weights in self._attentions()])
        return torch.cat([attentions.mean(dim=1, keepdim=True), attentions], dim=1).unflatten(-1, self.layered.grid)


def _with_features(method: str | Method) -> Method:
    """Return a method whose evidence has a feature for each proposal.

    Global-Local CLIP then reads the sentence alone.
    """
    if isinstance(method, Method):
        return method
    features = ("global-local", "cropping", "region-token")
    if method not in features:
        raise InvalidInputError(
            f"method={method!r} gives proposals no feature that a masked text could be compared with; use one of "
            f"{', '.join(features)}."
        )
    return get_method(method, **({"textual": "global"} if method == "global-local" else {}))


@once_per_scene
def image_attentions(scene: SceneFeatures) -> list[Tensor]:
    """Compute the attention weights of every block of the image tower, (heads, 1 + P, 1 + P) float16 each."""
    attentions = scene.layered.trace_image(scene.pixels()).attentions
    return [weights[0].half().cpu() for weights in attentions if weights is not None]
