"""Readers of the files of the refer format, which record every entry that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zsris_viz.datasets.plain_pickle import load_plain
from zsris_viz.datasets.refer_rows import Entry
from zsris_viz.errors import CorruptFileError
from zsris_viz.io.json_files import read_json


def read_references(path: Path, malformed: list[str]) -> list[Entry]:
    """Return the references of a file that have a split, an image and a list of sentences.

    Args:
        path: A pickle (.p) or a JSON file.
        malformed: List to which a line is appended for every other entry.

    Raises:
        CorruptFileError: The file cannot be read, is not a list, or contains no usable reference.
    """
    refs = load_plain(path) if path.suffix == ".p" else read_json(path)
    if not isinstance(refs, list):
        raise CorruptFileError(f"{path} holds a {type(refs).__name__}, not a list of references; fetch it again.")
    usable = []
    for number, ref in enumerate(refs):
        if (
            isinstance(ref, dict)
            and isinstance(ref.get("split"), str)
            and isinstance(ref.get("image_id"), (int, str))
            and isinstance(ref.get("sentences"), list)
        ):
            usable.append(ref)
        else:
            malformed.append(f"reference {number} of {path.name} has no split, image_id or list of sentences")
    if not usable:
        raise CorruptFileError(f"{path} holds no reference that can be used; fetch it again.")
    return usable


def read_annotations(path: Path, malformed: list[str]) -> tuple[Iterator[Entry], Iterator[Entry], Iterator[Entry]]:
    """Return iterators over the images, categories and annotations of a COCO annotation file.

    Args:
        path: Path of `instances.json`.
        malformed: List to which a line is appended for every entry without an id, when an iterator reaches it.

    Raises:
        CorruptFileError: The file cannot be read or is not a COCO annotation file.
    """
    content = read_json(path)
    keys = ("images", "categories", "annotations")
    wrong = [key for key in keys if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if wrong:
        raise CorruptFileError(f"{path} is not a COCO annotation file: it has no list of {wrong[0]}; fetch it again.")
    images, categories, annotations = (content[key] for key in keys)
    return (
        _with_key(images, "id", path, malformed),
        _with_key(categories, "id", path, malformed),
        _with_key(annotations, "image_id", path, malformed),
    )


def _with_key(entries: list[Any], key: str, path: Path, malformed: list[str]) -> Iterator[Entry]:
    for number, entry in enumerate(entries):
        if isinstance(entry, dict) and isinstance(entry.get(key), (int, str)):
            yield entry
        else:
            malformed.append(f"entry {number} of {path.name} has no {key}")
