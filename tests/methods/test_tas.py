"""TAS against a few plain lines on open_clip's modules, its modules one by one, and what may be given or missing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.methods import plain
from zsris_viz.captioning import Captioner
from zsris_viz.errors import InvalidInputError, InvalidTypeError, ZsrisWarning
from zsris_viz.methods import SceneFeatures, get_method
from zsris_viz.methods.tas import Tas

SENTENCE = "the small cat left of the bus"
CAPTIONS = ["a cat", "a long bus", "a street with cars", "nothing", "a dot", "two birds", "half a cat"]
NEGATIVES = ["a photo of a bus", "a photo of the street"]


class FixedCaptioner(Captioner):
    """Says what it was told, and counts what it is asked."""

    def __init__(self, regions=(), image="a bus and a dog in the street"):
        super().__init__("fixed", cache=False)
        self.regions, self.image, self.calls = list(regions), image, []

    @property
    def settings(self):
        return {}

    def _generate(self, images):
        raise AssertionError("not used here")

    def caption_regions(self, image, masks, style="blur", **shown):
        self.calls.append((style, shown))
        return self.regions

    def caption_images(self, images):
        self.calls.append("image")
        return [self.image]


@pytest.fixture
def scene(vit, image, masks):
    return SceneFeatures(image, masks, vit.clip, captioner=FixedCaptioner(CAPTIONS))


def embed(tower, texts):
    return torch.stack([plain.unit(plain.text(tower.model, lambda t: tower.clip.tokenize(t, length=77).ids, one))
                        for one in texts])  # fmt: skip


def expected_scores(tower, image, masks, rows, crop, size, *, alpha=0.1, lam=0.7):
    """V + alpha P + lambda N, one mask at a time."""
    with torch.no_grad():
        sentence = embed(tower, [SENTENCE])[0]
        captioned, negative = embed(tower, CAPTIONS), embed(tower, NEGATIVES)
        scores = []
        for row in rows:
            seen = plain.unit(tower.model.encode_image(crop(image, masks[row], size)[None])[0])
            n_score = -sum(float(seen @ one) for one in negative) / len(negative)
            scores.append(float(seen @ sentence) + alpha * float(captioned[row] @ sentence) + lam * n_score)
        return torch.tensor(scores)


# The default resizes by torch, the plain lines by Pillow: pixels differ by a rounding of 8 bits.
@pytest.mark.parametrize(
    ("preset", "crop", "close"), [("default", plain.black_crop, 1e-3), ("official", plain.tas_crop, 2e-5)]
)
def test_scores(vit, rn, image, masks, present, preset, crop, close):
    for tower, size in ((vit, 64), (rn, 96)):
        scene = SceneFeatures(image, masks, tower.clip)
        ranking = get_method("tas", preset).predict(
            scene, SENTENCE, captions=CAPTIONS, negatives=NEGATIVES, direction=None
        )
        expected = expected_scores(tower, image, masks, present, crop, size)
        torch.testing.assert_close(ranking.scores[present], expected, atol=close, rtol=1e-4)
        evidence = ranking.evidence
        parts = evidence["v_scores"] + 0.1 * evidence["p_scores"] + 0.7 * evidence["n_scores"]
        torch.testing.assert_close(evidence["unrectified"], parts)
        assert ranking.scores[3].isneginf() and evidence["image_caption"] is None


def authors_choice(scores, masks, direction):
    """The authors' four quadrants, with whole-pixel centres and strict medians; written from their description."""
    centres = [tuple(int(np.mean(axis)) for axis in np.where(mask)) for mask in masks.numpy()]
    middle_row, middle_column = (np.median([centre[axis] for centre in centres]) for axis in (0, 1))
    wanted = []
    for index, (row, column) in enumerate(centres):
        good = {"left": column < middle_column, "right": column >= middle_column,
                "top": row < middle_row, "bottom": row >= middle_row}  # fmt: skip
        if all(good[word] for word in direction.split()):
            wanted.append(index)
    among = wanted or range(len(scores))
    return max(among, key=lambda index: scores[index])


@pytest.mark.parametrize("direction", ["left", "right", "top", "bottom", "top left", "bottom right", "bottom left"])
def test_official_choice(vit, image, masks, present, direction):
    chosen = masks[present]
    captions = [CAPTIONS[row] for row in present]
    scene = SceneFeatures(image, chosen, vit.clip)
    given = {"captions": captions, "negatives": NEGATIVES}
    free = get_method("tas", "official").predict(scene, SENTENCE, direction=None, **given)
    ranking = get_method("tas", "official").predict(scene, SENTENCE, direction=direction, **given)
    assert ranking.chosen == authors_choice(free.scores.tolist(), chosen, direction)
    assert ranking.chosen == int(ranking.scores.argmax())
    torch.testing.assert_close(ranking.evidence["unrectified"], free.scores)
    assert ranking.evidence["direction"] == direction or ranking.evidence["direction"] is None


