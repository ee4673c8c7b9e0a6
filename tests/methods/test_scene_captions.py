"""Which captioner a scene asks, and how often."""

from __future__ import annotations

import pytest

from tests.methods.test_tas import CAPTIONS, FixedCaptioner
from zsris_viz.errors import InvalidTypeError, ZsrisWarning
from zsris_viz.methods import SceneFeatures
from zsris_viz.methods.captions import CaptionVariant, caption_image, caption_regions


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
    assert caption_regions(scene, CaptionVariant()) == CAPTIONS and scene.captioner.calls == [
        ("blur", {"square": "none", "sigma": 11.6})
    ]
    assert not [one for one in recwarn if issubclass(one.category, ZsrisWarning)]
    assert caption_image(scene).startswith("a bus") and shared == ["miniature"]


def test_another_model_is_warned(vit, image, masks, shared):
    scene = SceneFeatures(image, masks, vit.clip)
    with pytest.warns(ZsrisWarning, match="drawn scenes"):
        caption_regions(scene, CaptionVariant())
    caption_image(scene)
    assert shared == ["miniature"]


def test_a_captioner_by_name(vit, image, masks, shared):
    scene = SceneFeatures(image, masks, vit.clip, captioner="git-base")
    assert caption_regions(scene, CaptionVariant(style="black")) == CAPTIONS and shared == ["git-base"]
    wrong = SceneFeatures(image, masks, vit.clip, captioner=7)
    with pytest.raises(InvalidTypeError, match="int"):
        caption_regions(wrong, CaptionVariant())


def test_captions_are_asked_for_once_a_style(vit, image, masks):
    captioner = FixedCaptioner(CAPTIONS)
    scene = SceneFeatures(image, masks, vit.clip, captioner=captioner)
    for _ in range(2):
        caption_regions(scene, CaptionVariant())
        caption_regions(scene, CaptionVariant(sigma=3.0))
        caption_regions(scene, CaptionVariant(style="black", square="pad"))
        caption_image(scene)
    expected = [
        ("blur", {"square": "none", "sigma": 11.6}),
        ("blur", {"square": "none", "sigma": 3.0}),
        ("black", {"square": "pad", "sigma": 11.6}),
        "image",
    ]
    assert captioner.calls == expected
