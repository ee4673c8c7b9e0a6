"""SAM as a source of proposals: files of every kind, settings, filters, and what cannot be used."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.proposals.sam_files import random_sam, saved_sam
from zsris_viz import evaluate, load_dataset, segment
from zsris_viz.datasets.manifests import File
from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.io.cache import cache_folder
from zsris_viz.models.checkpoints import load_state_dict
from zsris_viz.models.products import OneDnnLinear
from zsris_viz.proposals import CachedProposals, Filtered, Sam, load_proposals, proposal_names, sam_checkpoint
from zsris_viz.proposals.sam import FOR_MINIATURE, PAPER
from zsris_viz.proposals.sam_checkpoint import build_sam, find_weights, kind_of
from zsris_viz.proposals.sam_steps import STAGES, point_masks

ANY = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random SAM with guesses of IoU and stabilities spread over 0-1, so that thresholds have something to do."""
    sam = random_sam(3)
    with torch.no_grad():
        last = sam.mask_decoder.iou_prediction_head.layers[-1]
        last.weight.mul_(8)
        last.bias.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))
        for head in sam.mask_decoder.output_hypernetworks_mlps:  # surer masks, cut at the same places
            head.layers[-1].weight.mul_(100)
            head.layers[-1].bias.mul_(100)
    path = tmp_path_factory.mktemp("sam") / "tiny.pth"
    torch.save(sam.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8))


def test_the_miniature_finds_objects_of_scenes() -> None:
    source = load_proposals("sam", cache=False)
    best = []
    for index in range(3):
        sample = load_dataset("scenes", "val")[index]
        masks = source.propose_for(sample)
        assert masks.size == sample.size and masks.source == "sam"
        assert masks.scores is not None and masks.scores.tolist() == sorted(masks.scores.tolist(), reverse=True)
        best += sample.instances.iou(masks).amax(dim=1).tolist()
    assert np.mean(best) > 0.65


def test_masks_are_those_of_the_generator(tiny: Path, noise: Image.Image) -> None:
    from segment_anything import SamAutomaticMaskGenerator

    settings = {"points_per_side": 5, "pred_iou_thresh": 0.2, "stability_score_thresh": 0.3, "box_nms_thresh": 1.0}
    model = random_sam(3)
    model.load_state_dict(torch.load(tiny, weights_only=True))
    expected = SamAutomaticMaskGenerator(model, **settings).generate(np.asarray(noise))
    expected.sort(key=lambda record: -record["predicted_iou"])
    masks = Sam(tiny, min_mask_region_area=0, **settings).propose(noise)
    assert 75 > len(masks) == len(expected) > 1
    assert masks.scores is not None
    assert masks.scores.tolist() == pytest.approx([record["predicted_iou"] for record in expected])
    assert np.array_equal(masks.data.numpy(), np.stack([record["segmentation"] for record in expected]))
    few = Sam(tiny, min_mask_region_area=0, max_masks=1, points_per_batch=3, **settings).propose(noise)
    assert torch.equal(few.data, masks.data[:1])


def test_settings_of_the_paper_and_of_the_miniature(tiny: Path) -> None:
    assert Sam(tiny).settings | PAPER == Sam(tiny).settings
    assert PAPER == {
        "points_per_side": 8,
        "pred_iou_thresh": 0.7,
        "stability_score_thresh": 0.7,
        "min_mask_region_area": 800,
    }
    small = Sam().settings
    assert small | FOR_MINIATURE == small and small["kind"] == "miniature"
    assert small["weights"] == find_weights("miniature").sha256[:16]
    changed = Sam(tiny, points_per_side=3, crop_n_layers=1, max_masks=5).settings
    assert (changed["points_per_side"], changed["crop_n_layers"], changed["max_masks"]) == (3, 1, 5)
    assert "points_per_batch" not in changed and "device" not in changed  # they change no mask


