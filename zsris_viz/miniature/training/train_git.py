"""Trains the miniature captioner on regions and whole pictures of drawn scenes: the next word is predicted, as in GIT.

Unlike the miniature CLIP, the captioner is trained with masks: those of scenes drawn for its training, with seeds that
no split of the benchmark uses. They cut out its regions, and tell what covers each patch of a whole picture.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from zsris_viz.io.training_state import load_state, save_state
from zsris_viz.miniature.training.git_data import GitPictures, Pictured
from zsris_viz.miniature.training.git_model import MEAN, SIDE, STD, build, encode, save, word_ids, write_processor
from zsris_viz.miniature.training.schedule import append_log, learning_rate
from zsris_viz.miniature.world.words import COLOURS, NOUNS

if TYPE_CHECKING:
    from transformers import GitForCausalLM


def as_tensors(pictured: list[Pictured], ids: dict[str, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels (B, 3, S, S) normalised, ids (B, L) padded with 0, and labels (B, L) with -100 where there is no word."""
    rows = [encode(one.text, ids) for one in pictured]
    longest = max(len(row) for row in rows)
    padded = torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full((len(rows), longest), -100)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = labels[index, : len(row)] = torch.tensor(row)
    pixels = torch.from_numpy(np.stack([one.pixels for one in pictured])).permute(0, 3, 1, 2).float() / 255
    return (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None], padded, labels


class PatchReader(nn.Module):
    """Tells noun and colour from every patch of the image encoder; of use in training only, and not kept.

    A caption says little about where its things are; to name them patch by patch teaches the encoder to make small
    things out far sooner.
    """

    def __init__(self, model: GitForCausalLM) -> None:
        super().__init__()
        vision: Any = model.config.vision_config
        width = vision.hidden_size
        self.heads = nn.ModuleList([nn.Linear(width, 1 + len(NOUNS)), nn.Linear(width, 1 + len(COLOURS))])
        self.seen: Tensor | None = None
        model.git.image_encoder.register_forward_hook(self._note)

    def _note(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        self.seen = output.last_hidden_state[:, 1:]

    def loss(self, pictured: list[Pictured]) -> Tensor:
        """Mean cross-entropy of noun and colour over the patches of the pictures that the model saw last.

        Ground, most of every picture, counts for a tenth.
        """
        assert self.seen is not None
        cells = torch.from_numpy(np.stack([one.cells for one in pictured if one.cells is not None])).long()
        total = self.seen.new_zeros(())
        for head, wanted in zip(self.heads, cells.to(self.seen.device).flatten(2).unbind(1), strict=True):
            weight = self.seen.new_ones(int(head.out_features))  # type: ignore[arg-type]
            weight[0] = 0.1
            total = total + nn.functional.cross_entropy(head(self.seen).flatten(0, 1), wanted.flatten(), weight)
        return total


def caption_loss(model: GitForCausalLM, pictured: list[Pictured], ids: dict[str, int]) -> tuple[Tensor, float]:
    """Mean cross-entropy of the next word, and the share of captions whose every word comes first."""
    device = next(model.parameters()).device
    pixels, padded, labels = (one.to(device) for one in as_tensors(pictured, ids))
    # Padding stands behind the words and attention is causal over them, so no mask is needed.
    logits = model(input_ids=padded, pixel_values=pixels, use_cache=False).logits[:, -padded.shape[1] : -1]
    wanted = labels[:, 1:]
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=-100)
    right = ((logits.argmax(-1) == wanted) | (wanted == -100)).all(1).float().mean()
    return loss, float(right)


