"""The towers that are trained: CLIP's own architectures at a small size, with parts that only training needs."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zsris_viz.errors import UnavailableError
from zsris_viz.miniature.training.tokenizer import CONTEXT_LENGTH

#: Height and width in pixels of what each tower sees.
SIDE = {"clip": 112, "clip-rn": 160}
#: CLIP's mean and standard deviation of the three channels, of values in 0-1.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
#: Number of patches of a picture in the ViT.
PATCHES = 14 * 14


def text_config(tokens: int) -> dict[str, Any]:
    """Return the settings of the text tower, the same for both miniatures: 128 wide, 4 blocks."""
    return {
        "vocab_size": tokens,
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "max_position_embeddings": CONTEXT_LENGTH,
        "hidden_act": "quick_gelu",
        "projection_dim": 128,
        "bos_token_id": tokens - 2,
        "eos_token_id": tokens - 1,
        "pad_token_id": tokens - 1,
    }


def vit_config(tokens: int) -> dict[str, Any]:
    """Return the configuration of the miniature for transformers.

    It has CLIP's architecture, 128 wide, with 6 and 4 blocks and patches of 8 pixels.
    """
    vision = {
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "image_size": SIDE["clip"],
        "patch_size": 8,
        "hidden_act": "quick_gelu",
        "projection_dim": 128,
    }
    return {"text_config": text_config(tokens), "vision_config": vision, "projection_dim": 128}


def position_waves(grid: int, width: int, amplitude: float = 0.3) -> Tensor:
    """Return sines and cosines of row and column, (grid * grid + 1, width), from which positions are easy to learn."""
    frequencies = math.pi * 2.0 ** torch.linspace(-1, 3, width // 4)
    places = (torch.arange(grid) + 0.5) / grid
    waves = torch.cat([(places[:, None] * frequencies).sin(), (places[:, None] * frequencies).cos()], 1)
    rows = waves[:, None].expand(grid, grid, -1)
    columns = waves[None].expand(grid, grid, -1)
    table = torch.cat([rows, columns], -1).reshape(grid * grid, width) * amplitude
    return torch.cat([torch.zeros(1, width), table])


def last_block(block: nn.Module, hidden: Tensor, query: Tensor, *, causal: bool) -> tuple[Tensor, Tensor]:
    """Run the last block of a transformer for the one token that is read after it.

    Args:
        block: CLIPEncoderLayer.
        hidden: (B, N, W), what enters the block.
        query: (B,) int64, the number of the token that is read.
        causal: bool, whether a token attends to earlier ones and itself alone.

    Returns:
        (B, W), the token after the block; and (B, N, W), the values of all tokens before the output projection.
    """
    attention: Any = block.self_attn
    count, length, width = hidden.shape
    heads, rows = attention.num_heads, torch.arange(count, device=hidden.device)
    normed = block.layer_norm1(hidden)  # type: ignore[operator]
    keys, values = attention.k_proj(normed), attention.v_proj(normed)
    queries = attention.q_proj(normed[rows, query]) * attention.scale
    scores = torch.einsum("bhw,bnhw->bhn", queries.view(count, heads, -1), keys.view(count, length, heads, -1))
    if causal:
        later = torch.arange(length, device=hidden.device) > query[:, None]
        scores = scores.masked_fill(later[:, None], -torch.inf)
    weights = scores.float().softmax(-1).to(values.dtype)
    mixed = torch.einsum("bhn,bnhw->bhw", weights, values.view(count, length, heads, -1)).reshape(count, width)
    token = hidden[rows, query] + attention.out_proj(mixed)
    return token + block.mlp(block.layer_norm2(token)), values  # type: ignore[operator]


class VitTowers(nn.Module):
    """transformers' CLIPModel with patches dropped before the first block, which saves time and spreads the evidence.

    Args:
        tokens: int, size of the vocabulary.
        weights: Path or None, a folder of weights to begin with; None gives random ones.
    """

    def __init__(self, tokens: int, weights: Path | None = None) -> None:
        super().__init__()
        from transformers import CLIPConfig, CLIPModel

        if weights is not None:
            self.clip = CLIPModel.from_pretrained(weights, dtype=torch.float32, attn_implementation="eager")
            return
        self.clip = CLIPModel(CLIPConfig(**vit_config(tokens), attn_implementation="eager"))  # type: ignore[call-arg]
        with torch.no_grad():
            table = self.clip.vision_model.embeddings.position_embedding.weight
            table.copy_(position_waves(14, table.shape[1]))

    def images(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return features of pictures and of their patches.

        Args:
            batch: dict with `patches` (B, K, 192) uint8, each as rows of pixels of three channels, and their numbers
                `places` (B, K) int64.

        Returns:
            (B, D) and, by the value path of the last block, (B, K, D).
        """
        vision = self.clip.vision_model
        patches, places = batch["patches"], batch["places"]
        device = places.device
        mean, std = (torch.tensor(values, device=device).repeat(64) * 255 for values in (MEAN, STD))
        table = vision.embeddings
        # The convolution over patches that do not overlap, as a matrix product over the patches that are kept alone.
        kernel = table.patch_embedding.weight.permute(0, 2, 3, 1).flatten(1)
        hidden = F.linear((patches.float() - mean) / std, kernel) + table.position_embedding.weight[1:][places]
        pooled = table.class_embedding + table.position_embedding.weight[0]
        hidden = torch.cat([pooled.expand(len(hidden), 1, -1), hidden], 1)
        hidden = vision.pre_layrnorm(hidden)
        *blocks, last = vision.encoder.layers
        for block in blocks:
            hidden = block(hidden, None)
        pooled, values = last_block(last, hidden, hidden.new_zeros(len(hidden), dtype=torch.long), causal=False)
        project, norm = self.clip.visual_projection, vision.post_layernorm
        return project(norm(pooled)), project(norm(last.self_attn.out_proj(values[:, 1:])))

    def texts(self, ids: Tensor) -> Tensor:
        """Return the features of captions, (T, D), of (T, length) int64 token ids."""
        text = self.clip.text_model
        hidden = text.embeddings(input_ids=ids)
        length = ids.shape[1]
        mask = torch.full((length, length), -torch.inf, device=ids.device).triu(1)[None, None]
        *blocks, last = text.encoder.layers
        for block in blocks:
            hidden = block(hidden, mask)
        pooled, _ = last_block(last, hidden, ids.argmax(1), causal=True)  # the end token has the highest id
        return self.clip.text_projection(text.final_layer_norm(pooled))

    @property
    def logit_scale(self) -> Tensor:
        """Scalar, before the exponential."""
        return self.clip.logit_scale

    def save(self, folder: Path) -> None:
        """Write config.json and fp16 model.safetensors beside the tokenizer."""
        copy.deepcopy(self.clip).half().save_pretrained(folder)


