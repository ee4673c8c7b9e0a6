"""`segment`: from any image and text to a mask, a picture, or an error that says what to do."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter

from tests.evaluation.small_world import ByHash, NoClip
from tests.factories import tiny_vit_clip
from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError, ZsrisWarning
from zsris_viz.masks import Masks
from zsris_viz.segmentation import COLOUR, Segmentation, segment

LONG = "the cat that sits on the mat " * 80


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """A red disc and a blue box on grey noise, 90 x 120."""
    noise = np.random.default_rng(0).normal(128, 6, (90, 120, 3)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(noise)
    ImageDraw.Draw(image).ellipse((10, 15, 50, 55), fill=(200, 20, 20))
    ImageDraw.Draw(image).rectangle((70, 30, 105, 70), fill=(20, 20, 220))
    return image


@pytest.fixture(scope="module")
def clip() -> Any:
    return tiny_vit_clip()


def quick(image: Any, expression: Any = "the cat", **options: Any) -> Segmentation:
    """With a method that asks no model."""
    return segment(image, expression, **{"method": ByHash(), "clip": NoClip(), **options})


def test_any_image_gives_a_mask_of_its_size(photo: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    photo.save(path, quality=95)
    found = quick(path)
    assert found.mask.shape == (90, 120) and found.mask.dtype == bool and found.mask.any()
    assert isinstance(found.mask, np.ndarray) and found.image.size == (120, 90)
    assert found.prediction.chosen is not None and found.proposals == "felzenszwalb"
    assert np.array_equal(found.mask, found.scene.masks[found.prediction.chosen].numpy())
    for image in (photo.convert("L"), photo.convert("RGBA"), photo.convert("CMYK"), np.asarray(photo)):
        assert quick(image).mask.shape == (90, 120)


def test_a_real_method_on_a_tiny_tower(photo: Image.Image, clip: Any) -> None:
    found = segment(photo, "the cat", clip=clip, noun_phrase="the cat")
    assert found.prediction.method == "global-local" and torch.isfinite(found.prediction.scores).all()
    again = segment(photo, "the cat", "global-local", clip, noun_phrase="the cat")
    assert np.array_equal(found.mask, again.mask)
    official = segment(photo, "the cat", clip=clip, preset="official", noun_phrase="the cat")
    assert not torch.allclose(official.prediction.scores, found.prediction.scores)


def test_a_large_image_is_worked_on_small(photo: Image.Image) -> None:
    large = photo.resize((1200, 900))
    found = quick(large, max_side=120)
    assert found.mask.shape == (900, 1200) and found.scene.size == (90, 120) and found.image.size == (1200, 900)
    share = found.scene.masks[found.prediction.chosen].float().mean()
    assert found.mask.mean() == pytest.approx(float(share), rel=0.05)
    assert quick(photo, max_side=None).scene.size == (90, 120)


def test_given_masks(photo: Image.Image) -> None:
    masks = np.zeros((3, 90, 120), bool)
    masks[0, :40] = masks[1, 40:] = masks[2] = True  # two halves, and a full one that overlaps both
    for given in (masks, list(masks), Masks(masks), torch.from_numpy(masks)):
        found = quick(photo, proposals=given, max_side=50)
        assert found.prediction.chosen is not None and np.array_equal(found.mask, masks[found.prediction.chosen])
        assert found.proposals == "given masks"
    single = quick(photo, proposals=masks[0])
    assert np.array_equal(single.mask, masks[0])
    with pytest.raises(InvalidInputError, match="transposed"):
        quick(photo, proposals=masks.transpose(0, 2, 1))
    with pytest.raises(InvalidInputError, match="90 x 120"):
        quick(photo, proposals=masks[:, :50])


def test_empty_masks_are_never_chosen(photo: Image.Image) -> None:
    masks = np.zeros((4, 90, 120), bool)
    masks[2, 3:9, 3:9] = True
    assert quick(photo, proposals=masks).prediction.chosen == 2
    with pytest.warns(ZsrisWarning, match="all 4 proposals are empty"):
        found = quick(photo, proposals=np.zeros((4, 90, 120), bool))
    assert found.prediction.chosen is None and not found.mask.any()


@pytest.mark.parametrize("image", [Image.new("RGB", (1, 1)), Image.new("RGB", (80, 50), "white")])
def test_without_proposals_the_mask_is_empty(image: Image.Image) -> None:
    with pytest.warns(ZsrisWarning, match="load_proposals"):
        found = quick(image)
    assert found.mask.shape == (image.height, image.width) and not found.mask.any()
    assert found.prediction.chosen is None and len(found.prediction.scores) == 0
    assert found.plot() is not None and found.overlay().size == image.size and "no mask" in repr(found)
    with pytest.warns(ZsrisWarning, match="the given list"):
        quick(image, proposals=[])


@pytest.mark.parametrize("expression", ["", "   ", "\n\t"])
def test_an_empty_expression_is_refused_before_anything_is_loaded(expression: str) -> None:
    with pytest.raises(InvalidInputError, match="empty"):
        segment("no such file.png", expression, clip="no such model")


def test_five_hundred_words_are_cut_with_a_warning(photo: Image.Image, clip: Any) -> None:
    with pytest.warns(ZsrisWarning, match="lost"):
        found = segment(photo, LONG, clip=clip, noun_phrase="the cat")
    assert found.prediction.chosen is not None and len(found._repr_html_()) < 10**6


@pytest.mark.parametrize("expression", ["der rote Ball links", "左边的猫", "🐈‍⬛ 🙂", "12 34"])
def test_other_languages_are_read_as_they_are(photo: Image.Image, clip: Any, expression: str) -> None:
    found = segment(photo, expression, "cropping", clip)
    assert found.prediction.expression == expression and found.mask.any()


def test_wrong_arguments(photo: Image.Image, tmp_path: Path) -> None:
    for options, words in (
        ({"method": "nonsense"}, "global-local"),
        ({"proposals": "nonsense"}, "felzenszwalb"),
        ({"proposals": "ground-truth"}, "photograph has none"),
        ({"max_side": 3}, "max_side"),
        ({"method": "cropping", "preset": "best"}, "preset"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            quick(photo, **options)
    with pytest.raises(InvalidInputError, match="does not exist"):
        quick(tmp_path / "missing.png")
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(CorruptFileError):
        quick(tmp_path / "cut.png")
    with pytest.raises(InvalidTypeError, match="colour"):
        quick(photo, colour="red")
    for proposals in (None, 3, "meta"):
        given = torch.zeros(1, photo.height, photo.width, device="meta") if proposals == "meta" else proposals
        with pytest.raises(InvalidTypeError, match="asks"):
            quick(photo, proposals=given)


def test_the_note_says_which_model_was_used(photo: Image.Image) -> None:
    small, other = quick(photo, clip=NoClip("miniature")), quick(photo, clip=NoClip("RN50"))
    assert "drawn scenes" in small.note and "Model miniature, method by-hash, masks: felzenszwalb" in small.note
    assert "drawn" not in other.note and "RN50" in other.note and "RN50" in repr(other)


def test_pictures(photo: Image.Image, tmp_path: Path) -> None:
    found = quick(photo, '<b>"cat" & dog')
    overlay = np.asarray(found.overlay())
    assert np.array_equal(overlay[found.mask], np.asarray(photo)[found.mask])
    assert not np.array_equal(overlay, np.asarray(photo))
    grown = np.asarray(Image.fromarray(found.mask).convert("L").filter(ImageFilter.MaxFilter(3))) > 0
    assert np.array_equal((overlay == COLOUR).all(axis=2) & ~found.mask, grown & ~found.mask)  # the outline
    assert Image.open(io.BytesIO(found._repr_png_())).size == (120, 90)
    assert '<b>"cat"' not in found._repr_html_() and "&lt;b&gt;" in found._repr_html_()
    assert Image.open(found.save(tmp_path / "overlay.png")).size == (120, 90)
    assert found.save(tmp_path / "plain").name == "plain.png"
    for path, words in ((tmp_path / "none" / "x.png", "make it first"), (tmp_path / "x.doc", r"\.png")):
        with pytest.raises(InvalidInputError, match=words):
            found.save(path)
    assert len(found.plot(top=3).axes) == 4
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert found.plot(ax) is ax.figure and ax.images


def test_no_warning_when_all_is_well(photo: Image.Image) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ZsrisWarning)
        quick(photo)
