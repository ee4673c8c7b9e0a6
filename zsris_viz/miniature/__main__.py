"""Training, measuring and describing the built-in models: `python -m zsris_viz.miniature train|measure|card MODEL`."""

from __future__ import annotations

import sys

from zsris_viz.errors import UnavailableError
from zsris_viz.miniature import import_training

#: Command -> module whose main(argv) does the work. Imported when it is needed.
COMMANDS = {
    ("train", "clip"): "train_clip",
    ("train", "clip-rn"): "train_clip",
    ("train", "git"): "train_git",
    ("train", "parser"): "train_parser",
    ("train", "risclip"): "train_risclip",
    ("train", "sam"): "train_sam",
    ("measure", "clip"): "measure_clip",
    ("measure", "clip-rn"): "measure_clip",
    ("measure", "effects"): "measure_effects",
    ("measure", "git"): "measure_git",
    ("measure", "parser"): "measure_parser",
    ("measure", "risclip"): "measure_risclip",
    ("measure", "sam"): "measure_sam",
    ("card", "clip"): "clip_card",
    ("card", "clip-rn"): "clip_card",
    ("card", "git"): "git_card",
    ("card", "risclip"): "risclip_card",
    ("card", "sam"): "sam_card",
    ("ablate", "risclip"): "ablate_risclip",
}


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit code."""
    words = sys.argv[1:] if argv is None else argv
    module = COMMANDS.get((words[0], words[1])) if len(words) >= 2 else None
    if module is None:
        known = "\n".join("  python -m zsris_viz.miniature " + " ".join(command) for command in COMMANDS)
        print(f"usage (each has --help):\n{known}", file=sys.stderr)
        return 2
    arguments = words[2:] if words[1] not in ("clip", "clip-rn") else ["--model", words[1], *words[2:]]
    try:
        import_training(module).main(arguments)
    except UnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
