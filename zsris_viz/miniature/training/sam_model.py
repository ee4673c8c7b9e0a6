"""The miniature SAM: segment-anything's own `Sam` class at a small size, and its decoder run on many pictures at
once."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

from zsris_viz.io.atomic import write_bytes

#: Side in pixels of the square that the encoder sees; longer sides of pictures are shrunk or enlarged to it.
SIDE = 128
#: Side of the decoder's masks, before they are enlarged to the picture.
LOW_SIDE = 64
PATCH = 8
WINDOW = 8
BLOCKS, WIDTH, HEADS = 4, 96, 4
GLOBAL_BLOCKS = (1, 3)
DECODER_WIDTH, DECODER_MLP, DECODER_HEADS = 64, 256, 8
#: As in every published SAM; segment-anything does not keep them in its files.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


def miniature_sam() -> Sam:
    """Return a new SAM of 0.77 million parameters with random weights.

    Its image encoder has 4 blocks, 96 wide, on 16 x 16 patches of 8 pixels, with attention in windows of 8 x 8 in
    blocks 0 and 2 and global attention in blocks 1 and 3, counted from 0. Its decoder is 64 wide.
    """
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    grid = SIDE // PATCH
    return Sam(
        image_encoder=ImageEncoderViT(
            img_size=SIDE,
            patch_size=PATCH,
            embed_dim=WIDTH,
            depth=BLOCKS,
            num_heads=HEADS,
            mlp_ratio=4,
            out_chans=DECODER_WIDTH,
            qkv_bias=True,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=WINDOW,
            global_attn_indexes=GLOBAL_BLOCKS,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=DECODER_WIDTH,
            image_embedding_size=(grid, grid),
            input_image_size=(SIDE, SIDE),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(
                depth=2,
                embedding_dim=DECODER_WIDTH,
                num_heads=DECODER_HEADS,
                mlp_dim=DECODER_MLP,
                attention_downsample_rate=1,
            ),
            transformer_dim=DECODER_WIDTH,
            iou_head_depth=3,
            iou_head_hidden_dim=DECODER_WIDTH,
        ),
        pixel_mean=list(PIXEL_MEAN),
        pixel_std=list(PIXEL_STD),
    )


def masks_at_points(sam: Sam, pixels: Tensor, points: Tensor, picture: Tensor) -> tuple[Tensor, Tensor]:
    """Return masks at one point prompt each, on any pictures of a batch.

    SamPredictor runs the decoder on one picture at a time; a training step has few prompts on each of many.

    Args:
        pixels: (B, 3, SIDE, SIDE) float, 0-255.
        points: (P, 2) float x, y in pixels.
        picture: (P,) int64, the number of the picture that each point is on.

    Returns:
        Logits (P, 4, LOW_SIDE, LOW_SIDE), the first mask for a single answer, the others for three; and the model's
        guess of their IoU, (P, 4).
    """
    features = sam.image_encoder((pixels - sam.pixel_mean) / sam.pixel_std)
    labels = torch.ones(len(points), 1, dtype=torch.int, device=points.device)
    sparse, dense = sam.prompt_encoder(points=(points[:, None], labels), boxes=None, masks=None)
    decoder = sam.mask_decoder
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = torch.cat([own.expand(len(points), -1, -1), sparse], dim=1)
    place = sam.prompt_encoder.get_dense_pe().expand(len(points), -1, -1, -1)
    output_tokens, image_tokens = decoder.transformer(features[picture] + dense, place, tokens)
    height, width = features.shape[-2:]
    fine = decoder.output_upscaling(image_tokens.transpose(1, 2).unflatten(2, (height, width)))
    kernels = [head(output_tokens[:, 1 + index]) for index, head in enumerate(decoder.output_hypernetworks_mlps)]
    logits = torch.einsum("pkc,pchw->pkhw", torch.stack(kernels, dim=1), fine)
    return logits, decoder.iou_prediction_head(output_tokens[:, 0])


def save_weights(sam: Sam, path: Path) -> None:
    """Write the weights as fp16 safetensors under segment-anything's own names."""
    from safetensors.torch import save

    state = {name: value.detach().half().cpu().contiguous() for name, value in sam.state_dict().items()}
    write_bytes(path, save(state, metadata={"format": "pt"}))
