"""An ablation of RISCLIP on the drawn world: many small trainings with one budget, each a row of a CSV.

Parts and stages: the whole, without CFE, SKE or decoder, and in one stage. Few-shot: 16 to all training scenes. Unseen
nouns: trained without a word about five classes, tested on these. Every training has the same number of steps, so the
rows compare with each other and not with the shipped weights, which were trained for longer.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsris_viz.io.atomic import atomic_path
from zsris_viz.miniature import WEIGHTS
from zsris_viz.miniature.training.measure_risclip import ZERO_SHOT
from zsris_viz.miniature.training.train_risclip import recipe

if TYPE_CHECKING:
    from zsris_viz.methods.base import Method
    from zsris_viz.models.base import ImageTextModel

#: One of each group of the drawn world, so that no group is unseen as a whole.
UNSEEN = ("dog", "bus", "mug", "lamp", "umbrella")
SHOTS = (16, 64, 256, 1024, 4096)
WHOLE = "two stages, all parts"
GROUPS = ("all", "unseen nouns", "other nouns")
COLUMNS = (
    "study", "variant", "images", "steps", "expressions", "parameters", "seconds", "tested", "n", "miou", "low", "high",
)  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """One training.

    Attributes:
        study: "parts", "images" or "nouns".
        variant: its name in the tables.
        changed: what differs from the recipe.
        one_stage: all steps in the joint stage.
    """

    study: str
    variant: str
    changed: dict[str, Any] = field(default_factory=dict)
    one_stage: bool = False


def trials(images: int) -> list[Trial]:
    """Return all trainings, the first of which serves all three studies; `images` is the size of the largest one."""
    parts = {
        "without CFE": {"cfe_layers": []},
        "without SKE": {"ske_layers": 0},
        "without decoder": {"decoder": "none"},
    }
    found = [Trial("parts", WHOLE)]
    found += [Trial("parts", name, {"architecture": changed}) for name, changed in parts.items()]
    found.append(Trial("parts", "one stage, all parts", one_stage=True))
    found += [Trial("images", f"{shots} images", {"data": {"limit": shots}}) for shots in SHOTS if shots < images]
    found.append(Trial("nouns", "without five nouns", {"data": {"without_nouns": list(UNSEEN)}}))
    return found


def split_steps(total: int, *, one_stage: bool = False) -> dict[str, int]:
    """Divide steps among the stages in the proportions of the recipe."""
    if one_stage:
        return {"align": 0, "decode": 0, "joint": total}
    whole = recipe()["steps"]
    align, decode = (round(total * whole[name] / sum(whole.values())) for name in ("align", "decode"))
    return {"align": align, "decode": decode, "joint": total - align - decode}


def tests_of(trial: Trial) -> tuple[str, ...]:
    """Return the expressions that a trial is tested on: "all", or "unseen nouns" and "other nouns"."""
    if trial.study == "nouns":
        return GROUPS[1:]
    return GROUPS if trial.variant == WHOLE else GROUPS[:1]


def measure(
    methods: Sequence[str] | Mapping[str, Method],
    tested: int,
    names: Sequence[str],
    proposals: str,
    clip: ImageTextModel,
) -> list[dict[str, Any]]:
    """Return the mIoU in per cent with a 95 % interval (bootstrap over images) on the first images of scenes test.

    Args:
        methods: names, each with the settings of the data set, or label -> method.
        tested: images.
        names: of the groups of expressions.
        proposals: what zero-shot methods choose among.

    Returns:
        A row for each method and group: variant, tested, n, miou, low, high.
    """
    from zsris_viz.evaluation import evaluate
    from zsris_viz.evaluation.tables import metric_table

    found = evaluate("scenes", methods, split="test", limit=tested, proposals=proposals, clip=clip, progress=False)
    is_unseen = found.rows.category.isin(UNSEEN)
    parts = dict(zip(GROUPS, (found.rows, found.rows[is_unseen], found.rows[~is_unseen]), strict=True))
    made = []
    for name in names:
        if len(parts[name]):
            for row in metric_table(parts[name], metrics=["miou"]).to_dict("records"):
                values = {"miou": row["miou"], "low": row["miou_low"], "high": row["miou_high"]}
                rounded = {key: round(value, 2) for key, value in values.items()}
                made.append({"variant": row["method"], "tested": name, "n": row["n"], **rounded})
    return made


def run_trial(
    trial: Trial, clip: ImageTextModel, run: Path, *, steps: int, images: int, tested: int, cache: str | None
) -> list[dict[str, Any]]:
    """Train one variant and test it; rows for the CSV."""
    from zsris_viz.methods import get_method
    from zsris_viz.methods.risclip.config import Training, checked
    from zsris_viz.methods.risclip.train import train_risclip

    settings = recipe(
        data={"cache": cache, "limit": images}, steps=split_steps(steps, one_stage=trial.one_stage), validation=None
    )
    for group, changed in trial.changed.items():
        settings[group] = {**settings[group], **changed}
    folder = run / trial.variant.replace(" ", "-").replace(",", "")
    done = train_risclip(
        checked(Training, settings, "the recipe"),
        folder,
        clip=clip,
        tensorboard=False,
        report=lambda text: print(text, flush=True),
    )
    shared = {
        "study": trial.study, "images": settings["data"]["limit"], "steps": done.progress.total,
        "expressions": done.progress.expressions, "parameters": done.model.count(),
        "seconds": round(done.progress.seconds),
    }  # fmt: skip
    method = get_method("risclip", checkpoint=str(done.path))
    return [{**shared, **row} for row in measure({trial.variant: method}, tested, tests_of(trial), "none", clip)]


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the CSV and move it into place."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def ablate(
    run: Path, *, steps: int, images: int, tested: int, proposals: str, cache: str | None = None
) -> list[dict[str, Any]]:
    """Run all trials that `ablation.csv` in the folder of the run does not have yet.

    Args:
        run: folder of trainings and table.
        steps: of each training.
        images: of scenes train, at most.
        tested: images of scenes test, on which no choice depends.
        proposals: what zero-shot methods choose among; "none" leaves them out.
        cache: of drawn pictures.
    """
    from zsris_viz.models import load_clip

    path = run / "ablation.csv"
    rows: list[dict[str, Any]] = []
    if path.is_file():
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    clip = load_clip("miniature", device="cpu")
    if proposals != "none" and not any(row["study"] == "zero-shot" for row in rows):
        shared = {"study": "zero-shot", "images": 0, "steps": 0, "expressions": 0, "parameters": 0, "seconds": 0}
        rows += [{**shared, **row} for row in measure(ZERO_SHOT, tested, GROUPS, proposals, clip)]
        write_table(path, rows)
    for trial in trials(images):
        if any(row["variant"] == trial.variant for row in rows):
            continue
        print(f"{trial.study}: {trial.variant}", flush=True)
        rows += run_trial(trial, clip, run, steps=steps, images=images, tested=tested, cache=cache)
        write_table(path, rows)
    return rows


def main(argv: list[str]) -> None:
    """Run the command `python -m zsris_viz.miniature ablate risclip`."""
    parser = argparse.ArgumentParser(prog="python -m zsris_viz.miniature ablate risclip", description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/risclip-ablation"))
    parser.add_argument("--steps", type=int, default=1000, help="of each training")
    parser.add_argument("--images", type=int, default=20_000, help="of scenes train, at most")
    parser.add_argument("--tested", type=int, default=200, help="images of scenes test")
    parser.add_argument("--proposals", default="sam", help="what zero-shot methods choose among; none: leave them out")
    parser.add_argument("--cache", type=Path, default=None, help="folder that keeps the drawn pictures")
    parser.add_argument("--ship", action="store_true", help="copy the table into the package")
    arguments = parser.parse_args(argv)
    cache = None if arguments.cache is None else str(arguments.cache)
    settings = {
        "steps": arguments.steps,
        "images": arguments.images,
        "tested": arguments.tested,
        "proposals": arguments.proposals,
    }
    rows = ablate(arguments.run, **settings, cache=cache)
    if arguments.ship:
        folder = WEIGHTS / "risclip"
        write_table(folder / "ablation.csv", rows)
        words = " ".join(f"--{name} {value}" for name, value in settings.items())
        command = f"python -m zsris_viz.miniature ablate risclip {words}"
        (folder / "ablation.json").write_text(json.dumps({"command": command, "settings": settings}, indent=2) + "\n")
    print(json.dumps(rows, indent=2))
