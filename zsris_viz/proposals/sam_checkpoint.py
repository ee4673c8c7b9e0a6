"""SAM checkpoints: search, check of the hash, reading without running code, and construction of the model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from zsris_viz.datasets.manifests import File, manifests
from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError, UnavailableError
from zsris_viz.io.hashing import file_hash
from zsris_viz.miniature import WEIGHTS
from zsris_viz.models.products import use_onednn

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

MINIATURE = "miniature"
MINIATURE_FILE = WEIGHTS / "sam" / "model.safetensors"
KINDS = {(1280, 32): "vit-h", (1024, 24): "vit-l", (768, 12): "vit-b"}  # width and depth of the image encoder
DECODER_HEADS = 8  # of every published SAM; the shapes of the tensors do not show it
# Of every published SAM; segment-anything does not keep them in its files.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Weights:
    """A checkpoint file whose hash was checked.

    Attributes:
        title: Name for tables: "miniature", "sam-vit-h", or the file's name.
        path: Path of the file.
        sha256: SHA-256 of its content, hexadecimal.
    """

    title: str
    path: Path
    sha256: str


def published() -> dict[str, File]:
    """Return a mapping from the name to the file of every SAM that has a manifest."""
    return {name: entry.files[0] for name, entry in manifests().items() if name.startswith("sam-") and entry.files}


def find_weights(checkpoint: str | os.PathLike[str], data_root: str | os.PathLike[str] | None = None) -> Weights:
    """Find a checkpoint and check it against the published SHA-256, if it has one.

    Args:
        checkpoint: "miniature"; a manifest's name ("sam-vit-h", or "vit-h" or "vit_h" for short); or a file. A file
            that has the name of a published one is checked, too.
        data_root: Folder into which `zsris data fetch` downloaded the file; ./data and the working folder are searched
            as well.

    Raises:
        InvalidInputError: The name is unknown.
        InvalidTypeError: The checkpoint is neither text nor a path.
        UnavailableError: The file does not exist.
        CorruptFileError: The hash of the file differs from the published one.
    """
    if not isinstance(checkpoint, (str, os.PathLike)):
        raise InvalidTypeError(f"A checkpoint is a name or a path; {type(checkpoint).__name__} was given.")
    text = os.fspath(checkpoint)
    known = published()
    name = text.lower().replace("_", "-")
    name = name if name.startswith("sam-") else f"sam-{name}"
    if text == MINIATURE:
        title, path, file = MINIATURE, MINIATURE_FILE, None
        if not path.is_file():
            raise UnavailableError(
                f"The weights of the miniature SAM are missing ({path}). Reinstall the package, or train them again: "
                "python -m zsris_viz.miniature train sam"
            )
    elif name in known:
        title, file = name, known[name]
        path = _below_roots(name, file, data_root)
    else:
        path = Path(text).expanduser()
        if not path.is_file():
            raise InvalidInputError(
                f"There is no SAM {text!r}; give {MINIATURE!r}, one of {', '.join(known)}, or the path of a "
                "checkpoint file."
            )
        title, file = path.name, next((entry for entry in known.values() if Path(entry.path).name == path.name), None)
    return Weights(title, path, _checked(path, file))


def _below_roots(name: str, file: File, data_root: str | os.PathLike[str] | None) -> Path:
    """Return the path of a manifest's file."""
    roots = [Path(root).expanduser() for root in ([data_root] if data_root is not None else ["data", "."])]
    for root in roots:
        for path in (root / file.path, root / Path(file.path).name):
            if path.is_file():
                return path
    raise UnavailableError(
        f"The checkpoint of {name} is not at {roots[0] / file.path}. Run `zsris data fetch {name} --data-root "
        f"{roots[0]}`, give its folder (data_root=..., --data-root), give the file's path, or use the built-in "
        f"{MINIATURE!r} (for drawn scenes only)."
    )


def _checked(path: Path, file: File | None) -> str:
    """Return the SHA-256 of a file, which must be the published one."""
    if file is not None and file.size is not None and path.stat().st_size != file.size:
        raise CorruptFileError(
            f"{path} has {path.stat().st_size:,} bytes and the published file {file.size:,}: it is truncated or "
            "another one. Fetch it again, or give weights of your own another file name."
        )
    found = file_hash(path)
    if file is not None and file.sha256 is not None and found != file.sha256:
        raise CorruptFileError(
            f"{path} has the SHA-256 {found[:16]}..., the published file {file.sha256[:16]}...: it is damaged or "
            "another one. Fetch it again, or give weights of your own another file name."
        )
    return found


