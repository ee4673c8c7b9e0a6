"""The interface of captioners: order, batches, and what is kept on disk under which circumstances."""

import os

import numpy as np
import pytest
from PIL import Image

from zsris_viz.captioning import Captioner, captioner_names, load_captioner
from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.io.cache import DiskCache
from zsris_viz.masks import Masks


class Sizes(Captioner):
    """Says how large a picture is and its mean, with white space around it."""

    def __init__(self, word="size", **more):
        super().__init__("sizes", **more)
        self.word = word
        self.batches = []

    @property
    def settings(self):
        return {"word": self.word}

    def _generate(self, images):
        self.batches.append(len(images))
        return [f"  {self.word} {image.width}\n {image.height} {np.asarray(image).mean():.3f} " for image in images]


@pytest.fixture
def image():
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (30, 40, 3), dtype=np.uint8))


@pytest.fixture
def masks():
    data = np.zeros((5, 30, 40), dtype=bool)
    for row in range(4):
        data[row, row : row + 5, 3 : 9 + row] = True
    return Masks(data)


def test_order_batches_and_empty_masks(image, masks):
    captioner = Sizes(batch_size=3, cache=False)
    captions = captioner.caption_regions(image, masks, "none")
    assert [caption.split()[:3] for caption in captions[:4]] == [["size", str(6 + row), "5"] for row in range(4)]
    assert captions[4] == "" and captioner.batches == [3, 1] and captioner.calls == 4
    assert captioner.caption_images([image, image.resize((9, 8))]) == [
        f"size 40 30 {np.asarray(image).mean():.3f}",
        f"size 9 8 {np.asarray(image.resize((9, 8))).mean():.3f}",
    ]
    assert captioner.caption_images(np.asarray(image))[0].startswith("size 40 30")
    assert captioner.caption_regions(image, masks.select([4])) == [""]
    assert captioner.caption_regions(image, Masks.from_arrays([], size=(30, 40))) == []


def test_progress_is_reported_after_every_few_captions_and_may_stop_them(tmp_path, image, masks, monkeypatch):
    monkeypatch.setattr("zsris_viz.captioning.base.REPORTED", 2)
    seen = []
    captioner = Sizes(cache=DiskCache(tmp_path))

    def stop(done, total):
        seen.append((done, total))
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        captioner.caption_regions(image, masks, progress=stop)
    assert seen == [(0, 4), (2, 4)] and captioner.batches == [2]
    captions = captioner.caption_regions(image, masks, progress=lambda done, total: seen.append((done, total)))
    assert seen[2:] == [(0, 2)] and captioner.batches == [2, 2]  # what was finished is kept
    assert captions == Sizes(cache=False).caption_regions(image, masks)


def test_equal_pictures_are_described_once(image):
    captioner = Sizes(cache=False)
    assert len(set(captioner.caption_images([image, image.copy()]))) == 1 and captioner.calls == 1


def test_a_caption_is_kept_by_image_mask_style_and_model(tmp_path, image, masks):
    def generated(word="size", picture=image, held=masks, **style):
        captioner = Sizes(word, cache=DiskCache(tmp_path))
        captioner.caption_regions(picture, held, **style)
        return captioner.calls

    assert generated() == 4 and generated() == 0
    assert generated(held=masks.select([2, 0])) == 0  # a mask is known in whatever company
    assert generated(sigma=5.0) == 4 and generated(style="black") == 4 and generated(style="black", sigma=5.0) == 0
    assert generated(square="pad") == 4 and generated(margin=0.1) == 4 and generated("word") == 4
    changed = np.asarray(image).copy()
    changed[29, 39, 0] ^= 1
    assert generated(picture=Image.fromarray(changed)) == 4
    moved = masks.data.clone()
    moved[0, 20, 20] = True
    assert generated(held=Masks(moved)) == 1
    whole = Sizes(cache=DiskCache(tmp_path))
    whole.caption_images(image)
    assert whole.calls == 1


def test_a_damaged_entry_and_a_folder_that_cannot_be_written(tmp_path, image, masks):
    cache = DiskCache(tmp_path / "kept")
    first = Sizes(cache=cache).caption_regions(image, masks)
    entries = sorted(cache.entries())
    assert len(entries) == 4
    entries[0].write_bytes(entries[0].read_bytes()[:-3])
    again = Sizes(cache=DiskCache(tmp_path / "kept"))
    with pytest.warns(ZsrisWarning, match="damaged"):
        assert again.caption_regions(image, masks) == first
    assert again.calls == 1
    (tmp_path / "file").write_text("no folder")
    blocked = Sizes(cache=DiskCache(tmp_path / "file" / "below"))
    with pytest.warns(ZsrisWarning, match="cannot be"):
        assert blocked.caption_regions(image, masks) == first


def test_where_captions_are_kept(tmp_path, monkeypatch, image):
    monkeypatch.setenv("ZSRIS_CACHE", str(tmp_path))
    captioner = Sizes()
    captioner.caption_images(image)
    assert captioner.cache.folder == tmp_path / "captions" and len(list(captioner.cache.entries())) == 1
    monkeypatch.setenv("ZSRIS_CACHE", "off")
    assert Sizes().cache is None


def test_names_and_what_is_no_captioner(tmp_path):
    assert captioner_names()[0] == "miniature" and "blip2-opt-2.7b" in captioner_names()
    own = Sizes(cache=False)
    assert load_captioner(own) is own
    with pytest.raises(InvalidTypeError, match="batch_size"):
        load_captioner(own, batch_size=2)
    with pytest.raises(InvalidInputError, match="miniature, git-base"):
        load_captioner("the best one")
    with pytest.raises(InvalidTypeError, match="int"):
        load_captioner(3)
    with pytest.raises(UnavailableError, match=r"config.json"):
        load_captioner(tmp_path)
    with pytest.raises(InvalidInputError, match="batch_size"):
        Sizes(batch_size=0)
    with pytest.raises(InvalidTypeError, match="cache"):
        Sizes(cache=str(tmp_path))
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    with pytest.raises(UnavailableError, match="miniature"):
        load_captioner("nobody/nothing-git")
