"""Mask2Former on a tiny random model, saved as transformers saves the published ones."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.proposals import CachedProposals, Mask2Former, load_proposals
from zsris_viz.proposals.mask2former import scores_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of 12 queries and 3 classes in the hub's format."""
    from transformers import (
        Mask2FormerConfig,
        Mask2FormerForUniversalSegmentation,
        Mask2FormerImageProcessor,
        SwinConfig,
    )

    path = tmp_path_factory.mktemp("mask2former") / "tiny"
    backbone = SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=4, image_size=64,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = Mask2FormerConfig(
        backbone_config=backbone, feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=32,
        dim_feedforward=32, encoder_layers=1, decoder_layers=2, num_attention_heads=2, num_queries=12, num_labels=3,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Mask2FormerForUniversalSegmentation(config)
    model.save_pretrained(path)
    Mask2FormerImageProcessor(size={"shortest_edge": 40, "longest_edge": 96}).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))


def test_masks_by_an_independent_computation(folder: Path, noise: Image.Image) -> None:
    from transformers import AutoImageProcessor, Mask2FormerForUniversalSegmentation

    source = Mask2Former(folder, threshold=0.0)
    masks = source.propose(noise)
    assert masks.size == (50, 70) and masks.source == "mask2former"
    assert masks.scores.tolist() == sorted(masks.scores.tolist(), reverse=True)

    model = Mask2FormerForUniversalSegmentation.from_pretrained(folder).eval()
    given = AutoImageProcessor.from_pretrained(folder)(images=[np.array(noise)], return_tensors="pt")
    with torch.no_grad():
        answer = model(**given)
    whole = F.interpolate(answer.masks_queries_logits, size=given["pixel_values"].shape[-2:], mode="bilinear")
    rows, columns = given["pixel_mask"][0].sum(0).max(), given["pixel_mask"][0].sum(1).max()
    seen = whole[0, :, :rows, :columns]
    expected = {}
    for classes, logits in zip(answer.class_queries_logits[0], seen, strict=True):
        if (logits > 0).any():
            score = classes.softmax(0)[:-1].max() * logits.sigmoid()[logits > 0].mean()
            expected[round(float(score), 5)] = (
                F.interpolate(logits[None, None], size=(50, 70), mode="bilinear")[0, 0] > 0
            )
    assert [round(score, 5) for score in masks.scores.tolist()] == sorted(expected, reverse=True)
    for score, mask in zip(masks.scores.tolist(), masks, strict=True):
        assert torch.equal(mask, expected[round(score, 5)])


def test_an_empty_mask_scores_nothing() -> None:
    assert scores_of(torch.tensor([[0.0, 0.0]]), torch.full((1, 2, 2), -1.0)).tolist() == [0.0]
    assert scores_of(torch.tensor([[3.0, 3.0]]), torch.tensor([[[40.0, -9.0]]])).tolist() == pytest.approx([0.5])


def test_settings_thresholds_and_names(folder: Path, noise: Image.Image, tmp_path: Path) -> None:
    source = load_proposals(f"mask2former:{folder}", threshold=0.0, cache=tmp_path, max_masks=4)
    assert isinstance(source, CachedProposals) and source.settings["model"] == "tiny"
    first = source.propose(noise)
    assert len(first) <= 4 and torch.equal(source.propose(noise).data, first.data) and source.store.hits == 1
    assert len(Mask2Former(folder, threshold=1.0).propose(noise)) == 0
    for change in ({"threshold": 2}, {"max_masks": 0}):
        with pytest.raises(InvalidInputError, match=next(iter(change))):
            Mask2Former(folder, **change)


def test_models_that_are_not_there_damaged_or_others(folder: Path, tmp_path: Path) -> None:
    import shutil

    with pytest.raises(UnavailableError, match="felzenszwalb"):
        Mask2Former("nobody/nothing-of-this-name")
    for name in ("./nowhere", "nothing"):
        with pytest.raises(InvalidInputError, match="neither a folder"):
            Mask2Former(name)
    for change in ("cut", "empty", "other"):
        copy = tmp_path / change
        shutil.copytree(folder, copy)
        if change == "cut":
            weights = (copy / "model.safetensors").read_bytes()
            (copy / "model.safetensors").write_bytes(weights[: len(weights) // 2])
        elif change == "empty":
            (copy / "model.safetensors").unlink()
        else:
            text = (copy / "config.json").read_text().replace('"model_type": "mask2former"', '"model_type": "clip"')
            (copy / "config.json").write_text(text)
        errors = {"cut": CorruptFileError, "empty": UnavailableError, "other": InvalidInputError}
        with pytest.raises(errors[change]):
            Mask2Former(copy)


def test_weights_that_are_no_numbers_are_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    copy = tmp_path / "nan"
    shutil.copytree(folder, copy)
    state = load_file(copy / "model.safetensors")
    state[next(iter(state))].fill_(float("nan"))
    save_file(state, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CorruptFileError, match="no number"):
        Mask2Former(copy)


def test_code_in_a_folder_is_not_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json
    import shutil

    copy = tmp_path / "code"
    shutil.copytree(folder, copy)
    (copy / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    for name in ("config.json", "preprocessor_config.json"):
        settings = json.loads((copy / name).read_text())
        auto = {"AutoConfig": "evil.C", "AutoImageProcessor": "evil.P", "AutoModel": "evil.M"}
        (copy / name).write_text(json.dumps(settings | {"auto_map": auto}))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    Mask2Former(copy)
    assert not (tmp_path / "ran").exists()


def test_panoptic_segments_do_not_overlap(folder: Path, noise: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three certain queries: the left half, a right half that overlaps it, and one that mostly lies below the first."""
    classes = torch.full((1, 5, 4), -10.0)
    for query, (label, logit) in enumerate([(0, 12.0), (1, 9.0), (2, 8.0), (3, 12.0), (1, -9.5)]):  # label 3: no object
        classes[0, query, label] = logit
    logits = torch.full((1, 5, 50, 70), -8.0)
    logits[0, 0, :, :40] = logits[0, 1, :, 35:] = logits[0, 2, :20, :38] = logits[0, 3] = logits[0, 4] = 8.0
    source = Mask2Former(folder, mode="panoptic", threshold=0.5)
    answer = SimpleNamespace(class_queries_logits=classes, masks_queries_logits=logits)
    monkeypatch.setattr(source, "model", lambda **_: answer)
    masks = source.propose(noise)
    # Each pixel goes to the most certain query on it; a query that keeps less than 80 % of its pixels is dropped.
    assert len(masks) == 2 and int(masks.coverage.max()) == 1
    left, right = masks.data.numpy()
    assert left[5:45, 2:38].all() and not left[:, 42:].any()
    assert right[5:45, 42:68].all() and not right[:, :38].any()
    best = classes[0, :2].softmax(-1).amax(-1)
    np.testing.assert_allclose(masks.scores, best, atol=1e-5)
    with pytest.raises(InvalidInputError, match="mode="):
        Mask2Former(folder, mode="semantic")
