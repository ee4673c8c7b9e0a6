"""Every kind of image that people have comes out as upright 8-bit RGB, or with an error that says what to do."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError
from zsris_viz.images import open_image


def gradient(height: int = 20, width: int = 30) -> np.ndarray:
    """(H, W, 3) uint8 with red growing to the right and green downwards."""
    array = np.zeros((height, width, 3), np.uint8)
    array[..., 0] = np.linspace(0, 255, width)[None]
    array[..., 1] = np.linspace(0, 255, height)[:, None]
    return array


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp"])
def test_files_keep_their_pixels(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(gradient()).save(path, **({"lossless": True} if suffix == "webp" else {}))
    for source in (path, str(path)):
        image = open_image(source)
        assert image.mode == "RGB" and np.array_equal(np.asarray(image), gradient())


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "PA", "CMYK", "YCbCr", "HSV", "F", "I", "RGBA", "RGBa"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    source = Image.new("RGB", (5, 4), (255, 255, 255))
    steps = {"F": ["L"], "I": ["L"], "LA": ["L"], "PA": ["L", "P"], "RGBa": ["RGBA"]}.get(mode, [])
    for step in [*steps, mode]:
        source = source.convert(step)
    image = open_image(source)
    assert image.mode == "RGB" and image.size == (5, 4)
    assert np.asarray(image).min() >= 253


def test_lab() -> None:
    from PIL import ImageCms

    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    source = ImageCms.profileToProfile(Image.new("RGB", (5, 4), (250, 250, 250)), rgb, lab, outputMode="LAB")
    assert np.asarray(open_image(source)).min() >= 240


def test_transparency_is_composited_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = (255, 0, 0, 255)
    rgba[0, 1] = (255, 0, 0, 128)
    path = tmp_path / "a.png"
    Image.fromarray(rgba).save(path)
    for source in (path, rgba):
        array = np.asarray(open_image(source))
        assert array[0, 0].tolist() == [255, 0, 0]
        assert array[1, 1].tolist() == [255, 255, 255]
        assert array[0, 1, 0] == 255 and 120 < array[0, 1, 1] < 135
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([10, 20, 30] + [0] * 765)
    palette.info["transparency"] = 0
    assert np.asarray(open_image(palette)).min() == 255


def test_sixteen_bits(tmp_path: Path) -> None:
    values = np.array([[0, 257 * 100, 65535]], np.uint16)
    path = tmp_path / "deep.png"
    Image.fromarray(values).save(path)
    for source in (path, values, Image.fromarray(values.astype(np.int32))):
        assert np.asarray(open_image(source))[0, :, 0].tolist() == [0, 100, 255]
    with pytest.raises(InvalidInputError, match="scale it"):
        open_image(Image.fromarray(np.array([[0, 100_000]], np.int32)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = Image.fromarray(gradient())
    undo = {2: [0], 3: [3], 4: [1], 5: [5], 6: [2], 7: [6], 8: [4]}.get(orientation, [])
    stored = upright
    for method in undo:
        stored = stored.transpose(Image.Transpose(method))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "rotated.png"
    stored.save(path, exif=exif)
    assert np.array_equal(np.asarray(open_image(path)), gradient())


def test_one_pixel() -> None:
    assert np.asarray(open_image(Image.new("L", (1, 1), 7))).tolist() == [[[7, 7, 7]]]
    assert open_image(np.zeros((1, 1), np.uint8)).size == (1, 1)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_truncated_files(tmp_path: Path, suffix: str) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (60, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, {"jpg": "jpeg"}.get(suffix, suffix))
    path = tmp_path / f"cut.{suffix}"
    for share in (0.02, 0.5, 0.9):
        path.write_bytes(buffer.getvalue()[: int(len(buffer.getvalue()) * share)])
        with pytest.raises(CorruptFileError, match="cut"):
            open_image(path)


def test_what_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "note.jpg"
    path.write_text("this is no image")
    with pytest.raises(CorruptFileError, match="not an image"):
        open_image(path)
    path.write_bytes(b"")
    with pytest.raises(CorruptFileError):
        open_image(path)
    with pytest.raises(InvalidInputError, match="does not exist"):
        open_image(tmp_path / "missing.png")
    with pytest.raises(InvalidInputError, match="is a folder"):
        open_image(tmp_path)
    with pytest.raises(InvalidInputError, match="downloads no images"):
        open_image("https://example.org/cat.jpg")
    with pytest.raises(InvalidTypeError, match="list"):
        open_image([[1, 2, 3]])  # type: ignore[arg-type]


def test_too_many_pixels(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (400, 300)).save(path)
    with pytest.raises(InvalidInputError, match="max_pixels=100,000"):
        open_image(path, max_pixels=100_000)
    assert open_image(path, max_pixels=120_000).size == (400, 300)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 20, 30), np.uint8), "transpose"),
        (np.zeros((20, 30, 5), np.uint8), "accepted"),
        (np.zeros((0, 30, 3), np.uint8), "at least one pixel"),
        (np.zeros(7, np.uint8), "accepted"),
        (np.full((2, 2, 3), 200.0), "0-1"),
        (np.full((2, 2, 3), np.nan), "0-1"),
        (np.full((2, 2, 3), -1), "accepted"),
        (torch.randn(3, 9, 9, generator=torch.Generator().manual_seed(0)), "normalisation"),
    ],
)
def test_arrays_that_are_no_images(array: np.ndarray, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        open_image(array)


def test_arrays_and_tensors() -> None:
    array = gradient()
    tensor = torch.from_numpy(array)
    for source in (
        array,
        tensor,
        tensor.permute(2, 0, 1),
        array / 255,
        tensor.permute(2, 0, 1).float() / 255,
        array.astype(int),
    ):
        assert np.array_equal(np.asarray(open_image(source)), array)
    grey = array[..., 0]
    for source in (grey, grey[..., None], torch.from_numpy(grey)[None]):
        assert np.array_equal(np.asarray(open_image(source)), np.repeat(grey[..., None], 3, -1))
    assert np.asarray(open_image(np.array([[True, False]])))[0, :, 0].tolist() == [255, 0]


def test_the_source_is_not_changed() -> None:
    source = Image.fromarray(gradient())
    image = open_image(source)
    image.putpixel((0, 0), (9, 9, 9))
    assert source.getpixel((0, 0)) == (0, 0, 0)


def rotated_file(mode: str) -> bytes:
    """A file of 6 x 4 pixels, the upper two rows bright, that says it is to be turned by 180 degrees."""
    pixels = np.zeros((4, 6), np.uint16 if mode == "I;16" else np.uint8)
    pixels[:2] = 50_000 if mode == "I;16" else 194
    exif = Image.Exif()
    exif[0x0112] = 3
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["L", "I;16"])
def test_a_rotation_is_applied_or_not_in_any_mode(tmp_path: Path, mode: str) -> None:
    (tmp_path / "image.png").write_bytes(rotated_file(mode))
    for source in (tmp_path / "image.png", rotated_file(mode)):
        turned, stored = np.asarray(open_image(source)), np.asarray(open_image(source, upright=False))
        assert (stored[:2] // 2 == 97).all() and not stored[2:].any()
        assert (turned[2:] // 2 == 97).all() and not turned[:2].any()
    again = open_image(open_image(rotated_file(mode), upright=False))
    assert np.array_equal(np.asarray(again), stored)  # what was not wanted is not applied later


def test_decompression_bombs_and_odd_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Image.new("1", (400, 400)).save(file, "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InvalidInputError, match="too many pixels"):
        open_image(file.getvalue())
    monkeypatch.undo()
    with pytest.raises(InvalidInputError, match="max_pixels"):
        open_image(file.getvalue(), max_pixels=1000)
    for raw in (b"", b"text", file.getvalue()[:60]):
        with pytest.raises(CorruptFileError):
            open_image(raw)
    for name in ("n" * 300, "a\0b"):
        with pytest.raises(InvalidInputError, match="does not exist"):
            open_image(tmp_path / name)