def test_crops_point_grids_and_regions(tiny: Path, noise: Image.Image) -> None:
    everywhere = Sam(tiny, points_per_side=2, min_mask_region_area=0, **ANY).propose(noise)
    with_crops = Sam(tiny, points_per_side=2, crop_n_layers=1, min_mask_region_area=0, **ANY).propose(noise)
    assert len(with_crops) >= 1 and with_crops.size == everywhere.size
    points = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    same = Sam(tiny, point_grids=points, min_mask_region_area=0, **ANY)
    assert torch.equal(same.propose(noise).data, everywhere.data)
    assert same.settings["point_grids"] == [points] and same.settings["points_per_side"] is None

    def islands(masks: Any) -> int:
        from scipy.ndimage import label

        return max(label(mask, np.ones((3, 3)))[1] for mask in masks.data.numpy())

    share = Sam(tiny, points_per_side=2, min_mask_region_area=0.05, **ANY).propose(noise)
    pixels = Sam(tiny, points_per_side=2, min_mask_region_area=round(0.05 * 48 * 80), **ANY).propose(noise)
    assert torch.equal(share.data, pixels.data)
    assert islands(share) < islands(everywhere)


def test_steps_end_in_the_masks_that_are_proposed(tiny: Path, noise: Image.Image) -> None:
    for change in ({"pred_iou_thresh": 0.2, "stability_score_thresh": 0.3}, ANY, {"pred_iou_thresh": 1.0}):
        source = Sam(tiny, points_per_side=4, points_per_batch=5, min_mask_region_area=0, **change)
        steps = point_masks(Filtered(CachedProposals(source, cache_folder("never"))), noise)
        assert steps.masks.shape == (16, 3, 48, 80) and sum(steps.counts().values()) == 48
        kept = steps.stage == STAGES.index("kept")
        order = steps.predicted_iou[kept].argsort(descending=True, stable=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ZsrisWarning)
            masks = source.propose(noise)
        assert masks.scores.tolist() == pytest.approx(steps.predicted_iou[kept][order].tolist())
        assert torch.equal(masks.data, steps.masks[kept][order])
    assert steps.points[:2].tolist() == [[10.0, 6.0], [30.0, 6.0]]
    with pytest.raises(InvalidTypeError, match="point prompts"):
        point_masks(load_proposals("felzenszwalb"), noise)


def test_a_large_picture_is_proposed_for_at_a_smaller_size(tiny: Path, noise: Image.Image) -> None:
    large = noise.resize((800, 480), Image.Resampling.NEAREST)
    masks = Sam(tiny, points_per_side=2, max_side=80, min_mask_region_area=0, **ANY).propose(large)
    assert masks.size == (480, 800)
    with pytest.raises(InvalidInputError, match="limit"):
        Sam(tiny).propose(Image.new("1", (7100, 7100)))


