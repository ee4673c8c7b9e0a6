"""Which captioner a scene asks, and how often."""

from __future__ import annotations

import pytest

from tests.methods.test_tas import CAPTIONS, FixedCaptioner
from zsris_viz.errors import InvalidInputError, InvalidTypeError, ZsrisWarning
from zsris_viz.methods import SceneFeatures


@pytest.fixture
def shared(monkeypatch):
    """The captioners that were asked for by name."""
    import zsris_viz.captioning as captioning

    calls = []
    monkeypatch.setattr(captioning, "shared_captioner", lambda name: calls.append(name) or FixedCaptioner(CAPTIONS))
    return calls


def test_the_miniature_for_the_miniature(vit, image, masks, shared, monkeypatch, recwarn):
    monkeypatch.setattr(vit.clip, "name", "miniature")
    scene = SceneFeatures(image, masks, vit.clip)
    assert scene.region_captions() == CAPTIONS and scene.captioner.calls == [("blur", {})]
    assert not [one for one in recwarn if issubclass(one.category, ZsrisWarning)]
    assert scene.image_caption().startswith("a bus") and shared == ["miniature"]


def test_another_model_is_warned(vit, image, masks, shared):
    scene = SceneFeatures(image, masks, vit.clip)
    with pytest.warns(ZsrisWarning, match="drawn scenes"):
        scene.region_captions()
    scene.image_caption()
    assert shared == ["miniature"]


def test_a_captioner_by_name(vit, image, masks, shared):
    scene = SceneFeatures(image, masks, vit.clip, captioner="git-base")
    assert scene.region_captions("black") == CAPTIONS and shared == ["git-base"]
    wrong = SceneFeatures(image, masks, vit.clip, captioner=7)
    with pytest.raises(InvalidTypeError, match="int"):
        wrong.region_captions()


def test_captions_are_asked_for_once_a_style(vit, image, masks):
    captioner = FixedCaptioner(CAPTIONS)
    scene = SceneFeatures(image, masks, vit.clip, captioner=captioner)
    for _ in range(2):
        scene.region_captions()
        scene.region_captions(sigma=3.0)
        scene.region_captions("black", square="pad")
        scene.image_caption()
    assert captioner.calls == [("blur", {}), ("blur", {"sigma": 3.0}), ("black", {"square": "pad"}), "image"]


def test_a_real_captioner_refuses_an_unknown_style(vit, image, masks):
    from zsris_viz.captioning import Captioner

    class Never(Captioner):
        settings = {}  # noqa: RUF012 - a plain stand-in

        def _generate(self, images):
            raise AssertionError("not used")

    scene = SceneFeatures(image, masks, vit.clip, captioner=Never("never", cache=False))
    with pytest.raises(InvalidInputError, match="style"):
        scene.region_captions("grey")
