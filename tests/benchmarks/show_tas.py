"""TAS against Cropping on expressions that name a side, by source of proposals; prints a table.

    python tests/benchmarks/show_tas.py --limit 100 --proposals ground-truth sam

`scenes` val with the built-in miniatures. mIoU in per cent with 95 % bootstrap intervals over images, and the paired
difference. Nothing here is a test: the figures belong to the weights that are shipped.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from zsris_viz import load_clip, load_dataset
from zsris_viz.evaluation import compare_methods, evaluate, metric_table

METHODS = ("cropping", "text-only", "global-local", "tas")


def show(proposals: str, *, limit: int, split: str, style: str, clip: Any) -> dict[str, Any]:
    """mIoU of every method on all expressions and on those that name a side, and TAS minus Cropping."""
    data = load_dataset("scenes", split, limit=limit, style=style)
    named = {
        expression.sentence_id
        for index in range(len(data))
        for _, expression in data[index].pairs()
        if expression.direction not in (None, "middle")
    }
    rows = evaluate(data, list(METHODS), clip=clip, proposals=proposals).rows
    result: dict[str, Any] = {"proposals": proposals, "images": len(data)}
    for label, part in (("all", rows), ("with a direction", rows[rows.sentence_id.isin(named)])):
        table = metric_table(part, metrics=["miou", "oiou", "upper_bound"], with_intervals=True)
        result[label] = {"n": int(table.n.iloc[0]), "upper bound": round(float(table.upper_bound.iloc[0]), 1)}
        for line in table.itertuples():
            result[label][line.method] = f"{line.miou:.1f} [{line.miou_low:.1f}, {line.miou_high:.1f}]"
        pair = [part[part.method == name] for name in ("tas", "cropping")]
        result[label]["TAS minus Cropping"] = str(compare_methods(*pair, "miou"))
    return result


def main() -> None:
    """Run, print, and write down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=100, help="images")
    parser.add_argument("--split", default="val")
    parser.add_argument("--style", default="mixed")
    parser.add_argument("--proposals", nargs="+", default=["ground-truth"])
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    options = parser.parse_args()
    clip = load_clip("miniature")
    figures = [
        show(name, limit=options.limit, split=options.split, style=options.style, clip=clip)
        for name in options.proposals
    ]
    print(json.dumps(figures, indent=2, ensure_ascii=False))
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