def test_a_16_bit_encoder_gives_nearly_the_same(tiny: Path, noise: Image.Image) -> None:
    exact, rough = (
        Sam(tiny, points_per_side=3, dtype=dtype, box_nms_thresh=1.0, min_mask_region_area=0, **ANY)
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert rough.settings["dtype"] == "torch.bfloat16"
    assert float(exact.propose(noise).iou(rough.propose(noise)).amax(dim=1).mean()) > 0.9


@pytest.mark.parametrize("crops", [0, 1])
def test_nothing_found_is_no_masks_and_a_warning(tiny: Path, noise: Image.Image, crops: int) -> None:
    strict = Sam(tiny, pred_iou_thresh=1.0, stability_score_thresh=1.0, crop_n_layers=crops, points_per_side=2)
    with pytest.warns(ZsrisWarning, match="found nothing"):
        masks = strict.propose(noise)
    assert len(masks) == 0 and masks.size == (48, 80) and masks.scores is not None
    with pytest.warns(ZsrisWarning, match="found nothing|predicted mask is empty"):
        assert not segment(noise, "the dog", proposals=strict).mask.any()


def test_an_image_without_masks_counts_as_zero(tiny: Path) -> None:
    strict = Sam(tiny, pred_iou_thresh=1.0, stability_score_thresh=1.0, points_per_side=2)
    with pytest.warns(ZsrisWarning, match="found nothing"):
        table = evaluate("scenes", "cropping", proposals=strict, limit=1, progress=False).table(chance=False)
    assert table["miou"].tolist() == [0.0] and table["oiou"].tolist() == [0.0]


def test_pictures_of_any_shape(tiny: Path) -> None:
    source = Sam(tiny, points_per_side=2, **ANY)
    for width, height in ((1, 1), (3, 100), (100, 3)):
        picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ZsrisWarning)
            assert source.propose(picture).size == (height, width)
    with pytest.raises(InvalidInputError, match="too narrow"):
        source.propose(Image.new("RGB", (1, 1000)))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"points_per_side": 0}, InvalidInputError, "points_per_side"),
        ({"points_per_side": 2.5}, InvalidTypeError, "whole"),
        ({"pred_iou_thresh": 1.2}, InvalidInputError, "0 to 1"),
        ({"min_mask_region_area": -1}, InvalidInputError, "min_mask_region_area"),
        ({"max_masks": True}, InvalidTypeError, "max_masks"),
        ({"points_per_side": 4, "point_grids": [[0.5, 0.5]]}, InvalidInputError, "one of them"),
        ({"point_grids": [[0.5, 1.5]]}, InvalidInputError, "0-1"),
        ({"point_grids": [[0.5, 0.5]], "crop_n_layers": 1}, InvalidInputError, "needs 2"),
    ],
)
def test_bad_settings(tiny: Path, change: dict[str, Any], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        Sam(tiny, **change)


# -- checkpoints


def test_sizes_are_read_from_the_tensors(tmp_path: Path) -> None:
    for sizes in (
        {},
        {"side": 96, "window": 5, "depth": 3, "whole": (0, 2), "heads": 4, "inside": 32, "downsample": 2},
    ):
        original = random_sam(1, **sizes)
        path = saved_sam(tmp_path, seed=1, **sizes)
        built = build_sam(load_state_dict(path))
        side = original.image_encoder.img_size
        pixels = torch.rand(3, side, side) * 255
        request = {"image": pixels, "original_size": (side, side), "point_coords": torch.tensor([[[9.0, 20.0]]])}
        request["point_labels"] = torch.ones(1, 1)
        with torch.no_grad():
            first, second = (model([request], multimask_output=True)[0] for model in (original, built))
        assert torch.equal(first["low_res_logits"], second["low_res_logits"])
        assert kind_of(built.state_dict()) == "other"


def test_wrapped_and_safetensors_files(tmp_path: Path) -> None:
    state = random_sam(2).state_dict()
    torch.save({"model": {f"module.{name}": value for name, value in state.items()}, "epoch": 3}, tmp_path / "a.pth")
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "b.safetensors")
    for name in ("a.pth", "b.safetensors"):
        found = load_state_dict(tmp_path / name)
        assert found.keys() == state.keys() and all(torch.equal(found[key], state[key]) for key in state)


class Evil:
    def __reduce__(self) -> Any:
        return (print, ("code of the file was run",))


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, tiny: Path) -> None:
    state = torch.load(tiny, weights_only=True)
    state["mask_decoder.mask_tokens.weight"].fill_(float("nan"))
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(CorruptFileError, match="no number"):
        Sam(tmp_path / "nan.pth")


def test_damaged_and_foreign_files(tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = tiny.read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cut.safetensors").write_bytes(b"\x80\x00\x00\x00\x00\x00\x00\x00{")
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"a": Evil()}, protocol=2))
    for name in ("cut.pth", "cut.safetensors", "empty.pth", "evil.pth"):
        with pytest.raises(CorruptFileError):
            Sam(tmp_path / name)
    assert "was run" not in capsys.readouterr().out
    state = torch.load(tiny, weights_only=True)
    torch.save(list(state), tmp_path / "list.pth")
    torch.save({"vision_encoder.x": torch.zeros(1)}, tmp_path / "other.pth")
    for name, words in (("list.pth", "no state dict"), ("other.pth", "vision_encoder.x")):
        with pytest.raises(InvalidInputError, match=words):
            Sam(tmp_path / name)
    state.pop("mask_decoder.iou_token.weight")
    torch.save(state, tmp_path / "lacking.pth")
    with pytest.raises(CorruptFileError, match="iou_token"):
        Sam(tmp_path / "lacking.pth")


