"""The miniature captioner's architecture and files: transformers' GIT at a small size, in the form of `git-base`."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from zsris_viz.errors import InvalidInputError
from zsris_viz.miniature.training.clip_towers import MEAN, STD, vit_config
from zsris_viz.miniature.world.words import vocabulary

if TYPE_CHECKING:
    from transformers import GitForCausalLM

#: Height and width in pixels of what the captioner sees.
SIDE = 112
#: Longest caption in tokens, start and end included.
LONGEST = 64
PAD, UNKNOWN, START, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"


def tokens() -> list[str]:
    """Return the vocabulary: BERT's special tokens, the words of the world, and letters for all other words."""
    words = [word for word in (*vocabulary(), "plain", "shirts", "coats") if word.isalpha()]
    letters = [*string.ascii_lowercase, *string.digits]
    pieces = [PAD, UNKNOWN, START, END, MASK, *words, ",", ".", "-", *letters, *(f"##{letter}" for letter in letters)]
    return list(dict.fromkeys(pieces))


def git_config(count: int) -> dict[str, Any]:
    """Return the settings of transformers' GitConfig: CLIP's image encoder, and 3 blocks, 96 wide, over both.

    Args:
        count: int, size of the vocabulary.
    """
    return {
        "vision_config": vit_config(count)["vision_config"], "vocab_size": count, "hidden_size": 96,
        "intermediate_size": 384, "num_hidden_layers": 3, "num_attention_heads": 4,
        "max_position_embeddings": LONGEST, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
        "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3,
    }  # fmt: skip


def build(encoder_from: Path | None = None) -> GitForCausalLM:
    """Return a model with fresh weights; seed torch first.

    Args:
        encoder_from: Path or None, a folder of the built-in CLIP, whose vision tower becomes the image encoder, as
            GIT's image encoder is that of a contrastive model. None leaves it random.

    Raises:
        InvalidInputError: the tower is of another size.
    """
    from transformers import CLIPVisionModel, GitConfig, GitForCausalLM

    model = GitForCausalLM(GitConfig(**git_config(len(tokens()))))
    if encoder_from is not None:
        tower = CLIPVisionModel.from_pretrained(encoder_from, dtype=torch.float32)
        own = model.git.image_encoder.state_dict()
        weights = {name.replace("vision_model.", ""): value for name, value in tower.state_dict().items()}
        renamed = {name: weights.get(name.replace("vision_model.", "")) for name in own}
        if any(value is None or value.shape != own[name].shape for name, value in renamed.items()):
            raise InvalidInputError(
                f"the vision tower in {encoder_from} has not the size of the captioner's image encoder; "
                "give a folder that `python -m zsris_viz.miniature train clip` wrote."
            )
        model.git.image_encoder.load_state_dict(renamed)
    return model


def word_ids() -> dict[str, int]:
    """Token -> id; every word of a training caption is one token."""
    return {token: index for index, token in enumerate(tokens())}


def encode(text: str, ids: dict[str, int]) -> list[int]:
    """Return the ids of a caption in words of the world, with start and end."""
    return [ids[START], *(ids[word] for word in text.replace(",", " ,").split()), ids[END]]


def write_processor(folder: Path) -> None:
    """Write tokenizer and preprocessing as GitProcessor reads them: a BERT tokenizer and CLIP's image processor."""
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
    """Write config.json, generation_config.json and fp16 weights; the model itself stays unchanged."""
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
