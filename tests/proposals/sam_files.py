"""Tiny and full-size random SAMs in segment-anything's file format, for tests."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch


def random_sam(seed: int = 0, **sizes: Any) -> Any:
    """A Sam of segment-anything with every parameter random: by default 2 blocks, 16 wide, on 64 pixels."""
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    size = {"width": 16, "depth": 2, "heads": 2, "side": 64, "patch": 8, "window": 4, "whole": (1,), "inside": 16}
    size |= {"mlp": 32, "downsample": 1} | sizes
    grid = size["side"] // size["patch"]
    torch.manual_seed(seed)
    sam = Sam(
        image_encoder=ImageEncoderViT(
            img_size=size["side"],
            patch_size=size["patch"],
            embed_dim=size["width"],
            depth=size["depth"],
            num_heads=size["heads"],
            out_chans=size["inside"],
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=size["window"],
            global_attn_indexes=size["whole"],
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=size["inside"],
            image_embedding_size=(grid, grid),
            input_image_size=(size["side"], size["side"]),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            transformer=TwoWayTransformer(
                depth=2,
                embedding_dim=size["inside"],
                num_heads=8,
                mlp_dim=size["mlp"],
                attention_downsample_rate=size["downsample"],
            ),
            transformer_dim=size["inside"],
            iou_head_hidden_dim=size["inside"],
        ),
    )
    with torch.no_grad():
        for name, value in sam.named_parameters():
            if "pos" in name:
                value.normal_(0, 0.3)
    return sam.eval()


def saved_sam(folder: Path, name: str = "tiny.pth", **sizes: Any) -> Path:
    """The file of a random SAM, as the authors publish theirs: a pickled state dict."""
    path = folder / name
    torch.save(random_sam(**sizes).state_dict(), path)
    return path