def test_names_find_files_below_the_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("sam-vit-h", "sam-vit-l", "sam-vit-b"):
        assert name in proposal_names()
        with pytest.raises(UnavailableError, match=f"zsris data fetch {name}"):
            load_proposals(name, data_root=tmp_path / "data")
    with pytest.raises(InvalidInputError, match="sam-vit-b"):
        Sam("vit-x")
    with pytest.raises(InvalidTypeError):
        Sam(3)  # type: ignore[arg-type]

    path = tmp_path / "data" / "checkpoints" / "sam" / "sam_vit_b_01ec64.pth"
    path.parent.mkdir(parents=True)
    saved_sam(path.parent, path.name)
    with pytest.raises(CorruptFileError, match="bytes"):
        Sam("vit_b")  # found in ./data, and not the published file
    content = path.read_bytes()
    right = File(
        path="checkpoints/sam/sam_vit_b_01ec64.pth", size=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    wrong = right.model_copy(update={"sha256": "0" * 64})
    monkeypatch.setattr(sam_checkpoint, "published", lambda: {"sam-vit-b": wrong})
    for given in ("sam-vit-b", "vit-b", path, "data/checkpoints/sam/sam_vit_b_01ec64.pth"):
        with pytest.raises(CorruptFileError, match="SHA-256"):
            Sam(given)
    monkeypatch.setattr(sam_checkpoint, "published", lambda: {"sam-vit-b": right})
    for given in ("sam-vit-b", "vit_b"):
        assert Sam(given).settings["checkpoint"] == "sam-vit-b"
    assert load_proposals("sam:" + str(path), cache=False).settings["points_per_side"] == 8
    assert load_proposals("sam-vit-b", data_root=tmp_path / "data", cache=False, max_masks=2).settings["max_masks"] == 2


def test_the_manifests_name_the_authors_files() -> None:
    files = {name: Path(file.path).name for name, file in sam_checkpoint.published().items()}
    assert files == {
        "sam-vit-h": "sam_vit_h_4b8939.pth",
        "sam-vit-l": "sam_vit_l_0b3195.pth",
        "sam-vit-b": "sam_vit_b_01ec64.pth",
    }
    assert all(file.sha256 and file.size for file in sam_checkpoint.published().values())


@pytest.mark.slow
def test_a_published_size_loads_from_the_authors_format(tmp_path: Path) -> None:
    """ViT-B: the pickled state dict that segment-anything's own builder makes, 375 MB; a mask equal to that model's."""
    from segment_anything import sam_model_registry

    torch.manual_seed(0)
    original = sam_model_registry["vit_b"]()
    path = tmp_path / "sam_vit_b.pth"
    torch.save(original.state_dict(), path)
    assert abs(path.stat().st_size - 375_042_383) < 1_000_000  # as large as the published file
    source = Sam(path, points_per_side=1, min_mask_region_area=0, **ANY)
    assert source.kind == "vit-b"
    theirs, ours = original.state_dict(), source.model.state_dict()
    assert theirs.keys() == ours.keys() and all(torch.equal(theirs[name], ours[name]) for name in theirs)
    assert source.model.image_encoder.img_size == 1024
    modules = [(name, type(module)) for name, module in original.named_modules()]
    faster = {OneDnnLinear: torch.nn.Linear}  # the same layer, whose large products are computed by another library
    loaded = [(name, faster.get(type(module), type(module))) for name, module in source.model.named_modules()]
    assert modules == loaded
    for mine, yours in zip(source.model.image_encoder.blocks, original.image_encoder.blocks, strict=True):
        assert mine.window_size == yours.window_size and mine.attn.num_heads == yours.attn.num_heads
    heads = [layer.cross_attn_token_to_image for layer in original.mask_decoder.transformer.layers]
    mine_heads = [layer.cross_attn_token_to_image for layer in source.model.mask_decoder.transformer.layers]
    assert [(one.num_heads, one.internal_dim) for one in heads] == [
        (one.num_heads, one.internal_dim) for one in mine_heads
    ]
    with torch.no_grad():
        picture = torch.rand(1, 256, 64, 64)
        request = (torch.tensor([[[500.0, 400.0]]]), torch.ones(1, 1))
        answers = []
        for model in (original, source.model):
            sparse, dense = model.prompt_encoder(points=request, boxes=None, masks=None)
            place = model.prompt_encoder.get_dense_pe()
            answers.append(model.mask_decoder(picture, place, sparse, dense, multimask_output=True)[0])
    torch.testing.assert_close(*answers, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_gives_the_masks_of_the_cpu(tiny: Path, noise: Image.Image) -> None:
    settings = {"points_per_side": 4, "min_mask_region_area": 0, **ANY}
    on_cpu, on_gpu = (Sam(tiny, device=device, **settings).propose(noise) for device in ("cpu", "cuda"))
    assert float(on_cpu.iou(on_gpu).amax(dim=1).mean()) > 0.99
