"""A linear probe of the noun in one patch of a frozen tower, a bound for models built on the tower."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from zsris_viz.methods.risclip.model import RisClipModel

INSIDE = 0.6  # a patch belongs to the object that covers at least this share of it
STRENGTH = 1e-2  # of the ridge, as a share of the mean variance


def noun_readout(model: RisClipModel, fit: int = 800, tested: int = 200) -> dict[str, float]:
    """Accuracy of a linear readout of the noun from one patch, by layer of the frozen tower.

    Ridge regression onto one-hot nouns, fitted on the first scenes of train, read on the first of val; the adapters
    have no part in it.

    Args:
        model: gives tower and size. fit, tested: scenes.

    Returns:
        "0" to "L", and "values" (the last block's value path in the joint space) -> per cent of patches; "most" -> the
        share of the most frequent noun.
    """
    features, fitted_nouns = patches_of(model, "train", fit)
    held_out, tested_nouns = patches_of(model, "val", tested)
    nouns = sorted(set(fitted_nouns))
    wanted = torch.tensor([nouns.index(noun) for noun in fitted_nouns])
    right = torch.tensor([nouns.index(noun) if noun in nouns else -1 for noun in tested_nouns])
    hot = torch.nn.functional.one_hot(wanted, len(nouns)).double()
    found = {name: 100 * accuracy(features[name], hot, held_out[name], right) for name in features}
    found["most"] = 100 * float((right == wanted.bincount().argmax()).double().mean())
    return {name: round(value, 1) for name, value in found.items()}


def accuracy(inputs: Tensor, hot: Tensor, test_inputs: Tensor, right: Tensor) -> float:
    """Share of right answers of a ridge regression: inputs (n, C), hot (n, K), test_inputs (m, C), right (m,) ints."""
    mean, scale = inputs.mean(0), inputs.std(0) + 1e-8
    x, y = ((part - mean) / scale for part in (inputs.double(), test_inputs.double()))
    centre = hot.mean(0)
    square = x.T @ x + STRENGTH * len(x) * torch.eye(x.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(square, x.T @ (hot - centre))
    return float(((y @ weights + centre).argmax(1) == right).double().mean())


@torch.no_grad()
def patches_of(model: RisClipModel, split: str, limit: int) -> tuple[dict[str, Tensor], list[str]]:
    """Return the features of the patches inside objects, by layer, each (n, C), and the nouns of these objects."""
    from zsris_viz.methods.risclip.batches import make_batch
    from zsris_viz.methods.risclip.config import Data
    from zsris_viz.methods.risclip.model import KERNEL
    from zsris_viz.methods.risclip.optim import shares_on_grid
    from zsris_viz.methods.risclip.train import pictures_of
    from zsris_viz.models.blocks import run_block

    clip = model.clip
    pictures = pictures_of(Data(split=split, limit=limit), model)
    rows: dict[str, list[Tensor]] = {}
    nouns: list[str] = []
    for index in range(len(pictures)):
        picture = pictures[index]
        if not picture.texts:
            continue
        batch = make_batch([picture], pictures.preprocess, clip.tokenizer).to(clip.device)
        shares = shares_on_grid(torch.from_numpy(picture.masks).float(), model.grid)
        share, owner = shares.max(0)
        inside = share > INSIDE
        nouns += [picture.categories[int(place)] for place in owner[inside]]
        hidden = clip.embed_pixels(batch.pixels)
        rows.setdefault("0", []).append(hidden[0, 1:][inside])
        for number, block in enumerate(clip.blocks, start=1):
            if number == clip.num_layers:
                values = block.self_attn.out_proj(block.self_attn.v_proj(block.layer_norm1(hidden)))
                rows.setdefault("values", []).append(clip.project(values)[0, 1:][inside])
            hidden, _ = run_block(block, hidden, attention=KERNEL)
            rows.setdefault(str(number), []).append(hidden[0, 1:][inside])
    return {name: torch.cat(parts).float() for name, parts in rows.items()}, nouns
