"""SAM 2 on a tiny random model, saved as transformers saves the published ones, against transformers' own output."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError, ZsrisWarning
from zsris_viz.proposals import CachedProposals, Sam2, load_proposals
from zsris_viz.testing import check_proposer

LOOSE = {"points_per_side": 3, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0}


def save_tiny(path: Path, cls: str = "Sam2Model", config_cls: str = "Sam2Config") -> None:
    """Write a random SAM 2 with an image size of 128 pixels."""
    import transformers

    backbone = transformers.Sam2HieraDetConfig(
        hidden_size=8, num_attention_heads=1, image_size=[128, 128], blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64], num_attention_heads_per_stage=[1, 1, 2, 4],
        window_size_per_stage=[8, 4, 4, 2], global_attention_blocks=[3],
        window_positional_embedding_background_size=[4, 4],
    )  # fmt: skip
    vision = transformers.Sam2VisionConfig(
        backbone_config=backbone, backbone_channel_list=[64, 32, 16, 8], fpn_hidden_size=32,
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
    )  # fmt: skip
    config = getattr(transformers, config_cls)(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 32, "image_size": 128},
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 32},
    )
    torch.manual_seed(0)
    model = getattr(transformers, cls)(config)
    for parameter in model.parameters():  # some are zero or undefined at first
        parameter.data.normal_(std=0.2)
    model.save_pretrained(path)
    size = {"height": 128, "width": 128}
    transformers.Sam2ImageProcessor(size=size, mask_size={"height": 32, "width": 32}).save_pretrained(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sam2") / "tiny"
    save_tiny(path)
    return path


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((120, 90), Image.Resampling.BICUBIC)


def test_masks_by_an_independent_computation(folder: Path, picture: Image.Image) -> None:
    from transformers import Sam2ImageProcessor, Sam2Model

    masks = Sam2(folder, **LOOSE, points_per_batch=2).propose(picture)
    assert masks.size == (90, 120) and masks.source == "sam2" and len(masks) >= 3

    model = Sam2Model.from_pretrained(folder).eval()
    processor = Sam2ImageProcessor.from_pretrained(folder)
    pixels = processor(images=[picture], return_tensors="pt")["pixel_values"]
    places = (torch.arange(3) + 0.5) / 3 * 128
    points = torch.stack([places.repeat(3), places.repeat_interleave(3)], dim=-1)[None, :, None]
    with torch.no_grad():
        output = model(pixel_values=pixels, input_points=points, input_labels=torch.ones(1, 9, 1, dtype=torch.int))
    logits = torch.nn.functional.interpolate(output.pred_masks[0], size=(90, 120), mode="bilinear").flatten(0, 1)
    guesses = output.iou_scores[0].flatten()
    assert len(masks) == 27 - int((logits > 0).sum((1, 2)).eq(0).sum())
    for mask, score in zip(masks, masks.scores.tolist(), strict=True):
        near = ((guesses - score).abs() < 1e-5).nonzero()[:, 0].tolist()
        # a pixel at the threshold may fall on either side
        assert any(torch.equal(mask[logits[n].abs() > 1e-4], logits[n][logits[n].abs() > 1e-4] > 0) for n in near)


def test_a_square_image_equals_the_pipeline(folder: Path, picture: Image.Image) -> None:
    from transformers import Sam2ImageProcessor, Sam2Model, pipeline

    square = picture.resize((100, 100))
    masks = Sam2(folder, **(LOOSE | {"box_nms_thresh": 0.7}), points_per_batch=4).propose(square)
    generate = pipeline(
        "mask-generation",
        model=Sam2Model.from_pretrained(folder).eval(),
        image_processor=Sam2ImageProcessor.from_pretrained(folder),
    )
    found = generate(square, points_per_crop=3, pred_iou_thresh=0.0, stability_score_thresh=0.0, crops_nms_thresh=0.7)
    assert len(found["masks"]) == len(masks) > 0
    assert masks.scores.tolist() == pytest.approx(sorted(found["scores"].tolist(), reverse=True), abs=1e-5)
    assert sorted(int(np.asarray(mask).sum()) for mask in found["masks"]) == sorted(masks.areas.tolist())


def test_the_contract_settings_and_the_cache(folder: Path, picture: Image.Image, tmp_path: Path) -> None:
    source = Sam2(folder, **LOOSE)
    check_proposer(source, images=[picture])
    settings = source.settings
    assert settings["model"] == "tiny" and len(settings["weights"]) == 16 and str(folder) not in str(settings)
    loaded = load_proposals(f"sam2:{folder}", cache=tmp_path, **LOOSE)
    assert isinstance(loaded, CachedProposals) and loaded.settings == settings
    first, again = loaded.propose(picture), loaded.propose(picture)
    assert torch.equal(first.data, again.data) and torch.allclose(first.scores, again.scores)
    assert len(Sam2(folder, **LOOSE, max_masks=2).propose(picture)) == 2


def test_nothing_found_warns(folder: Path, picture: Image.Image) -> None:
    with pytest.warns(ZsrisWarning, match="found nothing"):
        assert len(Sam2(folder, points_per_side=1, pred_iou_thresh=1.0).propose(picture)) == 0


def test_the_image_part_of_a_video_model(tmp_path: Path, folder: Path) -> None:
    # the published repositories say "sam2_video"
    copy = tmp_path / "video"
    shutil.copytree(folder, copy)
    text = (copy / "config.json").read_text().replace('"model_type": "sam2"', '"model_type": "sam2_video"')
    (copy / "config.json").write_text(text)
    assert Sam2(copy).settings["weights"] == Sam2(folder).settings["weights"]


def test_damaged_and_other_models(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copy = tmp_path / "nan"
    shutil.copytree(folder, copy)
    state = load_file(copy / "model.safetensors")
    state["mask_decoder.iou_token.weight"].fill_(float("nan"))
    save_file(state, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CorruptFileError, match="no number"):
        Sam2(copy)
    (copy / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(InvalidInputError, match="'clip' model"):
        Sam2(copy)
    with pytest.raises(InvalidInputError, match="neither a folder"):
        Sam2("no-such-model")
    with pytest.raises(InvalidInputError, match="pred_iou_thresh=2"):
        Sam2(folder, pred_iou_thresh=2)
    with pytest.raises(InvalidTypeError, match="colour"):
        load_proposals(f"sam2:{folder}", colour=1)
