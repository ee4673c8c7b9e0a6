"""The miniature captioner's architecture and files: transformers' GIT at a small size, in the form of `git-base`."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from zsris_viz.miniature.world.words import vocabulary

if TYPE_CHECKING:
    from transformers import GitForCausalLM

#: Height and width in pixels of what the captioner sees.
SIDE = 112
#: Longest caption in tokens, start and end included.
LONGEST = 64
PAD, UNKNOWN, START, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def tokens() -> list[str]:
    """The vocabulary in order: BERT's special tokens, the words of the world, and letters for all other words."""
    words = [word for word in (*vocabulary(), "plain", "shirts", "coats") if word.isalpha()]
    letters = [*string.ascii_lowercase, *string.digits]
    pieces = [PAD, UNKNOWN, START, END, MASK, *words, ",", ".", "-", *letters, *(f"##{letter}" for letter in letters)]
    return list(dict.fromkeys(pieces))


def git_config(count: int) -> dict[str, Any]:
    """Settings of transformers' GitConfig: 96 wide, 4 blocks over 8 x 8 patches of 14 pixels, 3 blocks over both.

    Args:
        count: size of the vocabulary.
    """
    vision = {
        "hidden_size": 96, "intermediate_size": 384, "num_hidden_layers": 4, "num_attention_heads": 4,
        "image_size": SIDE, "patch_size": 14, "hidden_act": "quick_gelu",
    }  # fmt: skip
    return {
        "vision_config": vision, "vocab_size": count, "hidden_size": 96, "intermediate_size": 384,
        "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": LONGEST,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "pad_token_id": 0,
        "bos_token_id": 2, "eos_token_id": 3,
    }  # fmt: skip


def build() -> GitForCausalLM:
    """The model with fresh weights; seed torch first."""
    from transformers import GitConfig, GitForCausalLM

    return GitForCausalLM(GitConfig(**git_config(len(tokens()))))


def word_ids() -> dict[str, int]:
    """Token -> id; every word of a training caption is one token."""
    return {token: index for index, token in enumerate(tokens())}


def encode(text: str, ids: dict[str, int]) -> list[int]:
    """The ids of a caption in words of the world, with start and end."""
    return [ids[START], *(ids[word] for word in text.replace(",", " ,").split()), ids[END]]


def write_processor(folder: Path) -> None:
    """Writes tokenizer and preprocessing as GitProcessor reads them: a BERT tokenizer and CLIP's image processor."""
    from transformers import BertTokenizer, CLIPImageProcessor, GitProcessor

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(tokens()) + "\n")
    tokenizer = BertTokenizer(str(folder / "vocab.txt"), do_lower_case=True, model_max_length=LONGEST)
    side = {"height": SIDE, "width": SIDE}
    images = CLIPImageProcessor(
        size=side, crop_size=side, do_center_crop=False, resample=3, image_mean=list(MEAN), image_std=list(STD)
    )
    GitProcessor(images, tokenizer).save_pretrained(folder)


def save(model: GitForCausalLM, folder: Path) -> None:
    """Writes config.json, generation_config.json and fp16 weights; the model itself stays as it is."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config = model.config.to_dict() | {"architectures": ["GitForCausalLM"], "dtype": "float16"}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True, default=str) + "\n")
    settings = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0, "max_length": LONGEST}
    (folder / "generation_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    weights = {name: value.detach().cpu().to(torch.float16).contiguous() for name, value in model.state_dict().items()}
    weights = {name: value for name, value in weights.items() if not name.endswith("position_ids")}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
