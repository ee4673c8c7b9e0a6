"""One step at the published shapes: ViT-B/16 and ViT-L/14 at 480 pixels, by configuration alone."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
import torch

from zsris_viz.methods.risclip import Architecture, RisClipModel, load_model, save_model, tower_hash
from zsris_viz.methods.risclip.losses import mask_loss
from zsris_viz.models.preprocessing import get_preprocess
from zsris_viz.models.tokenizer import ClipTokenizer
from zsris_viz.models.vit import VitClip

SHAPES = {
    "ViT-B/16": ({"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "patch_size": 16}, 512),
    "ViT-L/14": ({"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "patch_size": 14}, 768),
}
TEXT_HEADS = {"ViT-B/16": 8, "ViT-L/14": 12}
GIB = 2**30


def full_size_clip(name: str) -> VitClip:
    """A tower of a published shape with small random weights, made without a second copy in memory."""
    from transformers import CLIPConfig, CLIPModel

    vision, dim = SHAPES[name]
    text = {"hidden_size": dim, "num_hidden_layers": 12, "num_attention_heads": TEXT_HEADS[name], "vocab_size": 49408}
    config = CLIPConfig(
        vision_config=vision | {"intermediate_size": 4 * vision["hidden_size"], "image_size": 224},
        text_config=text | {"intermediate_size": 4 * dim, "bos_token_id": 49406, "eos_token_id": 49407},
        projection_dim=dim,
        attn_implementation="eager",
    )
    with torch.device("meta"):
        model = CLIPModel(config)
    model = model.to_empty(device="cpu").eval().requires_grad_(False)
    for part in (model.vision_model.embeddings, model.text_model.embeddings):
        part.position_ids.copy_(torch.arange(part.position_embedding.num_embeddings))
    generator = torch.Generator().manual_seed(0)
    for key, value in model.state_dict().items():
        if "norm" in key or "layrnorm" in key:
            value.fill_(1.0 if key.endswith("weight") else 0.0)
        elif value.is_floating_point() and value.ndim:
            value.normal_(0, 0.02, generator=generator)
    model.logit_scale.fill_(2.6592)
    where: Any = torch.device("cpu")
    return VitClip(
        model, attention="sdpa", name=name, device=where, dtype=torch.float32,
        preprocess=get_preprocess("clip", 224), tokenizer=ClipTokenizer.openai(),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SHAPES))
def test_one_step_at_480_pixels(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    clip = full_size_clip(name)
    before = tower_hash(clip, exact=True)
    model = RisClipModel(clip, Architecture(input_size=480, cfe_pairs=6, cfe_width=64, checkpoint_blocks=True))
    side = {"ViT-B/16": 480, "ViT-L/14": 476}[name]  # whole patches
    assert model.input_size == side and model.count() < 0.05 * sum(value.numel() for value in clip.model.parameters())
    # A small step on one fixed picture: whatever the random weights are, it goes down the gradient.
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    generator = torch.Generator().manual_seed(1)
    picture = torch.randn(1, 3, side, side, generator=generator)
    tokens = clip.tokenize(["the small cat left of the bus"])
    mask = torch.zeros(1, side, side)
    mask[:, : side // 2, : side // 3] = 1
    losses = []
    for _ in range(2):
        found = model(picture, torch.zeros(1, dtype=torch.long), tokens.ids, tokens.end)
        cells = model.grid[0] * 8
        assert found.map.shape == (1, model.grid[0] ** 2) and found.logits.shape == (1, cells, cells)
        enlarged = torch.nn.functional.interpolate(found.logits[:, None], size=(side, side), mode="bilinear")[:, 0]
        loss, _ = mask_loss(enlarged, mask)
        loss.backward()
        losses.append(float(loss.detach()))
        # From the second step on no up-projection is zero any more, so that every part is reached.
        reached = [value.grad is not None and bool(value.grad.abs().sum() > 0) for value in model.parameters()]
        optimizer.step()
        optimizer.zero_grad()
    assert all(reached) and losses[1] < losses[0]
    assert tower_hash(clip, exact=True) == before
    again = load_model(save_model(tmp_path / "model.safetensors", model, dtype=torch.float16), clip)
    assert again.architecture == model.architecture
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert peak < {"ViT-B/16": 3, "ViT-L/14": 4}[name] * GIB, f"{peak / GIB:.1f} GiB"