def kind_of(state: Mapping[str, Tensor]) -> str:
    """Return "vit-h", "vit-l" or "vit-b" according to the width and depth of the image encoder, or "other".

    Raises:
        InvalidInputError: The tensors are not those of a SAM.
    """
    try:
        width = int(state["image_encoder.patch_embed.proj.weight"].shape[0])
        state["mask_decoder.mask_tokens.weight"], state["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]
    except KeyError as error:
        first = next(iter(state), "nothing")
        raise InvalidInputError(
            f"The checkpoint has no {error}, so it is not a SAM of the segment-anything package (its first tensor is "
            f"{first!r}); SAM 2, MobileSAM and transformers' files have other layouts."
        ) from error
    return KINDS.get((width, _count(state, "image_encoder.blocks")), "other")


def build_sam(state: Mapping[str, Tensor]) -> Sam:
    """Return segment-anything's Sam with these weights, in fp32 on the CPU, in evaluation mode.

    All sizes are read from the tensors' shapes, so that models of any size work; the decoder always has 8 heads.

    Raises:
        InvalidInputError: The tensors are not those of a SAM.
        CorruptFileError: Tensors are missing or do not fit together.
    """
    kind_of(state)
    try:
        with torch.device("meta"):  # every tensor is in the file, so none is initialised
            sam = _skeleton(state)
        # These two are not in the file, so they are not in the state dict either.
        for name, values in (("pixel_mean", PIXEL_MEAN), ("pixel_std", PIXEL_STD)):
            sam.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)
        sam.load_state_dict({name: value.float() for name, value in state.items()}, assign=True)
    except (KeyError, IndexError, RuntimeError, ValueError, ZeroDivisionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CorruptFileError(f"The checkpoint is not a complete SAM: {reason}. Fetch it again.") from error
    return use_onednn(sam.eval().requires_grad_(False))


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    """Return the length of a numbered list of modules."""
    parts = {name[len(prefix) + 1 :].split(".")[0] for name in state if name.startswith(f"{prefix}.")}
    return sum(part.isdigit() for part in parts)


def _skeleton(state: Mapping[str, Tensor]) -> Sam:
    """Return a Sam whose sizes are those of the tensors."""
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    encoder, decoder, prompts = "image_encoder", "mask_decoder", "prompt_encoder"
    patches = state[f"{encoder}.patch_embed.proj.weight"]
    width, patch = int(patches.shape[0]), int(patches.shape[-1])
    grid = int(state[f"{encoder}.pos_embed"].shape[1])
    depth = _count(state, f"{encoder}.blocks")
    reach = [(int(state[f"{encoder}.blocks.{i}.attn.rel_pos_h"].shape[0]) + 1) // 2 for i in range(depth)]
    windows = [side for side in reach if side != grid]
    head = int(state[f"{encoder}.blocks.0.attn.rel_pos_h"].shape[1])
    inside = int(state[f"{decoder}.mask_tokens.weight"].shape[1])
    across = state[f"{decoder}.transformer.layers.0.cross_attn_token_to_image.q_proj.weight"]
    return Sam(
        image_encoder=ImageEncoderViT(
            img_size=grid * patch,
            patch_size=patch,
            embed_dim=width,
            depth=depth,
            num_heads=width // head,
            mlp_ratio=state[f"{encoder}.blocks.0.mlp.lin1.weight"].shape[0] / width,
            out_chans=inside,
            qkv_bias=f"{encoder}.blocks.0.attn.qkv.bias" in state,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=windows[0] if windows else 0,
            global_attn_indexes=tuple(i for i, side in enumerate(reach) if side == grid),
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=inside,
            image_embedding_size=(grid, grid),
            input_image_size=(grid * patch, grid * patch),
            mask_in_chans=int(state[f"{prompts}.mask_downscaling.3.weight"].shape[0]),
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=int(state[f"{decoder}.mask_tokens.weight"].shape[0]) - 1,
            transformer=TwoWayTransformer(
                depth=_count(state, f"{decoder}.transformer.layers"),
                embedding_dim=inside,
                num_heads=DECODER_HEADS,
                mlp_dim=int(state[f"{decoder}.transformer.layers.0.mlp.lin1.weight"].shape[0]),
                attention_downsample_rate=inside // int(across.shape[0]),
            ),
            transformer_dim=inside,
            iou_head_depth=_count(state, f"{decoder}.iou_prediction_head.layers"),
            iou_head_hidden_dim=int(state[f"{decoder}.iou_prediction_head.layers.0.weight"].shape[0]),
        ),
        pixel_mean=list(PIXEL_MEAN),
        pixel_std=list(PIXEL_STD),
    )