def train(
    run: Path, *, minutes: float, steps: int | None, regions: int, wholes: int, seed: int, peak: float, threads: int,
    stop_after: int | None = None, window: tuple[int, int] = (240, 600),
) -> Path:  # fmt: skip
    """Trains until `minutes` of work (or `steps`) are done; a run that was killed goes on from its last checkpoint.

    With `steps`, a run that goes on gives the very weights of one that was never stopped.

    Args:
        stop_after: save and return after this step, as if killed then.
        window: scenes kept for regions and for whole pictures, see :class:`GitPictures`.

    Returns:
        The folder with the weights, as `load_captioner` reads it.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    folder = run / "weights"
    write_processor(folder)
    model: Any = build()
    model.to(device)
    reader = PatchReader(model).to(device)
    trained = [*model.parameters(), *reader.parameters()]
    decayed = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}], lr=peak, betas=(0.9, 0.98)
    )
    state = load_state(run / "checkpoint.pt")
    step, seconds, shown = 0, 0.0, {"regions": 0, "wholes": 0}
    if state is not None:
        model.load_state_dict(state["model"])
        reader.load_state_dict(state["reader"])
        optimizer.load_state_dict(state["optimizer"])
        step, seconds, shown = int(state["step"]), float(state["seconds"]), dict(state["shown"])
    pictures, ids = GitPictures(SIDE, seed=seed, window=window), word_ids()
    total = steps if steps is not None else minutes * 60
    noted: dict[str, list[float]] = {}
    saved = time.monotonic()
    model.train()

    def done() -> float:
        return step if steps is not None else seconds

    while done() < total and step != stop_after:
        started = time.monotonic()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(done() / total, 1.0, peak=peak, warmup=0.04)
        seen, whole = pictures.batch(step, regions, wholes)
        optimizer.zero_grad(set_to_none=True)
        # Short and long captions apart, since a batch costs as much as its longest.
        whole = sorted(whole, key=lambda one: len(one.text))
        middle = (len(whole) + 1) // 2
        for name, part in (("region", seen), ("short", whole[:middle]), ("long", whole[middle:])):
            if not part:
                continue
            loss, right = caption_loss(model, part, ids)
            if name != "region":
                patches = reader.loss(part)
                noted.setdefault("patch loss", []).append(patches.item())
                loss.add(patches, alpha=0.25).backward()
            else:
                loss.backward()
            noted.setdefault(f"{name} loss", []).append(loss.item())
            noted.setdefault(f"{name} right", []).append(100 * right)
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        step += 1
        shown = {"regions": shown["regions"] + regions, "wholes": shown["wholes"] + wholes}
        # A stalled machine must not eat the schedule: a step counts for at most ten seconds.
        seconds += min(time.monotonic() - started, 10.0)
        if step % 25 == 0 or done() >= total:
            row = {name: round(float(np.mean(values)), 3) for name, values in noted.items()}
            append_log(run / "log.csv", {"step": step, "seconds": round(seconds), **row})
            print(step, f"{seconds:.0f} s", row, flush=True)
            noted.clear()
        if time.monotonic() - saved > 120 or done() >= total or step == stop_after:
            save_state(
                run / "checkpoint.pt",
                {
                    "model": model.state_dict(),
                    "reader": reader.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step,
                    "seconds": seconds,
                    "shown": shown,
                },
            )
            save(model, folder)
            saved = time.monotonic()
    save(model, folder)
    settings = {
        "model": "git", "steps": step, **shown, "seconds": round(seconds),
        "seed": seed, "peak_learning_rate": peak, "threads": threads,
    }  # fmt: skip
    (run / "training.json").write_text(json.dumps(settings))
    return folder


def main(argv: list[str]) -> None:
    """The command line of `python -m zsris_viz.miniature train git`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature train git", description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/git"), help="folder for weights, checkpoint and log")
    parser.add_argument("--minutes", type=float, default=150.0, help="how long to train, in minutes of work")
    parser.add_argument("--steps", type=int, default=None, help="how many steps to train, in place of --minutes")
    parser.add_argument("--regions", type=int, default=24, help="regions a step")
    parser.add_argument("--wholes", type=int, default=40, help="whole pictures and windows of them a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peak", type=float, default=1.5e-3, help="peak learning rate")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(argv)
    folder = train(
        given.run, minutes=given.minutes, steps=given.steps, regions=given.regions, wholes=given.wholes,
        seed=given.seed, peak=given.peak, threads=given.threads,
    )  # fmt: skip
    print(f"weights in {folder}")
