"""The RISCLIP model: CFE adapters, the SKE transformer and the decoder on a frozen ViT CLIP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.methods.risclip.adapters import AdapterPair, end_mask, spread_layers, text_layer
from zsris_viz.methods.risclip.config import Architecture
from zsris_viz.methods.risclip.decoder import Decoder, enlarged
from zsris_viz.methods.risclip.exploitation import Exploitation
from zsris_viz.models.base import ImageTextModel
from zsris_viz.models.blocks import run_block
from zsris_viz.models.vit import VitClip

KERNEL = "sdpa"  # attention weights are not needed


@dataclass(frozen=True)
class EncodedImage:
    """The state of the image tower before the first adapter, which is the same for all expressions of an image.

    Attributes:
        hidden: Tensor (B, 1 + P, C), the input of the first adapter.
        early: Tensors (B, P, C), the patches of each early layer that the decoder reads.
        grid: Rows and columns of the patch grid.
    """

    hidden: Tensor
    early: tuple[Tensor, ...]
    grid: tuple[int, int]

    def of(self, owner: Tensor) -> EncodedImage:
        """Repeat the state for each expression.

        Args:
            owner: Tensor (E,) of int64, the index in the batch of each expression's image.

        Returns:
            The state with `hidden` (E, 1 + P, C); `early` stays as it is.
        """
        return EncodedImage(self.hidden[owner], self.early, self.grid)


class Grounding(NamedTuple):
    """Maps and mask logits of E expressions.

    Attributes:
        cfe_map: Tensor (E, P), the cosines of patches and sentence after CFE.
        map: Tensor (E, P), the cosines of patches and sentence after SKE.
        map_logits: Tensor (E, P), `map` times the learned scale plus the learned offset.
        logits: Tensor (E, rows * c, columns * c), the mask logits.
    """

    cfe_map: Tensor
    map: Tensor
    map_logits: Tensor
    logits: Tensor


class RisClipModel(nn.Module):
    """RISCLIP on a frozen CLIP; the state dict contains only the trained parts.

    The trained children are `cfe`, `ske`, `decoder` and `head`, which holds the scale and the offset of the map.

    Args:
        clip: A ViT CLIP.
        architecture: Settings of the parts; None for the defaults.

    Attributes:
        clip: The frozen CLIP.
        architecture: The settings.
        input_size: Side of the input image in pixels.
        grid: Rows and columns of the patch grid, (g, g).
        cfe_layers: Image layer and text layer of each adapter pair.
        early_layers: Early layers of the image tower that the decoder reads.

    Raises:
        UnavailableError: The model is not a ViT CLIP.
        InvalidInputError: The settings name layers that the tower does not have.
    """

    def __init__(self, clip: ImageTextModel, architecture: Architecture | None = None) -> None:
        super().__init__()
        if not isinstance(clip, VitClip):
            raise UnavailableError(
                f"RISCLIP needs a tower of kind vit; {clip.name!r} is of kind {clip.kind!r}. Load another, e.g. "
                "load_clip('miniature')."
            )
        self.clip = clip
        self.architecture = architecture = architecture or Architecture()
        patch = clip.patch_size
        self.grid = (max(1, round((architecture.input_size or clip.image_size) / patch)),) * 2
        self.input_size = self.grid[0] * patch
        self.cfe_layers = cfe_layers(architecture, clip)
        self.early_layers = early_layers(architecture, clip, self.cfe_layers)
        widths = (clip.width, clip.text_width)
        self.cfe = nn.ModuleList(
            AdapterPair(*widths, architecture.cfe_width, architecture.cfe_heads) for _ in self.cfe_layers
        )
        self.ske = (
            Exploitation(
                clip.embed_dim,
                architecture.ske_width,
                architecture.ske_layers,
                architecture.ske_heads,
                architecture.ske_ratio,
                match=architecture.ske_match,
            )
            if architecture.ske_layers
            else None
        )
        early = [clip.width] * len(self.early_layers)
        self.decoder = (
            Decoder(clip.embed_dim, early, architecture.decoder_width, architecture.cells)
            if architecture.decoder == "conv"
            else None
        )
        self.head = nn.ParameterDict({"scale": torch.tensor(10.0).log(), "offset": torch.tensor(-1.0)})
        self.to(clip.device)

    @property
    def first_layer(self) -> int:
        """Return the layer of the image tower up to which nothing depends on the expression."""
        return self.cfe_layers[0][0] if self.cfe_layers else self.clip.num_layers - 1

    def encode_image(self, pixels: Tensor) -> EncodedImage:
        """Compute the image tower up to the first adapter.

        Args:
            pixels: Tensor (B, 3, S, S), normalised images with S = `input_size`.

        Returns:
            The state before the first adapter.
        """
        clip = self.clip
        hidden = clip.embed_pixels(pixels, grad=True)
        early = []
        for layer in range(self.first_layer + 1):
            if layer:
                hidden, _ = run_block(clip.blocks[layer - 1], hidden, attention=KERNEL)
            if layer in self.early_layers:
                early.append(hidden[:, 1:])
        return EncodedImage(
            hidden, tuple(early), (pixels.shape[-2] // clip.patch_size, pixels.shape[-1] // clip.patch_size)
        )

    def extract(
        self, encoded: EncodedImage, ids: Tensor, end: Tensor, *, adapters: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Compute both towers from the first adapter to the joint space.

        Args:
            encoded: State with one row for each expression, see :meth:`EncodedImage.of`.
            ids: Tensor (E, T) of int64, the tokens.
            end: Tensor (E,) of int64, the positions of the end tokens.
            adapters: Whether the adapters run; without them the result is that of CLIP itself.

        Returns:
            Patches (E, P, D) and text tokens (E, T, D) in the joint space, of unit length.
        """
        clip, image, keep = self.clip, encoded.hidden, end_mask(end, ids.shape[1])
        text = clip.text.embed(ids)
        causal = clip.text.causal_mask(ids.shape[1], ids.device).to(text.dtype)
        values = self.architecture.patch_features == "values"
        last_image, at_image, at_text = clip.num_layers - values, self.first_layer, 0
        for pair, (image_layer, words_layer) in zip(self.cfe, self.cfe_layers, strict=True):
            image = self._run(clip.blocks, image, at_image, image_layer)
            text = self._run(clip.text.blocks, text, at_text, words_layer, causal)
            at_image, at_text = image_layer, words_layer
            if adapters:
                image, text = pair(image, text, keep)
        image = self._run(clip.blocks, image, at_image, last_image)
        text = self._run(clip.text.blocks, text, at_text, clip.text_layers, causal)
        patches = image[:, 1:]
        if values:
            block = clip.blocks[-1]
            patches = block.self_attn.out_proj(block.self_attn.v_proj(block.layer_norm1(patches)))
        visual = F.normalize(clip.project(patches, grad=True), dim=-1)
        return visual, F.normalize(clip.project_text(text, grad=True), dim=-1)

    def forward(
        self, pixels: Tensor | EncodedImage, owner: Tensor, ids: Tensor, end: Tensor, *, decode: bool = True
    ) -> Grounding:
        """Compute the grounding maps and the mask logits of expressions.

        Args:
            pixels: Tensor (B, 3, S, S), normalised images, or the result of :meth:`encode_image` for them.
            owner: Tensor (E,) of int64, the index in the batch of each expression's image.
            ids: Tensor (E, T) of int64, the tokens.
            end: Tensor (E,) of int64, the positions of the end tokens.
            decode: Whether the decoder runs; without it `logits` of the result are the map logits, (E, rows, columns).

        Returns:
            The maps and the logits.
        """
        encoded = pixels if isinstance(pixels, EncodedImage) else self.encode_image(pixels)
        rows = torch.arange(len(end), device=end.device)
        patches, words = self.extract(encoded.of(owner), ids, end)
        sentence = words[rows, end]
        after_cfe = torch.einsum("epd,ed->ep", patches, sentence)
        if self.ske is not None:
            again = self.architecture.checkpoint_blocks and torch.is_grad_enabled()
            patches, sentence = self.ske(patches, words, end, end_mask(end, ids.shape[1]), encoded.grid, again=again)
            patches, sentence = F.normalize(patches, dim=-1), F.normalize(sentence, dim=-1)
        product = patches * sentence[:, None]
        after_ske = product.sum(-1)
        map_logits = after_ske * self.head["scale"].exp() + self.head["offset"]
        if not decode:
            logits = map_logits.view(-1, *encoded.grid)
        elif self.decoder is None:
            logits = enlarged(map_logits, encoded.grid, self.architecture.cells)
        else:
            logits = self.decoder(map_logits, product, self.decoder.project_layers(encoded.early)[owner], encoded.grid)
        return Grounding(after_cfe, after_ske, map_logits, logits)

    def _run(self, blocks: nn.ModuleList, hidden: Tensor, first: int, last: int, mask: Tensor | None = None) -> Tensor:
        """Run frozen blocks `first` to `last - 1`, with checkpointing of the activations if the settings ask for it."""
        again = self.architecture.checkpoint_blocks and hidden.requires_grad
        for index in range(first, last):
            if again:
                hidden = checkpoint(_block, blocks[index], hidden, mask, use_reentrant=False)
            else:
                hidden = _block(blocks[index], hidden, mask)
        return hidden

    def count(self) -> int:
        """Return the number of trained parameters."""
        return sum(parameter.numel() for parameter in self.parameters())


