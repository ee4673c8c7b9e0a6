"""Published sizes, seeded random weights in OpenAI's layout: our towers against open_clip and transformers."""

from __future__ import annotations

import pytest
import torch

from tests.factories import FULL_SIZES, openai_model
from zsris_viz.models import load_clip

TEXTS = ["the left cat", "a red cup behind the second car from the right", "Don’t wait &amp; see 🐱"]


@pytest.mark.parametrize("name", FULL_SIZES)
def test_features_are_the_libraries(name):
    import open_clip
    from transformers import CLIPModel

    model = openai_model(7, **FULL_SIZES[name])
    clip = load_clip(model.state_dict(), kind="openai", device="cpu")
    pixels = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    ids = open_clip.tokenizer.tokenize(TEXTS)
    with torch.no_grad():
        references = [(model.encode_image(pixels), model.encode_text(ids))]
        if clip.kind == "vit":
            hf = CLIPModel(clip.model.config).eval()
            hf.load_state_dict(clip.model.state_dict())
            references.append((hf.get_image_features(pixels).pooler_output, hf.get_text_features(ids).pooler_output))
    for image_reference, text_reference in references:
        torch.testing.assert_close(clip.embed_images(pixels), image_reference, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(clip.embed_texts(TEXTS), text_reference, atol=1e-5, rtol=1e-5)
    trace = clip.trace_image(pixels)
    if clip.kind == "vit":
        torch.testing.assert_close(clip.resume(trace.layers[9], 9), references[0][0], atol=1e-5, rtol=1e-5)
    else:
        torch.testing.assert_close(clip.pool(trace.map(-1)), references[0][0], atol=1e-5, rtol=1e-5)
