"""A small ALBEF with random weights in a file of its authors' layout, made of timm's ViT and transformers' BERT."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from tests.captioning.tiny_models import SPECIAL, WORDS, bert_tokenizer

WIDTH, DIM, SIDE = 128, 16, 48  # two heads of 64 channels; 3 x 3 patches of 16 pixels
FUSION = 2  # layers of text alone, of 4


class Authors(nn.Module):
    """The modules of ALBEF's code by their names there, a small one with random weights."""

    def __init__(self, vocabulary: int) -> None:
        from transformers import BertConfig, BertModel

        super().__init__()
        sizes: dict[str, Any] = {"vocab_size": vocabulary, "hidden_size": WIDTH, "intermediate_size": 96,
                                 "num_attention_heads": 2, "max_position_embeddings": 40}  # fmt: skip
        self.visual_encoder = VisionTransformer(
            img_size=SIDE, patch_size=16, embed_dim=WIDTH, depth=2, num_heads=2, num_classes=0, global_pool=""
        )
        self.text_encoder = BertModel(BertConfig(num_hidden_layers=FUSION, **sizes), add_pooling_layer=False)
        self.vision_proj, self.text_proj = nn.Linear(WIDTH, DIM), nn.Linear(WIDTH, DIM)
        self.temp = nn.Parameter(torch.tensor(0.07))
        self.itm_head = nn.Linear(WIDTH, 2)
        for weight in self.parameters():
            nn.init.normal_(weight, std=0.2)

    @torch.no_grad()
    def similarity(self, pixels: Tensor, ids: list[list[int]]) -> Tensor:
        """(B, T) cosines, a text at a time and so without padding."""
        images = F.normalize(self.vision_proj(self.visual_encoder.forward_features(pixels)[:, 0]), dim=-1)
        hidden = [self.text_encoder(torch.tensor([row])).last_hidden_state[:, 0] for row in ids]
        return images @ F.normalize(self.text_proj(torch.cat(hidden)), dim=-1).T

    def checkpoint(self, pretrained: bool) -> dict[str, Any]:
        """What torch.save got: momentum copies, queues, fusion layers, optimizer and settings beside the model."""
        state = dict(self.state_dict())
        for name in [name for name in state if name.startswith("text_encoder.encoder.layer.1.")]:
            for layer in range(FUSION, 4):
                state[name.replace("layer.1.", f"layer.{layer}.")] = state[name].clone()
                cross = name.replace("layer.1.attention", f"layer.{layer}.crossattention")
                state[cross.replace("layer.1.", f"layer.{layer}.")] = state[name].clone()
        state["text_encoder.embeddings.position_ids"] = torch.arange(40)[None]
        if pretrained:
            state = {re.sub(r"^text_encoder\.", "text_encoder.bert.", name): state[name] for name in state}
            state["text_encoder.cls.predictions.bias"] = torch.zeros(9)
        for name in list(state):
            tower, _, rest = name.partition(".")
            if tower.endswith(("encoder", "proj")):
                state[f"{tower}_m.{rest}"] = torch.randn_like(state[name].float())
        state |= {"image_queue": torch.randn(DIM, 8), "queue_ptr": torch.zeros(1, dtype=torch.long)}
        return {"model": state, "optimizer": {"state": {}}, "config": {"image_res": SIDE}, "epoch": 29}


def vocabulary() -> list[str]:
    letters = [chr(97 + place) for place in range(26)]
    return list(dict.fromkeys([*SPECIAL, *WORDS, *letters, *(f"##{letter}" for letter in letters)]))


def albef_file(folder: Path, authors: Authors | None = None, *, pretrained: bool = True) -> Path:
    """Write ALBEF.pth, with BERT's vocabulary beside it."""
    bert_tokenizer(folder)
    torch.save((authors or Authors(len(vocabulary()))).checkpoint(pretrained), folder / "ALBEF.pth")
    return folder / "ALBEF.pth"