def test_modules_one_by_one(scene):
    given = {"captions": CAPTIONS, "negatives": NEGATIVES, "direction": "left"}
    whole = get_method("tas").predict(scene, SENTENCE, **given).evidence
    for name, part in (("v_score", "v_scores"), ("p_score", "p_scores"), ("n_score", "n_scores")):
        off = get_method("tas", **{name: False}).predict(scene, SENTENCE, **given).evidence
        weight = {"v_scores": 1, "p_scores": 0.1, "n_scores": 0.7}[part]
        torch.testing.assert_close(off["unrectified"] + weight * whole[part], whole["unrectified"])
        assert part not in off
    free = get_method("tas", rectifier=False).predict(scene, SENTENCE, **given)
    assert "halves" not in free.evidence and torch.isfinite(free.scores[[0, 1, 2, 4, 5, 6]]).all()
    alone = get_method("tas", p_score=False, n_score=False, rectifier=False).predict(scene, SENTENCE).scores
    torch.testing.assert_close(alone, get_method("cropping").predict(scene, SENTENCE).scores)
    text = get_method("text-only").predict(scene, SENTENCE, captions=CAPTIONS).scores
    torch.testing.assert_close(text[:3], whole["p_scores"][:3])


def test_captions_and_negatives_are_computed_where_not_given(scene):
    captioner = scene.captioner
    ranking = get_method("tas").predict(scene, SENTENCE)
    evidence = ranking.evidence
    assert evidence["captions"] == tuple(CAPTIONS) and evidence["image_caption"] == captioner.image
    assert evidence["negatives"] == ("a photo of a bus", "a photo of a dog", "a photo of the street")
    assert evidence["dropped_negatives"] == {} and evidence["negative_scores"].shape == (7, 3)
    dog = get_method("tas").predict(scene, "the brown dog")
    assert "a photo of a dog" not in dog.evidence["negatives"] and "a dog" in dog.evidence["dropped_negatives"]
    assert captioner.calls == [("blur", {"square": "none", "sigma": 11.6}), "image"]  # once for all expressions
    get_method("tas", "official").predict(scene, SENTENCE)
    assert captioner.calls[2] == ("blur", {"square": "pad", "sigma": 11.6}) and len(captioner.calls) == 3
    get_method("tas", caption={"style": "black"}).predict(scene, SENTENCE)
    assert captioner.calls[3][0] == "black"
    replaced = get_method("tas").predict(scene, "the brown dog", image_caption="a tree")
    assert replaced.evidence["negatives"] == ("a photo of a tree",)
    assert get_method("tas", prefix="").predict(scene, "x", image_caption="a tree").evidence["negatives"] == ("a tree",)


def test_the_direction_comes_from_the_parser_or_is_given(scene):
    assert get_method("tas").predict(scene, "the left cat").evidence["direction"] == "left"
    assert get_method("tas").predict(scene, "the left cat", direction="right").evidence["direction"] == "right"
    assert get_method("tas").predict(scene, "the left cat", direction=None).evidence["direction"] is None
    halves = get_method("tas").predict(scene, "the cat on the right").evidence["halves"]
    assert set(halves) == {"left", "right", "top", "bottom"} and halves["left"].shape == (7,)


def test_no_negatives_left(scene):
    for given in ({"negatives": []}, {"image_caption": "a cat"}):
        evidence = get_method("tas").predict(scene, "the cat", captions=CAPTIONS, **given).evidence
        assert evidence["negatives"] == () and not evidence["n_scores"].any()
        assert evidence["negative_scores"].shape == (7, 0)


