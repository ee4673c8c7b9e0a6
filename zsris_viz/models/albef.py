"""ALBEF (Li et al., NeurIPS 2021) with its contrastive head, from the checkpoint files that its authors publish."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.models.blip import BlipModel
from zsris_viz.models.checkpoints import check_finite
from zsris_viz.models.devices import resolve_device
from zsris_viz.models.preprocessing import Preprocess

BERT = "google-bert/bert-base-uncased"  # whose vocabulary the authors' code uses
VOCABULARY = "vocab.txt"
CONTEXT = 30  # tokens, as the authors evaluate retrieval
HEAD_WIDTH = 64  # channels of an attention head, in ViT-B and in BERT-base
_BLOCK = {
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "attn.qkv": "self_attn.qkv",
    "attn.proj": "self_attn.projection",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
_VISION = {
    "cls_token": "embeddings.class_embedding",
    "pos_embed": "embeddings.position_embedding",
    "patch_embed.proj.weight": "embeddings.patch_embedding.weight",
    "patch_embed.proj.bias": "embeddings.patch_embedding.bias",
    "norm.weight": "post_layernorm.weight",
    "norm.bias": "post_layernorm.bias",
}


class AlbefModules(nn.Module):
    """The image tower, the text layers before the fusion with the image, and the projections of the contrastive head.

    Args:
        state: Tensors of a checkpoint in the authors' layout. The momentum copies, the queues, the fusion layers and
            the heads of the other losses are left out.

    Attributes:
        vision_model: A ViT, built from the modules for BLIP in transformers; BLIP has the same image tower as ALBEF.
        text_encoder: The first layers of a BERT.
        vision_proj: Projection of the image's CLS token to the joint space.
        text_proj: Projection of the text's first token to the joint space.
        image_size: S, side of the input in pixels.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        from transformers import BertConfig, BertModel, BlipVisionConfig, BlipVisionModel

        super().__init__()
        vision, text = dict(_vision(state)), dict(_text(state))
        patches = vision["embeddings.patch_embedding.weight"]
        side = round((vision["embeddings.position_embedding"].shape[1] - 1) ** 0.5)
        self.image_size = side * patches.shape[2]
        words = text["embeddings.word_embeddings.weight"]
        self.vision_model = BlipVisionModel(
            BlipVisionConfig(
                hidden_size=patches.shape[0],
                intermediate_size=vision["encoder.layers.0.mlp.fc1.weight"].shape[0],
                num_hidden_layers=_layers(vision, "encoder.layers"),
                num_attention_heads=_heads(patches.shape[0]),
                image_size=self.image_size,
                patch_size=patches.shape[2],
                hidden_act="gelu",
                layer_norm_eps=1e-6,
            )
        )
        self.text_encoder = BertModel(
            BertConfig(
                vocab_size=words.shape[0],
                hidden_size=words.shape[1],
                intermediate_size=text["encoder.layer.0.intermediate.dense.weight"].shape[0],
                num_hidden_layers=_layers(text, "encoder.layer"),
                num_attention_heads=_heads(words.shape[1]),
                max_position_embeddings=text["embeddings.position_embeddings.weight"].shape[0],
                type_vocab_size=text["embeddings.token_type_embeddings.weight"].shape[0],
                layer_norm_eps=1e-12,
            ),
            add_pooling_layer=False,
        )
        self.vision_proj = nn.Linear(patches.shape[0], state["vision_proj.weight"].shape[0])
        self.text_proj = nn.Linear(words.shape[1], state["text_proj.weight"].shape[0])
        self.vision_model.load_state_dict(vision)
        self.text_encoder.load_state_dict(text)
        for name in ("vision_proj", "text_proj"):
            self.get_submodule(name).load_state_dict({end: state[f"{name}.{end}"] for end in ("weight", "bias")})


def is_albef_layout(state: Mapping[str, Any]) -> bool:
    """Return whether a state dict is that of an ALBEF with its contrastive head.

    Args:
        state: Tensors by name.
    """
    return {"visual_encoder.pos_embed", "vision_proj.weight", "text_proj.weight"} <= set(state)


