"""Example images with expressions: drawn scenes, and photographs that scikit-image ships."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from zsris_viz.errors import InvalidInputError
from zsris_viz.images import open_image
from zsris_viz.masks import Masks

#: Name -> expression. The scenes were chosen for a second object of the same kind, which the expression must exclude.
SCENES = (0, 4, 7, 12, 15, 18)
PHOTOGRAPHS = {
    "astronaut": "the woman in the orange suit",
    "coffee": "the cup on the saucer",
    "chelsea": "the face of the cat",
    "rocket": "the rocket on the launch pad",
}


@dataclass(frozen=True)
class Example:
    """An image with a referring expression.

    Attributes:
        name: Name for `load_example`.
        image: RGB.
        expression: The text.
        proposals: Masks of its objects, or None if they are not known.
        truth: (H, W) bool, the mask of the referent; None if it is not known.
    """

    name: str
    image: Image.Image
    expression: str
    proposals: Masks | None = None
    truth: Any = None


def example_names() -> list[str]:
    """Return the names of all examples, for `load_example`.

    Examples:
        >>> example_names()[0], example_names()[-1]
        ('scene-0', 'rocket')
    """
    return [*(f"scene-{number}" for number in SCENES), *photograph_paths()]


def photograph_paths() -> dict[str, Path]:
    """Return the photographs that are installed with scikit-image: name -> file."""
    import skimage.data

    folder = Path(skimage.data.__file__).parent
    found = {name: next(iter(sorted(folder.glob(f"{name}.*"))), None) for name in PHOTOGRAPHS}
    return {name: path for name, path in found.items() if path is not None}


def load_example(name: str) -> Example:
    """Return an example.

    Args:
        name: One of `example_names()`, or "scene-N" for any scene of the split `val`.

    Raises:
        InvalidInputError: There is no such example.
    """
    if name.startswith("scene-") and name.removeprefix("scene-").isascii() and name.removeprefix("scene-").isdigit():
        return _load_scene(name, int(name.removeprefix("scene-")))
    paths = photograph_paths() if name in PHOTOGRAPHS else {}
    if name not in paths:
        raise InvalidInputError(f"there is no example {name!r}; there are {', '.join(example_names())}.")
    return Example(name, open_image(paths[name]), PHOTOGRAPHS[name])


def _load_scene(name: str, number: int) -> Example:
    from zsris_viz.datasets import load_dataset

    data = load_dataset("scenes", "val")
    if number >= len(data):
        raise InvalidInputError(f"there is no example {name!r}; the split has scenes 0 to {len(data) - 1}.")
    sample = data[number]
    # an object that has others of its kind beside it, and its longest expression
    reference, expression = max(sample.pairs(), key=lambda pair: (bool(pair[0].distractors), len(pair[1].text)))
    return Example(name, sample.image, expression.text, sample.instances, reference.mask)
