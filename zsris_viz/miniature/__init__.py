"""Everything that is here only because no published weight is: a drawn world, small models and their training."""

from pathlib import Path

#: The folder of the built-in models: "clip", "clip-rn", "git", "parser", "risclip" and "sam", each with its card.
WEIGHTS = Path(__file__).parent / "weights"
