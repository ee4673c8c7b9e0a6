"""The miniature captioner: its pictures and captions, a training that can be stopped anywhere, and its measuring."""

import json

import numpy as np
import pytest
import torch

from zsris_viz.captioning import Captioner, load_captioner
from zsris_viz.errors import CorruptFileError, InvalidInputError
from zsris_viz.miniature import WEIGHTS
from zsris_viz.miniature.training.git_batches import GitBatches, Mixture, as_tensors
from zsris_viz.miniature.training.git_card import card
from zsris_viz.miniature.training.git_data import (
    GIT_SEEDS,
    GitPictures,
    cells_of,
    phrase,
    region_pictures,
    whole_caption,
    whole_picture,
)
from zsris_viz.miniature.training.git_model import build, encode, tokens, word_ids
from zsris_viz.miniature.training.measure_git import colours_of, measure, nouns_of, precision_recall
from zsris_viz.miniature.training.train_git import PatchReader, caption_loss, train
from zsris_viz.miniature.world.layout import sample_layout
from zsris_viz.miniature.world.words import COLOURS, NOUNS

SMALL = {"pictures": 18, "decay": 6, "batch_size": 6, "regions": 4, "wholes_first": 0.3, "workers": 0, "window": (2, 2)}


def test_captions_name_what_is_there():
    for seed in range(40):
        layout = sample_layout(seed, least=1, most=6)
        text = whole_caption(layout)
        assert set(nouns_of(text)) == {item.noun for item in layout.objects}
        assert set(colours_of(text)) == {item.colour for item in layout.objects}
        ids = encode(text, word_ids())
        assert ids[0] == 2 and ids[-1] == 3 and len(ids) < 64
        for item in layout.objects:
            assert nouns_of(phrase(item)) == [item.noun] and colours_of(phrase(item)) == [item.colour]
    left = min(layout.objects, key=lambda item: item.centre[0])
    assert nouns_of(text)[0] == left.noun


def test_regions_are_shown_on_two_grounds():
    pictured = region_pictures(5, 48)
    assert len(pictured) % 2 == 0 and all(one.pixels.shape == (48, 48, 3) for one in pictured)
    half = len(pictured) // 2
    assert [one.text for one in pictured[:half]] == [one.text for one in pictured[half:]]
    again = region_pictures(5, 48)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(pictured, again, strict=True))
    assert whole_picture(3, 48).pixels.shape == (48, 48, 3)
    assert GIT_SEEDS > 1 << 40  # no split of the benchmark draws from there


def test_cells_name_what_covers_them():
    for serial in (0, 1, 5):
        one = whole_picture(serial, 112)
        nouns = {NOUNS[index - 1] for index in np.unique(one.cells[0]) if index}
        colours = {list(COLOURS)[index - 1] for index in np.unique(one.cells[1]) if index}
        assert nouns <= set(nouns_of(one.text)) and colours <= set(colours_of(one.text)) and nouns
        assert np.array_equal(one.cells[0] > 0, one.cells[1] > 0)
    layout = sample_layout(0, least=2, most=2)
    masks = np.zeros((2, 16, 16), dtype=bool)
    masks[0, :2, :2] = True  # a whole cell of a grid of 8
    masks[1, 0, 2:4] = True  # half of the next
    masks[1, 15, 15] = True  # a quarter of the last
    cells = cells_of(layout, masks, grid=8)
    first, second = (NOUNS.index(item.noun) + 1 for item in layout.objects)
    expected = np.zeros((8, 8), dtype=int)
    expected[0, 0], expected[0, 1], expected[7, 7] = first, second, second
    assert np.array_equal(cells[0], expected)


def test_the_patch_reader_reads_patches_alone():
    torch.manual_seed(0)
    model = build()
    reader = PatchReader(model)
    pictured = [whole_picture(0, 112), whole_picture(1, 112)]
    part = as_tensors(pictured, word_ids())
    caption_loss(model, part)
    assert reader.tokens.shape == (2, 196, 128)
    total = 0.0
    for head, row in zip(reader.heads, (0, 1), strict=True):
        losses, weights = [], []
        for picture, patches in zip(pictured, reader.tokens, strict=True):
            for wanted, patch in zip(picture.cells[row].ravel().tolist(), patches, strict=True):
                losses.append(-head(patch).log_softmax(-1)[wanted].item())
                weights.append(0.1 if wanted == 0 else 1.0)
        total += np.average(losses, weights=weights)
    assert reader.loss(part["cells"]).item() == pytest.approx(total, rel=1e-4)
    assert not any("heads" in name for name in model.state_dict())


