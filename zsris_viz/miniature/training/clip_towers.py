"""The towers that are trained: CLIP's own architectures at a small size, with what only training needs."""

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


def text_config(tokens: int) -> dict[str, Any]:
    """Settings of the text tower, the same for both miniatures: 128 wide, 4 blocks."""
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
    """The transformers configuration of the miniature: CLIP's architecture, 128 wide, 6 and 4 blocks, patches of 8
    pixels."""
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
    """Sines and cosines of row and column, (grid * grid + 1, width); a start from which position is easy to learn."""
    frequencies = math.pi * 2.0 ** torch.linspace(-1, 3, width // 4)
    places = (torch.arange(grid) + 0.5) / grid
    waves = torch.cat([(places[:, None] * frequencies).sin(), (places[:, None] * frequencies).cos()], 1)
    rows = waves[:, None].expand(grid, grid, -1)
    columns = waves[None].expand(grid, grid, -1)
    table = torch.cat([rows, columns], -1).reshape(grid * grid, width) * amplitude
    return torch.cat([torch.zeros(1, width), table])


def busy_patches(pixels: Tensor, keep: int, patch: int = 8) -> Tensor:
    """Which patches to keep: drawn without repeats, those with more contrast more often.

    Empty ground is most of a picture and teaches least, so this costs less than dropping patches evenly. It looks at
    the
    pixels alone.

    Args:
        pixels: (B, 3, S, S).
        keep: how many patches stay.

    Returns:
        (B, keep) int64 indices of patches, in the order of the grid's rows.
    """
    grey = pixels.mean(1, keepdim=True)
    mean, square = F.avg_pool2d(grey, patch), F.avg_pool2d(grey * grey, patch)
    contrast = (square - mean * mean).clamp(min=0).sqrt().flatten(1) + 0.08
    # Gumbel noise on log weights and the largest few: a weighted draw without replacement.
    noise = -torch.log(-torch.log(torch.rand_like(contrast).clamp(1e-6, 1 - 1e-6)))
    uneven = (torch.rand(len(pixels), 1, device=pixels.device) < 0.5).float()
    return (uneven * contrast.log() + noise).topk(keep, dim=1).indices


class VitTowers(nn.Module):
    """transformers' CLIPModel with patches dropped before the first block, which saves time and spreads the
    evidence."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        from transformers import CLIPConfig, CLIPModel

        self.clip = CLIPModel(CLIPConfig(**vit_config(tokens), attn_implementation="eager"))  # type: ignore[call-arg]
        with torch.no_grad():
            table = self.clip.vision_model.embeddings.position_embedding.weight
            table.copy_(position_waves(14, table.shape[1]))

    def images(self, pixels: Tensor, keep: float) -> tuple[Tensor, Tensor]:
        """Features of pictures and of their patches.

        Args:
            pixels: (B, 3, S, S).
            keep: share of the patches that go through the blocks.

        Returns:
            (B, D) and, by the value path of the last block, (B, kept patches, D).
        """
        vision = self.clip.vision_model
        hidden = vision.embeddings(pixels)
        if keep < 1:
            count, patches = len(hidden), hidden.shape[1] - 1
            order = busy_patches(pixels, round(patches * keep)) + 1
            order = torch.cat([order.new_zeros(count, 1), order], 1)
            hidden = hidden.gather(1, order[..., None].expand(-1, -1, hidden.shape[2]))
        hidden = vision.pre_layrnorm(hidden)
        last = vision.encoder.layers[-1]
        for block in vision.encoder.layers:
            if block is last:
                attention = block.self_attn
                values = attention.out_proj(attention.v_proj(block.layer_norm1(hidden[:, 1:])))
            result = block(hidden, None)
            hidden = result[0] if isinstance(result, tuple) else result
        project, norm = self.clip.visual_projection, vision.post_layernorm
        return project(norm(hidden[:, 0])), project(norm(values))

    def texts(self, ids: Tensor) -> Tensor:
        """(T, length) token ids -> (T, D)."""
        return self.clip.get_text_features(input_ids=ids).pooler_output

    @property
    def logit_scale(self) -> Tensor:
        """Scalar, before the exponential."""
        return self.clip.logit_scale

    def save(self, folder: Path) -> None:
        """Writes config.json and fp16 model.safetensors beside the tokenizer."""
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

    def images(self, pixels: Tensor, keep: float) -> tuple[Tensor, Tensor]:
        """Features of pictures and of the places of the last map; a ResNet sees every pixel, whatever `keep` says.

        Returns:
            (B, D) and, by the value path of attention pooling, (B, g * g, D).
        """
        visual = self.clip.visual
        maps = visual.stem(pixels.contiguous(memory_format=torch.channels_last))
        for stage in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
            maps = stage(maps)
        pool = visual.attnpool
        return pool(maps), pool.c_proj(pool.v_proj(maps.flatten(2).transpose(1, 2)))

    def texts(self, ids: Tensor) -> Tensor:
        """(T, length) token ids -> (T, D)."""
        return self.clip.encode_text(ids, (ids == ids.max()).int().argmax(1))

    @property
    def logit_scale(self) -> Tensor:
        """Scalar, before the exponential."""
        return self.clip.logit_scale

    def save(self, folder: Path) -> None:
        """Writes config.json and fp16 model.safetensors beside the tokenizer."""
        from zsris_viz.models.resnet_modules import save_clip_rn

        save_clip_rn(self.clip, folder)
