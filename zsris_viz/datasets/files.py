"""What the datasets whose files lie in a folder share: finding files and images, and what an export adds to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from zsris_viz.datasets.types import Expression
from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.images import open_image

ORIENTATION = 0x0112  # the EXIF tag
EXTRA = "zsris"  # key under which an export keeps what its format has no place for


def check_limit(limit: int | None) -> None:
    """Refuse a limit that is no whole number from 1 up.

    Raises:
        InvalidInputError: such a limit.
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise InvalidInputError(f"limit={limit!r} was given; a whole number from 1, or None for all, is accepted.")


def find_root(name: str, data_root: str | os.PathLike[str] | None) -> Path:
    """The folder of all data.

    Raises:
        InvalidInputError: none was given.
        UnavailableError: it does not exist.
    """
    if data_root is None:
        raise InvalidInputError(
            f"{name} lies in files: say where, as in load_dataset({name!r}, split, data_root='data') or --data-root "
            f"data. `zsris data fetch {name} --data-root data` gets what can be got."
        )
    root = Path(data_root)
    if not root.is_dir():
        raise UnavailableError(f"data_root={str(root)!r} is no folder. {_help(name, root)}")
    return root


def need_file(name: str, paths: Sequence[Path], root: Path) -> Path:
    """The first of the paths that is a file.

    Raises:
        UnavailableError: none is.
    """
    for path in paths:
        if path.is_file():
            return path
    raise UnavailableError(f"{name} needs the file {paths[0]}, which is not there. {_help(name, root)}")


def _help(name: str, root: Path) -> str:
    return (
        f"Run `zsris data fetch {name} --data-root {root}`, or place the files as data_manifests/{name}.yaml says; "
        f"`zsris data verify {name} --data-root {root}` tells what is missing."
    )


def lazy_image(name: str, folders: Sequence[Path], file_names: Sequence[str]) -> Callable[[], Image.Image]:
    """A function that opens an image when it is called.

    Annotations of benchmarks belong to the pixels as they are stored, so an EXIF rotation is not applied.

    Args:
        name: the manifest that says where the images come from.
        folders: where they may lie. file_names: as which, the first that exists counts.

    Returns:
        A function without arguments that returns an RGB image. It raises UnavailableError if there is no folder of
        images at all, InvalidInputError if this image is missing, and CorruptFileError if it is damaged.
    """

    def opened() -> Image.Image:
        there = [folder for folder in folders if folder.is_dir()]
        for folder in there:
            for file_name in file_names:
                if (folder / file_name).is_file():
                    return open_stored(folder / file_name)
        if not there:
            raise UnavailableError(
                f"The images of {name} are not there: {folders[0]} is no folder. "
                f"Place them as data_manifests/{name}.yaml says."
            )
        raise InvalidInputError(
            f"The image {there[0] / file_names[0]} is missing. Place it there (data_manifests/{name}.yaml says "
            "where the images come from)."
        )

    return opened


def open_stored(path: Path) -> Image.Image:
    """An RGB image with its pixels as they are stored, whatever EXIF says about the camera's rotation.

    Raises:
        CorruptFileError: a damaged file.
    """
    try:
        with Image.open(path) as raw:
            if raw.getexif().get(ORIENTATION, 1) != 1:
                pixels = raw.convert("RGB")
                return Image.frombytes("RGB", pixels.size, pixels.tobytes())
    except (OSError, SyntaxError, ValueError, EOFError):
        pass  # open_image says what is wrong
    return open_image(path)


def known_parts(extra: Mapping[str, Any] | None) -> dict[str, Any]:
    """What an export kept about an expression, as arguments of `Expression`."""
    kept = dict((extra or {}).get("expression", {}))
    if "context_tokens" in kept:
        kept["context_tokens"] = tuple(kept["context_tokens"])
    return {name: value for name, value in kept.items() if name in Expression.__dataclass_fields__}


def extra_of(expression: Expression) -> dict[str, Any]:
    """An expression for an export, without its text and what is not known."""
    kept = {name: value for name, value in asdict(expression).items() if name != "text" and value not in (None, ())}
    return {"expression": kept}