def test_empty_captions_count_as_object(vit, image, masks):
    captions = ["a cat", "", " ", "", "a dot", "two birds", "half a cat"]  # the fourth mask is empty too
    scene = SceneFeatures(image, masks, vit.clip, captioner=FixedCaptioner(captions, image=" "))
    with pytest.warns(ZsrisWarning) as caught:
        ranking = get_method("tas").predict(scene, SENTENCE)
        get_method("tas").predict(scene, "the dog")
    texts = [str(one.message) for one in caught]
    assert len(texts) == 2 and "2 of 7" in texts[0] + texts[1] and "no negative" in texts[0] + texts[1]
    assert ranking.evidence["empty_captions"] == (1, 2) and ranking.evidence["captions"][1] == "object"
    captioned = vit.clip.embed_texts(["object", SENTENCE])
    torch.testing.assert_close(ranking.evidence["p_scores"][1], F.cosine_similarity(captioned[0], captioned[1], dim=0))
    assert ranking.evidence["negatives"] == () and ranking.chosen is not None
    with pytest.warns(ZsrisWarning, match="Text-only|captions"):
        fresh = SceneFeatures(image, masks, vit.clip, captioner=FixedCaptioner(captions))
        assert get_method("text-only").predict(fresh, SENTENCE).evidence["empty_captions"] == (1, 2)


def test_rank_many_embeds_all_texts_at_once(vit, image, masks):
    scene = SceneFeatures(image, masks, vit.clip, captioner=FixedCaptioner(CAPTIONS))
    before = vit.clip.calls.texts
    expressions = [SENTENCE, "the left cat", "the dog"]
    rankings = get_method("tas").predict_many(scene, expressions)
    assert vit.clip.calls.texts - before == len({*expressions, *CAPTIONS}) + 3  # three negatives
    for expression, ranking in zip(expressions, rankings, strict=True):
        alone = get_method("tas").predict(
            SceneFeatures(image, masks, vit.clip, captioner=FixedCaptioner(CAPTIONS)), expression
        )
        torch.testing.assert_close(ranking.scores, alone.scores, atol=1e-5, rtol=0)
    given = get_method("tas").predict_many(scene, expressions, captions=CAPTIONS[::-1])
    assert given[1].evidence["captions"] == tuple(CAPTIONS[::-1])


def test_no_or_one_proposal(vit, image, masks):
    none = SceneFeatures(image, [], vit.clip, captioner=FixedCaptioner())
    for name in ("tas", "text-only"):
        assert get_method(name).predict(none, SENTENCE).chosen is None
        assert get_method(name).predict_many(none, [SENTENCE])[0].chosen is None
    one = SceneFeatures(image, masks[:1], vit.clip, captioner=FixedCaptioner(CAPTIONS[:1]))
    assert get_method("tas").predict(one, "the left cat").chosen == 0


def test_settings_of_the_datasets():
    names = ("refcoco", "refcoco+", "refcocog", "RefCOCOg", "phrasecut")
    assert [Tas.for_dataset(name).config.lam for name in names] == [
        0.7, 0.7, 1.0, 1.0, 0.7,
    ]  # fmt: skip
    assert Tas.for_dataset("scenes").config.lam == 0.3
    method = Tas.for_dataset("refcocog", "official", alpha=0.3)
    assert (method.config.lam, method.config.alpha, method.config.crop.square) == (1.0, 0.3, "pad")


def test_what_is_wrong_says_so(scene):
    for wrong in ({"alpha": -1}, {"lam": float("nan")}, {"halves": "x"}, {"caption": {"style": "x"}},
                  {"synonymy": {"noun": "x"}}, {"crop": {"fill": "x"}}, {"synonymy": {"min_pairs": 0}}):  # fmt: skip
        with pytest.raises(InvalidInputError):
            get_method("tas", **wrong)
    with pytest.raises(InvalidInputError, match="all off"):
        get_method("tas", v_score=False, p_score=False, n_score=False)
    with pytest.raises(InvalidInputError, match="2 captions were given for 7"):
        get_method("tas").predict(scene, SENTENCE, captions=["a", "b"])
    for wrong in ({"captions": "a cat"}, {"negatives": "a cat"}, {"negatives": [1]}, {"image_caption": 3}):
        with pytest.raises(InvalidTypeError, match=next(iter(wrong))):
            get_method("tas").predict(scene, SENTENCE, **wrong)
    with pytest.raises(InvalidInputError, match="north"):
        get_method("tas").predict(scene, SENTENCE, direction="north")
    with pytest.raises(InvalidInputError, match="sigma"):
        get_method("text-only", caption={"sigma": -1})


def test_blurred_input_for_clip(vit, image, masks, present):
    """Table 5's other input: the crop's background blurred."""
    scene = SceneFeatures(image, masks, vit.clip)
    scores = get_method("tas", crop={"fill": "blur", "sigma": 4.0}).predict(
        scene, SENTENCE, captions=CAPTIONS, negatives=NEGATIVES, direction=None
    )
    crop = get_method("cropping", crop={"fill": "blur", "sigma": 4.0}).predict(scene, SENTENCE)
    torch.testing.assert_close(scores.evidence["v_scores"][present], crop.scores[present])
