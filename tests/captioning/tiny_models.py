"""Small random models saved in exactly the form of the published checkpoints, processor files included."""

from __future__ import annotations

import json
import string
from pathlib import Path

import torch

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["a", "cat", "dog", "bus", "red", "the", "left", "of", "photo", "on", "and", "in"]


def bert_tokenizer(folder: Path):
    """A BERT tokenizer with a handful of words, and letters for all others."""
    from transformers import BertTokenizer

    letters = list(string.ascii_lowercase)
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = list(dict.fromkeys([*SPECIAL, *WORDS, *letters, *(f"##{letter}" for letter in letters)]))
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    return BertTokenizer(str(folder / "vocab.txt"), do_lower_case=True), len(vocabulary)


def gpt2_tokenizer(folder: Path):
    """OPT's kind of tokenizer: bytes, a few merges, "</s>" before and after."""
    from transformers import GPT2Tokenizer

    from zsris_viz.models.tokenizer import byte_letters

    folder.mkdir(parents=True, exist_ok=True)
    letters = [letter for _, letter in sorted(byte_letters().items())]
    merges = [("c", "a"), ("ca", "t"), ("Ġ", "cat")]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *letters, *("".join(pair) for pair in merges)]
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    tokenizer = GPT2Tokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), bos_token="</s>", eos_token="</s>", unk_token="</s>",
        pad_token="<pad>", add_bos_token=True,
    )  # fmt: skip
    return tokenizer, len(tokens)


def _shaken(model: torch.nn.Module, seed: int, scale: float = 0.25) -> torch.nn.Module:
    """The same weights for the same seed, large enough that different pictures give different captions."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator) * scale
            is_norm = weight.ndim == 1 and name.endswith("weight")
            weight.copy_(1 + noise if is_norm else noise)
    return model.eval()


def git_folder(folder: Path, seed: int = 0) -> Path:
    """As microsoft/git-base: GitForCausalLM, CLIP's image processor, BERT's tokenizer."""
    from transformers import CLIPImageProcessor, GitConfig, GitForCausalLM, GitProcessor

    tokenizer, count = bert_tokenizer(folder)
    vision = {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
        "image_size": 32, "patch_size": 16,
    }  # fmt: skip
    config = GitConfig(
        vision_config=vision, vocab_size=count, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=24, bos_token_id=2, eos_token_id=3, pad_token_id=0,
    )  # fmt: skip
    _shaken(GitForCausalLM(config), seed).save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    GitProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def blip2_folder(folder: Path, seed: int = 0, *, old: bool = False) -> Path:
    """As Salesforce/blip2-opt-2.7b: vision, Q-former, OPT, BLIP's image processor; `old`: as it was first published,
    without a token for the image."""
    from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2Processor, BlipImageProcessor, OPTConfig

    tokenizer, count = gpt2_tokenizer(folder)
    processor = Blip2Processor(
        BlipImageProcessor(size={"height": 28, "width": 28}), tokenizer, num_query_tokens=None if old else 3
    )
    config = Blip2Config(
        vision_config={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": 28, "patch_size": 14,
        },
        qformer_config={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
            "vocab_size": 50, "max_position_embeddings": 40,
        },
        text_config=OPTConfig(
            vocab_size=count + 1, hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=2,
            word_embed_proj_dim=32, max_position_embeddings=64,
        ).to_dict(),
        num_query_tokens=3, image_token_index=None if old else count,
    )  # fmt: skip
    _shaken(Blip2ForConditionalGeneration(config), seed).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def blip_folder(folder: Path, seed: int = 0) -> Path:
    """As Salesforce/blip-image-captioning-base."""
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipProcessor

    tokenizer, count = bert_tokenizer(folder)
    config = BlipConfig(
        vision_config={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": 32, "patch_size": 16,
        },
        text_config={
            "vocab_size": count, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": 40, "encoder_hidden_size": 32,
            "bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0,
        },
        image_text_hidden_size=16,
    )  # fmt: skip
    _shaken(BlipForConditionalGeneration(config), seed).save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)
    return folder


def blip_itc_folder(folder: Path, seed: int = 0) -> Path:
    """As Salesforce/blip-itm-base-coco."""
    from transformers import BlipConfig, BlipForImageTextRetrieval, BlipImageProcessor, BlipProcessor

    tokenizer, count = bert_tokenizer(folder)
    config = BlipConfig(
        vision_config={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": 32, "patch_size": 16,
        },
        text_config={
            "vocab_size": count, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": 40, "encoder_hidden_size": 32,
        },
        image_text_hidden_size=16,
    )  # fmt: skip
    _shaken(BlipForImageTextRetrieval(config), seed).save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)
    return folder


def blip2_itc_folder(folder: Path, seed: int = 0) -> Path:
    """As Salesforce/blip2-itm-vit-g."""
    from transformers import Blip2Config, Blip2ForImageTextRetrieval, Blip2Processor, BlipImageProcessor

    tokenizer, count = bert_tokenizer(folder)
    config = Blip2Config(
        vision_config={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": 28, "patch_size": 14,
        },
        qformer_config={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
            "vocab_size": count, "max_position_embeddings": 40, "use_qformer_text_input": True,
        },
        num_query_tokens=3, image_text_hidden_size=16, image_token_index=None,
    )  # fmt: skip
    _shaken(Blip2ForImageTextRetrieval(config), seed).save_pretrained(folder)
    processor = Blip2Processor(BlipImageProcessor(size={"height": 28, "width": 28}), tokenizer, num_query_tokens=3)
    processor.save_pretrained(folder)
    return folder
