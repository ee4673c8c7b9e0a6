"""Draw the picture of the README: one expression that needs the position of the object, answered by three methods."""

from __future__ import annotations

import sys
from pathlib import Path

from zsris_viz import evaluate, figures, load_clip, load_dataset, load_proposals
from zsris_viz.evaluation import find_examples

TITLES = {"cropping": "Cropping", "global-local": "Global-Local CLIP", "copatch": "CoPatch"}


def main(path: Path) -> None:
    """Write the picture as a PNG.

    Args:
        path: File to write.
    """
    figures.style()
    data = load_dataset("scenes", "val", limit=60)
    model, proposer = load_clip("miniature"), load_proposals("ground-truth")
    rows = evaluate(data, list(TITLES), clip=model, proposals=proposer, progress=False).rows
    # The first expression of the split that names a position among at least three objects of one class, and that
    # CoPatch alone answers rightly.
    (example,) = find_examples(
        rows, data, right=["copatch"], wrong=["cropping", "global-local"], kinds=["position"], min_distractors=2
    )
    masks = proposer.propose_for(example.sample)
    mine = rows[rows.sentence_id == example.expression.sentence_id].set_index("method").chosen
    chosen = {title: masks[int(mine[name])] for name, title in TITLES.items()}
    line = figures.Choices(example.sample.image, example.expression.text, example.reference.mask, chosen)
    fig = figures.show_choices([line], cell=2.2)
    fig.savefig(path, dpi=150, bbox_inches="tight", pad_inches=0.05, facecolor="white")
    print(f"{path}: {example.sample.image_id}, {example.expression.text!r}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "notebooks" / "overview.png"))
