from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from tests.factories import tiny_vit_clip
from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.models.preprocessing import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    PRESETS,
    Preprocess,
    get_preprocess,
)


@pytest.fixture(scope="module")
def wide() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (90, 140, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((280, 180))


def torchvision(*steps: object) -> v2.Compose:
    return v2.Compose([*steps])


def to_tensor(mean: tuple, std: tuple) -> list:
    return [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)]


def test_default_squashes_with_clips_filter_and_colours(wide):
    squash = v2.Resize((224, 224), interpolation=v2.InterpolationMode.BICUBIC)
    expected = torchvision(squash, *to_tensor(CLIP_MEAN, CLIP_STD))(wide)
    torch.testing.assert_close(PRESETS["clip"].image(wide), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("turned", [False, True])
def test_center_is_clips_own_transform(wide, turned):
    image = wide.transpose(Image.Transpose.ROTATE_90) if turned else wide
    resize = v2.Resize(224, interpolation=v2.InterpolationMode.BICUBIC)
    expected = torchvision(resize, v2.CenterCrop(224), *to_tensor(CLIP_MEAN, CLIP_STD))(image)
    torch.testing.assert_close(PRESETS["clip-center"].image(image), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "antialias"), [("glclip-direct", False), ("hybridgl", False), ("copatch", True)])
def test_official_presets_normalise_at_full_size_then_squash_bilinearly(wide, name, antialias):
    normalised = torchvision(*to_tensor(IMAGENET_MEAN, IMAGENET_STD))(wide)
    preset = PRESETS[name]
    torch.testing.assert_close(preset.full(wide), normalised, atol=1e-5, rtol=0)
    expected = v2.functional.resize(normalised, [224, 224], antialias=antialias)
    torch.testing.assert_close(preset.image(wide), expected, atol=1e-5, rtol=0)
    assert preset.crop_fill == IMAGENET_MEAN and preset.normalise_first


def test_glclip_takes_the_detour_of_its_loader(wide):
    """The shorter side to 800 by Pillow, normalised; back to the image's size, or straight to the tower's."""
    larger = v2.functional.resize(wide, [800], interpolation=v2.InterpolationMode.BILINEAR)
    assert min(larger.size) == 800
    loaded = torchvision(*to_tensor(IMAGENET_MEAN, IMAGENET_STD))(larger)
    back = v2.functional.resize(loaded, [wide.height, wide.width], antialias=False)
    torch.testing.assert_close(PRESETS["glclip"].full(wide), back, atol=1e-5, rtol=0)
    square = v2.functional.resize(loaded, [224, 224], antialias=False)
    torch.testing.assert_close(PRESETS["glclip"].image(wide), square, atol=1e-5, rtol=0)


def test_antialias_matters_when_shrinking(wide):
    assert (PRESETS["glclip"].image(wide) - PRESETS["copatch"].image(wide)).abs().max() > 0.01


def test_tensors_are_resized_alike(wide):
    for name in ("clip", "clip-center", "copatch"):
        preset = get_preprocess(name, 64)
        by_tensor = preset.resize_tensor(preset.full(wide))
        assert by_tensor.shape == (3, 64, 64)
        assert (by_tensor - preset.image(wide)).abs().mean() < 0.02, name  # 8-bit rounding in between
    stack = torch.rand(2, 5, 3, 20, 30)
    assert PRESETS["clip"].resize_tensor(stack, 12).shape == (2, 5, 3, 12, 12)
    assert PRESETS["clip-center"].resize_tensor(stack, (8, 16)).shape == (2, 5, 3, 8, 16)


def test_denormalise_gives_the_image_back(wide):
    full = PRESETS["clip"].full(wide)
    back = (PRESETS["clip"].denormalise(full) * 255).round().byte().permute(1, 2, 0).numpy()
    assert (back == np.asarray(wide)).all()


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "P", "1"])
def test_other_modes_become_rgb(wide, mode):
    assert PRESETS["clip"].image(wide.convert(mode)).shape == (3, 224, 224)


def test_one_pixel_image(wide):
    one = PRESETS["clip"].image(Image.new("RGB", (1, 1), (255, 0, 0)))
    assert one.shape == (3, 224, 224) and torch.isfinite(one).all()
    assert PRESETS["clip-center"].image(Image.new("RGB", (1, 7))).shape == (3, 224, 224)


def test_what_is_no_image_is_refused():
    with pytest.raises(InvalidTypeError, match="open_image"):
        PRESETS["clip"].image("cat.png")


def test_presets_by_name_and_object():
    assert get_preprocess("glclip", 96).size == 96 and PRESETS["glclip"].size == 224
    own = Preprocess(name="own", interpolation="bilinear")
    assert get_preprocess(own, 32) == Preprocess(name="own", interpolation="bilinear", size=32)
    with pytest.raises(InvalidInputError, match="glclip"):
        get_preprocess("imagenet", 224)


def test_descriptions_tell_the_presets_apart():
    lines = {preset.describe() for preset in PRESETS.values()}
    assert len(lines) == len(PRESETS) and "not antialiased" in PRESETS["glclip"].describe()
    assert PRESETS["clip"].to_dict()["mean"] == CLIP_MEAN


def test_a_clip_carries_its_preprocessing(wide):
    clip = tiny_vit_clip(preprocess="glclip")
    assert clip.preprocess.size == 56 and clip.preprocess.name == "glclip" and "glclip" in repr(clip)
    torch.testing.assert_close(clip.embed_images(wide), clip.embed_images(clip.preprocess.image(wide)))
