"""RISCLIP beside the other methods: rank, segment, evaluate."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.factories import tiny_rn_clip
from tests.methods.risclip.world import Squares
from zsris_viz import segment
from zsris_viz.errors import InvalidInputError, UnavailableError, ZsrisWarning
from zsris_viz.evaluation import evaluate
from zsris_viz.evaluation.settings import method_settings
from zsris_viz.methods import SceneFeatures, get_method
from zsris_viz.methods.risclip import RisClipModel, save_model


@pytest.fixture
def path(model: RisClipModel, tmp_path: Path) -> str:
    with torch.no_grad():
        model.head["offset"].fill_(0.0)
    return str(save_model(tmp_path / "model.safetensors", model))


def test_the_answer_is_the_models_mask(clip: Any, model: RisClipModel, path: str) -> None:
    sample = Squares(side=70)[0]
    masks = np.stack([reference.mask for reference in sample.references] + [np.zeros((70, 70), dtype=bool)])
    scene = SceneFeatures(sample.image, masks, clip)
    answer = get_method("risclip", checkpoint=path).predict(scene, "the red square")
    tokens = clip.tokenize(["the red square"])
    with torch.no_grad():
        found = model(scene.pixels(), torch.tensor([0]), tokens.ids, tokens.end)
    logits = F.interpolate(found.logits[:, None], size=(70, 70), mode="bilinear")[0, 0]
    assert answer.mask.dtype == torch.bool
    assert torch.equal(answer.mask, logits > 0)
    ranking = answer.rank(scene.masks)
    assert ranking.chosen is None and ranking.mask is answer.mask
    own = answer.mask.numpy()
    expected = [(own & mask).sum() / (own | mask).sum() for mask in masks[:2]]
    assert ranking.scores[:2].tolist() == pytest.approx(expected, rel=1e-5) and ranking.scores[2] == -torch.inf
    torch.testing.assert_close(answer.evidence["map"].flatten(), found.map[0])
    torch.testing.assert_close(answer.evidence["probability"], found.logits[0].sigmoid())
    assert answer.evidence["cfe_map"].shape == (7, 7)


def test_many_are_as_single_ones_and_the_image_is_encoded_once(clip: Any, path: str) -> None:
    sample = Squares()[1]
    scene = SceneFeatures(sample.image, [], clip, batch_size=2)
    method = get_method("risclip", checkpoint=path)
    texts = [expression for _, expression in sample.pairs()]
    calls: list[int] = []
    model = method.model(clip)
    encode = model.encode_image
    model.encode_image = lambda pixels: calls.append(1) or encode(pixels)  # type: ignore[method-assign]
    together = method.predict_many(scene, texts)
    assert len(together) == 4 and method.predict_many(scene, []) == []
    for text, one in zip(texts, together, strict=True):
        alone = method.predict(scene, text)
        assert torch.equal(alone.mask, one.mask)
    assert len(calls) == 1


def test_segment_needs_no_proposals(clip: Any, path: str) -> None:
    image = Squares(side=80)[2].image
    method = get_method("risclip", checkpoint=path)
    for proposals in ("none", "felzenszwalb"):
        found = segment(image, "the red square", method, clip, proposals)
        assert found.mask.shape == (80, 80) and 0 < found.mask.mean() < 1
        assert "not among the proposals" in repr(found) and found.plot() is not None
    small = segment(image, "the red square", method, clip, "none", max_side=40)
    assert small.mask.shape == (80, 80) and (small.mask == found.mask).mean() > 0.8
    with pytest.warns(ZsrisWarning, match="no pixel"):
        nothing = segment(image, "red", get_method("risclip", checkpoint=path, threshold=1 - 1e-7), clip, "none")
    assert not nothing.mask.any()


@pytest.mark.parametrize("proposals", ["none", "felzenszwalb"])
def test_evaluate_judges_its_mask(clip: Any, path: str, proposals: str) -> None:
    data = Squares(2)
    method = get_method("risclip", checkpoint=path)
    result = evaluate(data, {"ours": method}, clip=clip, proposals=proposals, progress=False)
    rows = result.rows[result.rows.method == "ours"]
    assert len(rows) == 8 and rows.error.isna().all() and rows.chosen.isna().all()
    number = 0
    for index in range(2):
        sample = data[index]
        scene = SceneFeatures(sample.image, [], clip)
        for reference, expression in sample.pairs():
            mask = method.predict(scene, expression).mask.numpy()
            row = rows.iloc[number]
            assert (row.intersection, row.union) == ((mask & reference.mask).sum(), (mask | reference.mask).sum())
            assert row.iou == pytest.approx(row.intersection / row.union)
            assert (row.outcome == "right") == (row.iou > 0.5) and row.outcome != "no proposal fits"
            number += 1


def test_settings_of_a_run_name_the_weights(clip: Any, path: str) -> None:
    method = get_method("risclip", checkpoint=path)
    first = method_settings(method)
    assert first["weights"] == method.weights
    content = bytearray(Path(path).read_bytes())
    content[-1] ^= 1
    Path(path).write_bytes(bytes(content))
    assert method_settings(method)["weights"] != first["weights"]


def test_a_method_that_was_used_can_be_sent_elsewhere(clip: Any, path: str) -> None:
    method = get_method("risclip", checkpoint=path)
    scene = SceneFeatures(Squares()[0].image, [], clip)
    answer = method.predict(scene, "red")
    again = pickle.loads(pickle.dumps(method))
    assert torch.equal(again.predict(scene, "red").mask, answer.mask)


def test_what_cannot_be_used_is_refused(clip: Any, path: str) -> None:
    scene = SceneFeatures(Squares()[0].image, [], clip)
    with pytest.raises(UnavailableError, match=r"no trained RISCLIP for the tower .*zsris train risclip --config"):
        get_method("risclip").predict(scene, "the cat")
    with pytest.raises(InvalidInputError, match="threshold"):
        get_method("risclip", threshold=1.0)
    with pytest.raises(UnavailableError, match="vit"):
        rn = tiny_rn_clip()
        get_method("risclip", checkpoint=path).predict(SceneFeatures(Squares()[0].image, [], rn), "the cat")
    with pytest.raises(InvalidInputError, match="squashes"):
        cropping = SceneFeatures(Squares(side=80)[0].image, [], clip, preprocess="clip-center")
        get_method("risclip", checkpoint=path).predict(cropping, "the cat")