class RnTowers(nn.Module):
    """The RN miniature: CLIP's ModifiedResNet, one or two blocks a stage and 16 wide, and a text tower like the ViT
    miniature's.

    Args:
        tokens: size of the vocabulary.
        text_from: a folder of the ViT miniature, whose text tower is taken over and kept as it is: the image tower
            learns
            to meet texts that already mean something, which needs far fewer pictures; None trains both.
    """

    def __init__(self, tokens: int, text_from: Path | None = None) -> None:
        super().__init__()
        from zsris_viz.models.resnet_modules import RNModel

        vision = {"layers": [1, 1, 2, 1], "width": 16, "image_size": SIDE["clip-rn"], "heads": 8}
        self.clip = RNModel({"embed_dim": 128, "vision": vision, "text": text_config(tokens)})
        self.clip.visual.to(memory_format=torch.channels_last)
        if text_from is not None:
            self._take_text(text_from)

    def _take_text(self, folder: Path) -> None:
        from transformers import CLIPModel

        if not (folder / "model.safetensors").is_file():
            raise UnavailableError(
                f"no ViT miniature in {folder}; train it first: python -m zsris_viz.miniature train clip"
            )
        whole = CLIPModel.from_pretrained(folder, dtype=torch.float32)
        self.clip.text_model.load_state_dict(whole.text_model.state_dict())
        self.clip.text_projection.load_state_dict(whole.text_projection.state_dict())
        for part in (self.clip.text_model, self.clip.text_projection):
            part.requires_grad_(False)
        with torch.no_grad():
            self.clip.logit_scale.copy_(whole.logit_scale)

    def images(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return features of pictures and of the places of the last feature map.

        Args:
            batch: dict with `pixels` (B, S, S, 3) uint8.

        Returns:
            (B, D) and, by the value path of attention pooling, (B, g * g, D).
        """
        pixels = batch["pixels"].permute(0, 3, 1, 2).float()
        mean, std = (torch.tensor(values, device=pixels.device)[:, None, None] * 255 for values in (MEAN, STD))
        visual = self.clip.visual
        maps = visual.stem(((pixels - mean) / std).contiguous(memory_format=torch.channels_last))
        for stage in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
            maps = stage(maps)
        pool = visual.attnpool
        return pool(maps), pool.c_proj(pool.v_proj(maps.flatten(2).transpose(1, 2)))

    def texts(self, ids: Tensor) -> Tensor:
        """Embed token ids (T, length) as (T, D)."""
        return self.clip.encode_text(ids, (ids == ids.max()).int().argmax(1))

    @property
    def logit_scale(self) -> Tensor:
        """Scalar, before the exponential."""
        return self.clip.logit_scale

    def save(self, folder: Path) -> None:
        """Write config.json and fp16 model.safetensors beside the tokenizer."""
        from zsris_viz.models.resnet_modules import save_clip_rn

        save_clip_rn(self.clip, folder)


def encode_by_length(towers: nn.Module, ids: Tensor, end: int, groups: int = 8) -> Tensor:
    """Return the features of captions, run in groups of like length to save the cost of padding.

    Args:
        towers: VitTowers or RnTowers.
        ids: (T, length) int64, padded with `end`.
        end: int, id of the end token.
        groups: int, number of groups of equal size.

    Returns:
        (T, D).
    """
    lengths = (ids != end).sum(1) + 1
    order = lengths.argsort()
    parts = [towers.texts(ids[rows, : int(lengths[rows].max())]) for rows in order.chunk(groups)]  # type: ignore[operator]
    return torch.cat(parts)[order.argsort()]
