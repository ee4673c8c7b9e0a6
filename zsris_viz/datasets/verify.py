"""Verification that the files of a dataset or checkpoint are complete and agree with their manifest."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zsris_viz.datasets.manifests import File, Hub, Manifest, Split, get_manifest
from zsris_viz.errors import InvalidInputError, ZsrisError, ZsrisWarning
from zsris_viz.io.hashing import file_hash
from zsris_viz.io.text import printable

if TYPE_CHECKING:
    from zsris_viz.datasets.files import FileDataset

Status = Literal["ok", "missing", "wrong", "absent", "unknown"]
FAILURES = ("missing", "wrong")
SHOWN = 3  # number of missing images that a message names
MAX_PROBLEMS = 100  # number of malformed annotations of a split that are reported


@dataclass(frozen=True)
class VerificationResult:
    """The result of one check.

    Attributes:
        what: What was checked: a file, a split, an annotation or the images.
        status: "ok"; "missing" or "wrong" for a failure; "absent" for a missing optional file; "unknown" if there is
            nothing to compare with.
        detail: What was found, in one line.
        expected: The expected counts or hash, if there are any.
        found: The counts or hash that were found.
    """

    what: str
    status: Status
    detail: str
    expected: Any = None
    found: Any = None


def verify(name: str | Manifest, data_root: str | os.PathLike[str]) -> list[VerificationResult]:
    """Compare a data root with a manifest.

    The checks cover the files with their sizes and hashes, the counts of every split, every annotation, and the
    presence of every image.

    Args:
        name: A manifest or its name.
        data_root: Folder of the files.

    Returns:
        The results of all checks.

    Raises:
        InvalidInputError: The name is unknown, or the data root is not a folder.
    """
    manifest = get_manifest(name) if isinstance(name, str) else name
    root = Path(data_root)
    if not root.is_dir():
        raise InvalidInputError(f"data_root={str(root)!r} is not a folder; give the one that holds the files.")
    checks = [check_file(file, root, manifest) for file in manifest.files]
    if manifest.hub and not manifest.files:
        checks.append(_check_hub(manifest.hub, root))
    if manifest.kind == "dataset":
        checks += _check_splits(manifest, root)
    elif manifest.kind == "images":
        checks += _check_image_folder(manifest, root)
    return checks


def passed(checks: list[VerificationResult]) -> bool:
    """Return whether nothing is missing or wrong."""
    return not any(check.status in FAILURES for check in checks)


def check_file(file: File, root: Path, manifest: Manifest) -> VerificationResult:
    """Check the presence, the size and the hash of a file; an archive may be deleted after it was unpacked."""
    path = root / file.path
    if not path.is_file():
        places = [_provided(place, root, manifest) for place in file.provides]
        if places and all(place is not None for place in places):
            return VerificationResult(
                file.path, "ok", "unpacked; the archive was not kept, so its hash was not checked"
            )
        if file.optional:
            return VerificationResult(file.path, "absent", "not there; not needed")
        if manifest.kind == "dataset" and not file.provides and _elsewhere(file, root):
            return VerificationResult(
                file.path, "ok", f"there as {_elsewhere(file, root)}; no published hash to compare with"
            )
        missing = [place for place, found in zip(file.provides, places, strict=True) if found is None]
        return VerificationResult(
            file.path, "missing", f"not there, nor {', '.join(missing)}" if missing else "not there"
        )
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return VerificationResult(
            file.path, "wrong", f"{size:,} bytes, not {file.size:,}: an incomplete download?", file.size, size
        )
    if file.known_hash is None:
        return VerificationResult(
            file.path, "unknown", f"{size:,} bytes; no published hash to compare with", None, size
        )
    kind, expected = file.known_hash.split(":")
    found = file_hash(path, kind)
    if found != expected:
        return VerificationResult(
            file.path, "wrong", f"{kind} {found} is not {expected}; fetch it again", expected, found
        )
    return VerificationResult(file.path, "ok", f"{size:,} bytes, {kind} as published", expected, found)


def _provided(place: str, root: Path, manifest: Manifest) -> Path | None:
    """Find an unpacked file or folder at the manifest's path, directly in the root, or in another image folder."""
    candidates = [root / place]
    if Path(place).suffix in (".json", ".p"):
        candidates.append(root / Path(place).name)
    if place in manifest.image_folders:
        candidates = [root / folder for folder in manifest.image_folders]
    return next((path for path in candidates if path.exists()), None)


def _elsewhere(file: File, root: Path) -> str | None:
    """Find a file in one of the other folders that the loader accepts."""
    from zsris_viz.datasets.phrasecut import FOLDERS

    names = [str(Path(folder) / Path(file.path).name) for folder in FOLDERS]
    return next((name for name in names if (root / name).is_file()), None)


