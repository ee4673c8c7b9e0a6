"""Base class of datasets in files: search for files, lazy opening of images, and the additional key of exports."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from zsris_viz.datasets.types import Expression, Sample
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError, ZsrisWarning
from zsris_viz.images import open_image
from zsris_viz.io.image_files import MAX_PIXELS

EXTRA = "zsris"  # key of an export for everything for which its format has no field
NAMED_PROBLEMS = 2  # number of problems that a warning names


class FileDataset(ABC):
    """One split of a dataset whose files lie below a data root.

    A malformed annotation stops neither loading nor evaluation: a problem of an expression is recorded in
    `Expression.error`, an entry that belongs to no expression is left out with a warning, and `problems` lists both.

    Attributes:
        name: The name of the dataset.
        split: The split.
        split_by: The scheme of the split; "" if there is only one.
    """

    name: str
    split: str
    split_by: str

    _ids: Sequence[Any]  # of the images, in the order of the samples

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._sample(self._ids[index])

    @abstractmethod
    def _sample(self, image_id: Any) -> Sample:
        """Return the sample of an image."""

    @abstractmethod
    def image_folders(self) -> list[Path]:
        """Return the possible folders of the images, the prescribed one first; none if the images are embedded."""

    @abstractmethod
    def images(self) -> list[tuple[str, list[str]]]:
        """Return the id and the possible file names of every image of the split, without opening an image."""

    @abstractmethod
    def counts(self) -> dict[str, int]:
        """Return the numbers of images, references and expressions of the split, without opening an image."""

    @abstractmethod
    def problems(self) -> Iterator[str]:
        """Yield a line for every malformed annotation of the split, without opening an image file."""


def warn_of_problems(problems: Sequence[str], name: str) -> None:
    """Warn about annotations that were left out, if there are any."""
    if problems:
        named = "; ".join(problems[:NAMED_PROBLEMS]) + ("; ..." if len(problems) > NAMED_PROBLEMS else "")
        warnings.warn(
            f"{len(problems):,} annotations of {name} are malformed and left out: {named}. "
            f"`zsris data verify {name} --data-root DIR` names all.",
            ZsrisWarning,
            stacklevel=4,
        )


def find_root(name: str, data_root: str | os.PathLike[str] | None) -> Path:
    """Return the data root as a path, after checking that it exists.

    Args:
        name: Name of the dataset, for messages.
        data_root: Folder of all data, or None.

    Raises:
        InvalidInputError: `data_root` is None.
        UnavailableError: The folder does not exist.
    """
    if data_root is None:
        raise InvalidInputError(
            f"{name} lies in files: say where, as in load_dataset({name!r}, split, data_root='data') or --data-root "
            f"data. `zsris data fetch {name} --data-root data` gets what can be got."
        )
    root = Path(data_root)
    if not os.path.isdir(root):
        raise UnavailableError(f"data_root={str(root)!r} is not a folder. {_help(name, root)}")
    return root


def need_file(name: str, paths: Sequence[Path], root: Path) -> Path:
    """Return the first of the paths that is a file.

    Args:
        name: Name of the dataset, for messages.
        paths: Possible paths of the file, the prescribed one first.
        root: The data root, for messages.

    Raises:
        UnavailableError: None of them is a file.
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
    """Return a function that opens an image when it is called.

    Annotations of benchmarks belong to the pixels as they are stored, so an EXIF rotation is not applied.

    Args:
        name: The manifest that says where the images come from.
        folders: Possible folders of the image.
        file_names: Possible names of the file; the first that exists is used.

    Returns:
        A function without arguments that returns an RGB image. It raises UnavailableError if there is no folder of
        images at all, InvalidInputError if this image is missing, and CorruptFileError if it is damaged or its name
        leads out of the folder.
    """

    def opened() -> Image.Image:
        for file_name in file_names:
            check_inside(file_name)
        existing = [folder for folder in folders if folder.is_dir()]
        for folder in existing:
            for file_name in file_names:
                if os.path.isfile(folder / file_name):
                    return open_image(folder / file_name, upright=False)
        if not existing:
            raise UnavailableError(
                f"The images of {name} are not there: {folders[0]} is not a folder. "
                f"Place them as data_manifests/{name}.yaml says."
            )
        raise InvalidInputError(
            f"The image {existing[0] / file_names[0]} is missing. Place it there (data_manifests/{name}.yaml says "
            "where the images come from)."
        )

    return opened


def check_inside(file_name: str) -> None:
    """Check that a file name in an annotation file does not lead out of the folder of images.

    Raises:
        CorruptFileError: The name is absolute or contains the part "..".
    """
    parts = file_name.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or ":" in parts[0] or "\0" in file_name:
        raise CorruptFileError(
            f"The annotations name the image file {file_name!r}, which lies outside the folder of images; it is not "
            "opened. Fetch the annotation file again."
        )


def image_size(entry: Mapping[str, Any]) -> tuple[int, int]:
    """Return the height and the width in an entry of an annotation file.

    Raises:
        CorruptFileError: They are missing, or are not a valid image size.
    """
    size = entry.get("height"), entry.get("width")
    if not all(type(side) is int and side > 0 for side in size) or size[0] * size[1] > MAX_PIXELS:  # type: ignore[operator]
        raise CorruptFileError(
            f"The annotations give an image of height {str(size[0])[:20]} and width {str(size[1])[:20]}; whole numbers "
            f"of pixels, at most {MAX_PIXELS:,} together, are needed. Fetch the annotation file again."
        )
    return size  # type: ignore[return-value]


def known_parts(extra: Any) -> dict[str, Any]:
    """Return the annotations that an export stores for an expression, as arguments of `Expression`."""
    parts = extra.get("expression") if isinstance(extra, dict) else None
    parts = dict(parts) if isinstance(parts, dict) else {}
    if "context_tokens" in parts:
        parts["context_tokens"] = tuple(parts["context_tokens"])
    return {name: value for name, value in parts.items() if name in Expression.__dataclass_fields__}


def extra_of(expression: Expression) -> dict[str, Any]:
    """Return the annotations of an expression for an export, without its text and unknown values."""
    parts = {name: value for name, value in asdict(expression).items() if name != "text" and value not in (None, ())}
    return {"expression": parts}