def _block(block: nn.Module, hidden: Tensor, mask: Tensor | None) -> Tensor:
    return run_block(block, hidden, mask, attention=KERNEL)[0]


def cfe_layers(architecture: Architecture, clip: VitClip) -> tuple[tuple[int, int], ...]:
    """Return the image layer and the text layer of each adapter pair.

    Args:
        architecture: The settings.
        clip: The tower.

    Returns:
        Pairs of layers in ascending order.

    Raises:
        InvalidInputError: A layer does not exist, or the layers are not in ascending order.
    """
    image = architecture.cfe_layers
    if image is None:
        image = spread_layers(architecture.cfe_pairs, clip.num_layers)
    if list(image) != sorted(set(image)) or any(not 0 <= layer < clip.num_layers for layer in image):
        raise InvalidInputError(
            f"cfe_layers={list(image)} was given; layers from 0 to {clip.num_layers - 1}, each once and in order, are "
            f"accepted for {clip.name!r}."
        )
    return tuple((layer, text_layer(layer, clip.num_layers, clip.text_layers)) for layer in image)


def early_layers(architecture: Architecture, clip: VitClip, pairs: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    """Return the early layers of the image tower that the decoder reads.

    Args:
        architecture: The settings.
        clip: The tower.
        pairs: Image layer and text layer of each adapter pair.

    Returns:
        Layers in ascending order.

    Raises:
        InvalidInputError: A layer lies after the first adapter, or the layers are not in ascending order.
    """
    first = pairs[0][0] if pairs else clip.num_layers - 1
    early = architecture.decoder_layers
    if early is None:
        early = (0, (first + 1) // 2) if first else (0,)
    if not early or list(early) != sorted(set(early)) or any(not 0 <= layer <= first for layer in early):
        raise InvalidInputError(
            f"decoder_layers={list(early)} was given; layers from 0 to {first}, the first adapter's, each once and in "
            "order, are accepted."
        )
    return tuple(early)