def load_albef(
    state: Mapping[str, Tensor],
    *,
    name: str,
    vocabulary: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> BlipModel:
    """Build ALBEF with its contrastive head; `load_clip` with the path of a checkpoint does the same.

    As in the authors' code, texts are converted to lower case, their punctuation is removed, and no end token is
    appended.

    Args:
        state: Tensors of a checkpoint in the authors' layout, either pre-trained ("ALBEF.pth") or fine-tuned
            for retrieval ("mscoco.pth").
        name: Name in tables, or the path of the checkpoint.
        vocabulary: A folder with BERT's vocab.txt, or a Hugging Face id; by default the folder of the checkpoint if it
            has one, else "google-bert/bert-base-uncased".
        device: Name of a device; None for CUDA if present, else the CPU.
        dtype: Number format of the model.

    Raises:
        UnavailableError: If BERT's vocabulary is neither given nor available.
        CorruptFileError: If tensors are missing, have a wrong shape, or hold infinite or NaN values.
        InvalidInputError: If the vocabulary is larger than the model's.
    """
    where = resolve_device(device)
    try:
        model = AlbefModules(state)
    except (KeyError, IndexError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()[:200]
        raise CorruptFileError(f"{name} is not a complete ALBEF checkpoint ({reason}); fetch it again.") from error
    check_finite(model, name)
    tokenizer = _tokenizer(_vocabulary_file(vocabulary, name))
    if len(tokenizer) > model.text_encoder.config.vocab_size:
        raise InvalidInputError(
            f"the vocabulary has {len(tokenizer)} tokens and {name} {model.text_encoder.config.vocab_size}; give the "
            "vocabulary of bert-base-uncased."
        )
    return BlipModel(
        name,
        "albef",
        model.to(where, dtype).eval().requires_grad_(False),
        tokenizer,
        text_dim=model.text_proj.out_features,
        context_length=min(CONTEXT, model.text_encoder.config.max_position_embeddings),
        preprocess=Preprocess(size=model.image_size),
        activation="gelu",
        device=where,
        dtype=dtype,
    )


def _vision(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of the image tower under transformers' names for BLIP."""
    for key in state:
        if not key.startswith("visual_encoder."):
            continue
        name = key.removeprefix("visual_encoder.")
        if (block := re.fullmatch(r"blocks\.(\d+)\.(.+)\.(weight|bias)", name)) is not None:
            yield f"encoder.layers.{block[1]}.{_BLOCK[block[2]]}.{block[3]}", state[key]
        else:
            yield _VISION[name], state[key]


def _text(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of the text layers before the fusion; the later layers attend to the image."""
    names = {
        key.removeprefix("text_encoder.").removeprefix("bert."): key for key in state if key.startswith("text_encoder.")
    }
    fused = [int(found[1]) for name in names if (found := re.match(r"encoder\.layer\.(\d+)\.crossattention", name))]
    for name, key in names.items():
        layer = re.match(r"encoder\.layer\.(\d+)\.", name)
        below = layer is not None and (not fused or int(layer[1]) < min(fused))
        if below or (name.startswith("embeddings.") and name != "embeddings.position_ids"):
            yield name, state[key]


def _layers(tensors: Mapping[str, Tensor], prefix: str) -> int:
    return 1 + max(int(name.removeprefix(f"{prefix}.").split(".")[0]) for name in tensors if name.startswith(prefix))


def _heads(width: int) -> int:
    return max(width // HEAD_WIDTH, 1)


def _vocabulary_file(source: str | os.PathLike[str] | None, name: str) -> Path:
    """Return the path of BERT's vocab.txt: from a folder or id, from the checkpoint's folder, or from the hub."""
    checkpoint = Path(name).expanduser()
    if source is None and checkpoint.is_file() and (checkpoint.parent / VOCABULARY).is_file():
        source = checkpoint.parent
    if source is not None and Path(source).is_dir():
        path = Path(source) / VOCABULARY
        if path.is_file():
            return path
        raise UnavailableError(f"{source} has no {VOCABULARY}; ALBEF needs that of bert-base-uncased.")
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(os.fspath(source or BERT), VOCABULARY))
    except Exception as error:  # the hub's client raises errors of many classes
        raise UnavailableError(
            f"ALBEF needs BERT's vocabulary, and {os.fspath(source or BERT)} could not be fetched "
            f"({type(error).__name__}). Put the {VOCABULARY} of bert-base-uncased beside the checkpoint, or give its "
            "folder as tokenizer."
        ) from error


def _tokenizer(file: Path) -> Any:
    """Return BERT's tokenizer with ALBEF's treatment of texts: no punctuation, [CLS] at the start, no [SEP]."""
    from tokenizers import Regex, normalizers, processors
    from transformers import BertTokenizer

    tokenizer = BertTokenizer(str(file), do_lower_case=True)
    backend = tokenizer.backend_tokenizer
    backend.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(r"[,.'!?\"()*#:;~]"), ""),
            normalizers.Replace(Regex("[-/]"), " "),
            normalizers.BertNormalizer(lowercase=True),
        ]
    )
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", tokenizer.cls_token_id)]
    )
    return tokenizer