def test_the_image_encoder_begins_as_the_vision_tower_of_clip(tmp_path):
    from transformers import CLIPVisionModel

    folder = WEIGHTS / "clip"
    model = build(folder).eval()
    tower = CLIPVisionModel.from_pretrained(folder, dtype=torch.float32).eval()
    pixels = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = model.git.image_encoder(pixels).last_hidden_state
        hidden = tower(pixels).last_hidden_state
        norm = getattr(tower, "vision_model", tower).post_layernorm
        torch.testing.assert_close(found, norm(hidden), atol=1e-4, rtol=1e-4)
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["hidden_size"] = 64
    (tmp_path / "config.json").write_text(json.dumps(config))
    CLIPVisionModel(CLIPVisionModel.config_class.from_pretrained(tmp_path)).save_pretrained(tmp_path)
    with pytest.raises(InvalidInputError, match="vision tower"):
        build(tmp_path)


def test_whole_scenes_come_first():
    mixture = Mixture(batch_size=6, regions=4, first_steps=2)
    assert [mixture(step) for step in range(4)] == [(0, 6), (0, 6), (4, 2), (4, 2)]
    batches = GitBatches(mixture, seed=0, steps=4, window=(2, 2))
    assert [set(batches[step]) for step in (1, 2)] == [{"short", "long"}, {"region", "short", "long"}]


def test_batches_do_not_depend_on_how_a_step_was_reached():
    settings = {"seed": 3, "window": (3, 4), "fresh": (1, 2)}
    running = GitPictures(32, **settings)
    for step in range(4):
        expected = running.batch(step, 5, 3)
    found = GitPictures(32, **settings).batch(3, 5, 3)
    for ours, theirs in zip(found, expected, strict=True):
        assert [one.text for one in ours] == [one.text for one in theirs]
        assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(ours, theirs, strict=True))


def test_labels_leave_padding_out():
    pictured = [region_pictures(1, 112)[0], whole_picture(2, 112)]
    part = as_tensors(pictured, word_ids())
    ids, labels = part["ids"], part["labels"]
    assert part["pixels"].shape == (2, 112, 112, 3) and ids.shape == labels.shape and "cells" not in part
    lengths = [len(encode(example.text, word_ids())) for example in pictured]
    assert [(row != -100).sum().item() for row in labels] == lengths
    assert torch.equal(ids[labels != -100], labels[labels != -100])


def test_a_run_that_was_stopped_gives_the_same_weights(tmp_path):
    from safetensors.torch import load_file

    whole = train(tmp_path / "whole", **SMALL)
    train(tmp_path / "parts", stop_after=1, **SMALL)
    parts = train(tmp_path / "parts", **SMALL)
    first, second = (load_file(folder / "model.safetensors") for folder in (whole, parts))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    assert all(value.dtype == torch.float16 for value in first.values())
    summary = json.loads((tmp_path / "parts" / "training.json").read_text())
    assert (summary["steps"], summary["pictures"], summary["regions"]) == (3, 18, 8)

    captioner = load_captioner(parts, cache=False, device="cpu", max_tokens=8)
    assert captioner.kind == "git" and captioner.max_tokens == 8
    assert captioner.processor.tokenizer("a red cat, two dogs")["input_ids"] == encode(
        "a red cat, two dogs", word_ids()
    )
    figures = measure(captioner, count=2, splits=("val",))
    text = card(summary, figures, "0" * 64)
    assert "| noun, blurred background | 95 |" in text and "3 steps" in text

    (tmp_path / "parts" / "checkpoint.pt").write_bytes(b"broken")
    with pytest.raises(CorruptFileError, match="delete it"):
        train(tmp_path / "parts", **SMALL)


class Knows(Captioner):
    """Names everything rightly, but for the colour of what it sees on black."""

    def __init__(self, layouts):
        super().__init__("knows", cache=False)
        self.layouts, self.index = layouts, -1

    @property
    def settings(self):
        return {}

    def _generate(self, images):
        raise AssertionError

    def caption_regions(self, image, masks, style="blur", **shown):
        self.index += style == "blur"
        phrases = [phrase(item) for item in self.layouts[self.index].objects]
        return phrases if style == "blur" else [f"a {nouns_of(one)[0]}" for one in phrases]

    def caption_images(self, images):
        return [f"a {self.layouts[self.index].objects[0].noun}"]


def test_measuring():
    from zsris_viz.miniature.world.dataset import Scenes

    data = Scenes("val", limit=3)
    layouts = [data.layout(index) for index in range(3)]
    figures = measure(Knows(layouts), count=3, splits=("val",))["splits"]["val"]
    assert figures["blur noun"] == figures["blur colour"] == figures["black noun"] == 100.0
    assert figures["black colour"] == 0.0 and figures["whole"]["precision"] == 100.0
    nouns = [{item.noun for item in layout.objects} for layout in layouts]
    assert figures["whole"]["recall"] == pytest.approx(100 * 3 / sum(map(len, nouns)), abs=0.1)
    assert precision_recall([({"cat", "dog"}, {"cat"}), (set(), {"bus"})]) == {"precision": 50.0, "recall": 50.0}


def test_words():
    assert len(tokens()) == len(set(tokens())) < 400
    assert nouns_of("A lady, two kids and a tree.") == ["woman", "boy", "tree"]
    assert colours_of("a red cat on a blue ground") == ["red", "blue"]