def _check_hub(hub: Hub, root: Path) -> VerificationResult:
    """Check that a repository is in the Hugging Face cache, or in its folder with readable files."""
    if hub.folder is not None:
        from zsris_viz.datasets.parquet_rows import ParquetRows

        folder = root / hub.folder
        files = sorted(path for pattern in hub.patterns for path in folder.glob(pattern))
        if not files:
            return VerificationResult(hub.repo, "missing", f"no {' or '.join(hub.patterns)} in {folder}")
        try:
            rows = len(ParquetRows(files))
        except ZsrisError as error:
            return VerificationResult(hub.repo, "wrong", str(error))
        size = sum(path.stat().st_size for path in files)
        return VerificationResult(hub.repo, "ok", f"{rows:,} rows in {len(files)} files, {size:,} bytes")
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(hub.repo, "config.json", revision=hub.revision)
    if isinstance(found, str):
        return VerificationResult(hub.repo, "unknown", "in the Hugging Face cache; its client checked the hashes")
    return VerificationResult(hub.repo, "missing", "not in the Hugging Face cache")


def _check_splits(manifest: Manifest, root: Path) -> Iterator[VerificationResult]:
    """Check the counts and annotations of every split, and the images of all of them."""
    from zsris_viz.datasets import load_dataset
    from zsris_viz.datasets.files import FileDataset

    images: dict[str, list[str]] = {}
    folders: list[Path] = []
    for split in manifest.splits:
        try:
            with warnings.catch_warnings():  # malformed annotations are reported below
                warnings.simplefilter("ignore", ZsrisWarning)
                dataset = load_dataset(manifest.name, split.split, data_root=root, split_by=split.split_by or None)
        except ZsrisError as error:
            yield _unreadable(split, error)
            continue
        if not isinstance(dataset, FileDataset):
            continue
        yield _compare(split, dataset.counts())
        yield from _malformed(split, dataset)
        folders = dataset.image_folders()
        images |= dict(dataset.images())
    if images:
        yield _check_images(images, folders)


def _malformed(split: Split, dataset: FileDataset) -> Iterator[VerificationResult]:
    """Return problems for the annotations of a split that cannot be used."""
    count = 0
    for count, problem in enumerate(dataset.problems(), start=1):
        if count <= MAX_PROBLEMS:
            yield VerificationResult(f"{split.label} annotation", "wrong", printable(problem))
    if count > MAX_PROBLEMS:
        yield VerificationResult(f"{split.label} annotations", "wrong", f"{count:,} are malformed", 0, count)


def _unreadable(split: Split, error: ZsrisError) -> VerificationResult:
    """Return the result of an unreadable split: no error if only its file is missing and another split exists."""
    from zsris_viz.errors import CorruptFileError, UnavailableError

    reason = " ".join(str(error).split())
    if isinstance(error, UnavailableError) and not isinstance(error, CorruptFileError):
        return VerificationResult(split.label, "absent", "its file is not there")
    return VerificationResult(split.label, "wrong", reason)


def _compare(split: Split, counts: dict[str, int]) -> VerificationResult:
    """Compare the counts of one split with the published ones."""
    expected = {key: getattr(split, key) for key in counts}
    detail = ", ".join(
        f"{found:,} {key}" + (f" (not {expected[key]:,})" if expected[key] not in (None, found) else "")
        for key, found in counts.items()
    )
    known = {key: value for key, value in expected.items() if value is not None}
    if not known:
        return VerificationResult(split.label, "unknown", f"{detail}; no published counts", None, counts)
    status: Status = "ok" if all(counts[key] == value for key, value in known.items()) else "wrong"
    return VerificationResult(split.label, status, detail, known, counts)


def _check_images(images: dict[str, list[str]], folders: list[Path]) -> VerificationResult:
    """Check that every image of the splits has a file."""
    listed = [{entry.name for entry in os.scandir(folder)} for folder in folders if folder.is_dir()]
    missing = [names[0] for names in images.values() if not any(name in found for name in names for found in listed)]
    found = len(images) - len(missing)
    detail = f"{found:,} of {len(images):,} there"
    if missing:
        detail += f"; missing: {', '.join(missing[:SHOWN])}" + (" and more" if len(missing) > SHOWN else "")
        detail += f" (looked in {', '.join(map(str, [f for f in folders if f.is_dir()] or folders[:1]))})"
    return VerificationResult("images", "missing" if missing else "ok", detail, len(images), found)


def _check_image_folder(manifest: Manifest, root: Path) -> Iterator[VerificationResult]:
    """Check the number of images in the first image folder that exists."""
    folder = next((root / name for name in manifest.image_folders if (root / name).is_dir()), None)
    if folder is None:
        yield VerificationResult(
            "images", "missing", f"no folder {root / manifest.image_folders[0]}", manifest.image_count, 0
        )
        return
    found = sum(entry.name.lower().endswith((".jpg", ".jpeg")) for entry in os.scandir(folder))
    status: Status = "ok" if found == manifest.image_count else "wrong"
    detail = f"{found:,} in {folder}" + ("" if status == "ok" else f", not {manifest.image_count:,}")
    yield VerificationResult("images", status, detail, manifest.image_count, found)
