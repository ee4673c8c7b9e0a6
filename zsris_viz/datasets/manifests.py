"""Manifests of datasets and checkpoints in data_manifests/*.yaml: addresses, hashes and expected counts.

A hash, size or count that has not been published is null, with a note.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from zsris_viz.errors import CorruptFileError, InvalidInputError
from zsris_viz.io.yaml_files import read_yaml

NAME = "data_manifests"


class _Record(BaseModel):
    """Base class of the records, which refuse unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Record):
    """One address of a file.

    Attributes:
        url: The address.
        state: "dead" addresses are kept because papers and tools name them; "manual" ones need a browser.
        note: Remarks, for example who maintains the address or since when it is dead.
    """

    url: str = Field(pattern=r"^https?://")
    state: Literal["live", "dead", "manual"] = "live"
    note: str | None = None


class File(_Record):
    """One file to download.

    Attributes:
        path: Path relative to the data root.
        sources: Addresses in the order in which they are tried.
        size: Bytes; None if not published.
        sha256: Lower-case hexadecimal digits; None if not published.
        md5: Lower-case hexadecimal digits; None if not published.
        provides: Files and folders to which an archive is unpacked in its folder; they are accepted in its place.
        optional: Whether `verify` passes without the file.
        note: Remarks, for example the source of the hash.
    """

    path: str
    sources: tuple[Source, ...] = ()
    size: int | None = Field(default=None, gt=0)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    md5: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    provides: tuple[str, ...] = ()
    optional: bool = False
    note: str | None = None

    @field_validator("path")
    @classmethod
    def _inside(cls, path: str) -> str:
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise ValueError("a path below the data root is needed")
        return path

    @property
    def known_hash(self) -> str | None:
        """Return the hash as "sha256:..." or "md5:...", or None."""
        return f"sha256:{self.sha256}" if self.sha256 else f"md5:{self.md5}" if self.md5 else None


class Split(_Record):
    """Expected counts of one split; null where not published."""

    split: str
    split_by: str = ""
    expressions: int | None = Field(default=None, gt=0)
    references: int | None = Field(default=None, gt=0)
    images: int | None = Field(default=None, gt=0)
    note: str | None = None

    @property
    def label(self) -> str:
        """Return the split with its scheme, "val (umd)"."""
        return f"{self.split} ({self.split_by})" if self.split_by else self.split


class Totals(_Record):
    """Counts of a whole dataset as its papers print them."""

    expressions: int | None = None
    references: int | None = None
    images: int | None = None
    note: str | None = None


class Hub(_Record):
    """A repository on the Hugging Face Hub, whose client checks hashes and resumes downloads itself.

    Attributes:
        repo: Owner and name.
        kind: Type of the repository.
        revision: A commit or tag; None for the newest.
        patterns: Patterns of the required files; empty for all files.
        folder: Folder of the files, relative to the data root; None for the Hub's cache.
    """

    repo: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    kind: Literal["model", "dataset"] = "model"
    revision: str | None = None
    patterns: tuple[str, ...] = ()
    folder: str | None = Field(default=None, pattern=r"^[\w+-][\w.+-]*(/[\w+-][\w.+-]*)*$")

    @property
    def url(self) -> str:
        """Return the address of the repository's page."""
        return f"https://huggingface.co/{'datasets/' if self.kind == 'dataset' else ''}{self.repo}"


class Manifest(_Record):
    """A dataset, a set of images or annotations, or a checkpoint.

    Attributes:
        name: The name, as in `zsris data verify NAME`.
        kind: Type of the record.
        title: Name for display.
        homepage: The address of its page.
        paper: The address of its paper.
        licence: The licence of the data; images may have another one, see the notes.
        files: The files to download.
        hub: A repository that contains the files, in place of `files` or in addition to them.
        needs: Names of other manifests that are required to use this one.
        layout: Arrangement of the files below the data root after the download.
        image_folders: Possible folders of the images; the first is the prescribed one.
        image_count: The number of images of the whole set.
        splits: Expected counts of each split.
        totals: Expected counts of the whole set.
        notes: Anything else, such as links that are dead.
    """

    name: str
    kind: Literal["dataset", "images", "annotations", "checkpoint", "parser"]
    title: str
    homepage: str
    paper: str | None = None
    licence: str
    files: tuple[File, ...] = ()
    hub: Hub | None = None
    needs: tuple[str, ...] = ()
    layout: tuple[str, ...] = ()
    image_folders: tuple[str, ...] = ()
    image_count: int | None = Field(default=None, gt=0)
    splits: tuple[Split, ...] = ()
    totals: Totals | None = None
    notes: tuple[str, ...] = ()


def manifest_folder() -> Path:
    """Return the folder `data_manifests` of the repository, or its copy in an installed package.

    Raises:
        CorruptFileError: The folder does not exist.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / NAME, package / NAME):
        if (folder / "refcoco.yaml").is_file():
            return folder
    raise CorruptFileError(f"{NAME} is not there, neither beside nor inside {package}; install zsris_viz again.")


def read_manifests(folder: Path) -> dict[str, Manifest]:
    """Return all records of a folder by name; a YAML file contains one or several, separated by `---`.

    Raises:
        CorruptFileError: A file is not valid YAML, has an unknown key or a wrong value, or a name occurs twice.
    """
    found: dict[str, Manifest] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            manifests = [Manifest.model_validate(record) for record in read_yaml(path) if record is not None]
        except ValidationError as error:
            raise CorruptFileError(f"{path} is not a valid manifest: {' '.join(str(error).split())}") from error
        for manifest in manifests:
            if manifest.name in found:
                raise CorruptFileError(f"{path} describes {manifest.name!r}, which another manifest does already.")
            found[manifest.name] = manifest
    return found


@cache
def manifests() -> dict[str, Manifest]:
    """Return all records of this package by name."""
    return read_manifests(manifest_folder())


def get_manifest(name: str) -> Manifest:
    """Return the record of a dataset or checkpoint.

    Raises:
        InvalidInputError: The name is unknown; the message lists the known names.
    """
    known = manifests()
    if name not in known:
        raise InvalidInputError(f"{name!r} has no manifest; there are {', '.join(known)}.")
    return known[name]


def describe(manifest: Manifest) -> dict[str, Any]:
    """Return a manifest as a row of `zsris data list`."""
    sizes = [file.size for file in manifest.files]
    known = manifest.totals.expressions if manifest.totals else None
    return {
        "name": manifest.name,
        "kind": manifest.kind,
        "title": manifest.title,
        "licence": manifest.licence,
        "expressions": known,
        "bytes": sum(size for size in sizes if size) if sizes and all(sizes) else None,
        "splits": [split.label for split in manifest.splits],
        "homepage": manifest.homepage,
        "needs": list(manifest.needs),
    }
