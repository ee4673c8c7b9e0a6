"""The command that trains the miniature CLIP: a few steps, the loss by hand, a resumed run, and folders that load."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from zsris_viz.errors import UnavailableError
from zsris_viz.miniature.training.clip_batches import ClipBatches, drop_patches
from zsris_viz.miniature.training.clip_towers import MEAN, STD, RnTowers, VitTowers, encode_by_length
from zsris_viz.miniature.training.contrastive import contrastive_loss, patch_logits
from zsris_viz.miniature.training.schedule import WarmupStableDecay
from zsris_viz.miniature.training.tokenizer import END, START, word_ids, write_tokenizer
from zsris_viz.miniature.training.train_clip import KeptPatches, train
from zsris_viz.miniature.training.training_data import PictureBlocks


def test_the_loss_by_hand():
    torch.manual_seed(0)
    logits = torch.randn(6, 2)  # two captions of each of two pictures, then one wrong caption of each
    maybe = torch.tensor([[1, 0], [1, 1], [0, 1], [0, 1], [0, 0], [1, 0]], dtype=torch.bool)
    total = 0.0
    for row, own in enumerate([0, 0, 1, 1]):
        rivals = [logits[row, p] for p in range(2) if not maybe[row, p]]
        total += torch.stack([logits[row, own], *rivals]).logsumexp(0) - logits[row, own]
        others = [logits[t, own] for t in range(6) if not maybe[t, own]]
        total += torch.stack([logits[row, own], *others]).logsumexp(0) - logits[row, own]
    assert contrastive_loss(logits, maybe, 2).item() == pytest.approx(total.item() / 8, rel=1e-5)


def test_kept_patches_are_distinct_and_mostly_where_something_is():
    rng = np.random.default_rng(0)
    images = np.zeros((200, 112, 112, 3), dtype=np.uint8)
    images[:, :16, :16] = rng.integers(0, 255, size=(200, 16, 16, 3))  # four patches with contrast
    patches, places = drop_patches(images, 20, rng)
    assert all(len(set(row.tolist())) == 20 for row in places)
    shares = np.mean([len({0, 1, 14, 15} & set(row.tolist())) for row in places])
    assert shares > 0.9  # half of the pictures are drawn evenly; an even draw of all would give 0.4
    place = int(places[0, 0])
    top, left = 8 * (place // 14), 8 * (place % 14)
    assert np.array_equal(patches[0, 0], images[0, top : top + 8, left : left + 8].ravel())
    assert drop_patches(images[:2], 196, rng)[1].tolist() == [list(range(196))] * 2


def test_a_batch_depends_on_its_step_alone():
    after, alone = ClipBatches(32, 16, seed=3, steps=200), ClipBatches(32, 16, seed=3, steps=200)
    for step in range(3):
        after[step]
    first, second = after[3], alone[3]
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["pixels"], after[4]["pixels"])
    assert first["maybe"].shape == (64, 16) and first["pixels"].shape == (16, 32, 32, 3)
    assert all(first["maybe"][row, row // 3] for row in range(48))
    assert not any(first["maybe"][48 + row, row] for row in range(16))
    assert torch.equal(first["source"] // 3, torch.arange(16))


def test_a_picture_is_used_as_often_as_there_are_offsets():
    blocks = PictureBlocks(32, pairs=1, seed=1)
    uses = {}
    for step in range(2 * blocks.offsets[-1] + 1):
        for place, picture in enumerate(blocks.batch(step)[0][::2]):
            uses.setdefault(picture.tobytes(), []).append((step, place))
    assert max(len(times) for times in uses.values()) == len(blocks.offsets) == 8
    middle = blocks.batch(blocks.offsets[-1])[0][0].tobytes()
    assert [step for step, _ in uses[middle]] == [blocks.offsets[-1] + offset for offset in blocks.offsets]
    differences = [b - a for a in blocks.offsets for b in blocks.offsets if b > a]
    assert len(set(differences)) == len(differences)  # two blocks meet at most once


def test_the_towers_of_the_training_are_those_of_transformers(tmp_path):
    torch.manual_seed(0)
    tokens = write_tokenizer(tmp_path)
    towers = VitTowers(tokens).eval()
    pictures = np.random.default_rng(0).integers(0, 255, size=(3, 112, 112, 3), dtype=np.uint8)
    patches, places = drop_patches(pictures, 196, np.random.default_rng(0))
    pixels = (torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(
        STD
    )[:, None, None]
    texts = ("a red cup", "the small blue dog on the left side")
    words = word_ids()
    rows = [[token for word in (START, *text.split(), END) for token in words[word]] for text in texts]
    (end,) = words[END]
    ids = torch.tensor([row + [end] * (12 - len(row)) for row in rows])
    with torch.no_grad():
        pooled, dense = towers.images({"patches": torch.from_numpy(patches), "places": torch.from_numpy(places)})
        expected = towers.clip.get_image_features(pixel_values=pixels).pooler_output
        torch.testing.assert_close(pooled, expected, atol=2e-5, rtol=1e-4)
        before = towers.clip.vision_model(pixel_values=pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
        last = towers.clip.vision_model.encoder.layers[-1]
        values = last.self_attn.out_proj(last.self_attn.v_proj(last.layer_norm1(before)))
        expected = towers.clip.visual_projection(towers.clip.vision_model.post_layernorm(values))
        torch.testing.assert_close(dense, expected, atol=2e-5, rtol=1e-4)
        encoded = encode_by_length(towers, ids, end, groups=2)
        each = torch.cat([towers.clip.get_text_features(input_ids=torch.tensor([row])).pooler_output for row in rows])
        torch.testing.assert_close(encoded, each, atol=2e-5, rtol=1e-4)


def test_the_share_of_patches_follows_the_decay():
    kept = KeptPatches(WarmupStableDecay(1.0, 0, 100, 200), batch_size=10, share=0.25)
    assert [kept(step) for step in (0, 10, 11, 13, 14, 19)] == [49, 49, 98, 98, 196, 196]


def test_the_command_trains_and_continues_and_a_branch_leaves_it(tmp_path):
    from zsris_viz.miniature.__main__ import main

    command = ["train", "clip", "--batch", "16", "--threads", "1", "--workers", "0"]
    calls = [("run", "--pictures", "16", "--decay", "0"), ("run", "--pictures", "32", "--decay", "0")]
    calls += [("branch", "--branch-from", str(tmp_path / "run"), "--decay", "16")] * 2
    for name, *options in calls:
        assert main([*command, "--run", str(tmp_path / name), *options]) == 0
    summaries = [json.loads((tmp_path / name / "training.json").read_text()) for name in ("run", "branch")]
    assert [summary["images"] for summary in summaries] == [32, 48]
    assert summaries[1]["branched_at_step"] == 2 and summaries[1]["decay_images"] == 16
    from zsris_viz import load_clip

    clip = load_clip(str(tmp_path / "branch" / "weights"))
    assert clip.embed_texts(["a red cat"]).shape == (1, 128)
    assert (clip.num_layers, clip.grid) == (6, (14, 14))


def test_the_rn_miniature_takes_over_the_text_tower(tmp_path):
    vit = train("clip", tmp_path / "vit", pictures=16, decay=0, batch_size=16, threads=1, workers=0)
    rn = train("clip-rn", tmp_path / "rn", pictures=4, decay=0, batch_size=4, threads=1, workers=0, text_from=vit)
    from zsris_viz import load_clip

    texts = ["the small cup", "2nd dog from the left"]
    a, b = load_clip(str(vit)), load_clip(str(rn))
    torch.testing.assert_close(a.embed_texts(texts), b.embed_texts(texts), atol=2e-3, rtol=0)
    assert b.kind == "rn" and b.grid == (5, 5)


def test_no_text_tower_to_take_over(tmp_path):
    with pytest.raises(UnavailableError, match="train clip"):
        RnTowers(1000, tmp_path)


def test_unknown_commands_list_the_known_ones(capsys):
    from zsris_viz.miniature.__main__ import main

    assert main(["train", "everything"]) == 2
    assert "train clip" in capsys.readouterr().err


def test_patch_logits_are_a_smooth_maximum_with_the_gradients_of_autograd():
    torch.manual_seed(1)
    patches = F.normalize(torch.randn(2, 5, 8), dim=-1)
    texts = F.normalize(torch.randn(3, 8), dim=-1)
    cosines = torch.stack([torch.stack([(patch @ text).max() for patch in patches]) for text in texts])
    torch.testing.assert_close(patch_logits(patches, texts, sharpness=80.0), cosines, atol=0.03, rtol=0)
    assert (patch_logits(patches, texts) <= cosines + 1e-6).all()

    patches, texts = (value.double().requires_grad_() for value in (patches, texts))
    plain = (torch.einsum("td,bpd->tbp", texts, patches) * 20).exp().mean(-1).log() / 20
    weights = torch.randn(3, 2, dtype=torch.float64)
    expected = torch.autograd.grad((plain * weights).sum(), (patches, texts))
    found = torch.autograd.grad((patch_logits(patches, texts, chunk=2) * weights).sum(), (patches, texts))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)
