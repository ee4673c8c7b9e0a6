"""Text-only: captions against the expression, and nothing else."""

import pytest
import torch

from tests.methods import plain
from tests.methods.test_tas import CAPTIONS, SENTENCE, FixedCaptioner
from zsris_viz.errors import InvalidInputError
from zsris_viz.methods import SceneFeatures, get_method


def test_scores_are_cosines_of_texts(vit, image, masks):
    scene = SceneFeatures(image, masks, vit.clip, captioner=FixedCaptioner(CAPTIONS))
    crops = vit.clip.calls.crops
    ranking = get_method("text-only").predict(scene, SENTENCE)
    with torch.no_grad():
        texts = [
            plain.unit(plain.text(vit.model, lambda t: vit.clip.tokenize(t, length=77).ids, one))
            for one in (*CAPTIONS, SENTENCE)
        ]
    expected = torch.stack([one @ texts[-1] for one in texts[:-1]])
    present = [0, 1, 2, 4, 5, 6]
    torch.testing.assert_close(ranking.scores[present], expected[present], atol=1e-5, rtol=1e-4)
    assert ranking.scores[3].isneginf() and vit.clip.calls.crops == crops
    assert ranking.evidence["captions"] == tuple(CAPTIONS) and ranking.evidence["empty_captions"] == ()


def test_given_captions_need_no_captioner(vit, image, masks):
    scene = SceneFeatures(image, masks, vit.clip)
    ranking = get_method("text-only").predict(scene, SENTENCE, captions=CAPTIONS)
    assert scene.captioner is None
    same = get_method("text-only").predict(scene, SENTENCE, captions=[SENTENCE if i == 5 else "x" for i in range(7)])
    assert same.chosen == 5 and ranking.chosen != 3
    with pytest.raises(InvalidInputError, match="one for each"):
        get_method("text-only").predict(scene, SENTENCE, captions=[])


def test_the_official_input_is_padded(vit, image, masks):
    captioner = FixedCaptioner(CAPTIONS)
    get_method("text-only", "official").predict(SceneFeatures(image, masks, vit.clip, captioner=captioner), SENTENCE)
    assert captioner.calls == [("blur", {"square": "pad", "sigma": 11.6})]
