"""Records of where datasets and checkpoints come from, in data_manifests/*.yaml.

A hash, size or count that nobody has published is null, with a note; none is guessed.
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
    """Refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Record):
    """One address.

    Attributes:
        url: The address.
        state: "dead" addresses are kept because papers and tools name them; "manual" ones need a browser.
        note: Who keeps it, since when it is dead, and the like.
    """

    url: str = Field(pattern=r"^https?://")
    state: Literal["live", "dead", "manual"] = "live"
    note: str | None = None


class File(_Record):
    """One file to get.

    Attributes:
        path: Where it belongs, below the data root.
        sources: Addresses, in the order in which they are tried.
        size: Bytes; None if not published.
        sha256: Lower-case hexadecimal digits; None if not published.
        md5: Lower-case hexadecimal digits; None if not published.
        provides: The files and folders to which an archive unpacks where it lies; they count in its place.
        optional: Whether `verify` passes without it.
        note: What a person should know, for example whose hash it is.
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
    """A repository on the Hugging Face hub; its client checks hashes and resumes by itself.

    Attributes:
        repo: Owner and name.
        kind: What the repository holds.
        revision: A commit or tag; None for the newest.
        patterns: Which files are needed; empty for all.
        folder: Where they go below the data root; None for the hub's cache.
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
        kind: What it is.
        title: Its name for people.
        homepage: The address of its page.
        paper: The address of its paper.
        licence: The licence of the data; images may have another, see the notes.
        files: The files to get.
        hub: A repository that holds the files, in place of `files` or besides them.
        needs: Names of manifests without which it is of no use.
        layout: What lies where below the data root afterwards.
        image_folders: Where images may lie; the first is the prescribed place.
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
    """Return the folder data_manifests: of the clone, or the copy inside an installed package.

    Raises:
        CorruptFileError: There is none.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / NAME, package / NAME):
        if (folder / "refcoco.yaml").is_file():
            return folder
    raise CorruptFileError(f"{NAME} is not there, neither beside nor inside {package}; install zsris_viz again.")


def read_manifests(folder: Path) -> dict[str, Manifest]:
    """Return all records of a folder by name; a YAML file holds one or several, with `---` between.

    Raises:
        CorruptFileError: A file is no YAML, has an unknown key or a wrong value, or a name is there twice.
    """
    found: dict[str, Manifest] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            manifests = [Manifest.model_validate(record) for record in read_yaml(path) if record is not None]
        except ValidationError as error:
            raise CorruptFileError(f"{path} is no valid manifest: {' '.join(str(error).split())}") from error
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
        InvalidInputError: There is none; the text lists those that exist.
    """
    known = manifests()
    if name not in known:
        raise InvalidInputError(f"{name!r} has no manifest; there are {', '.join(known)}.")
    return known[name]


def describe(manifest: Manifest) -> dict[str, Any]:
    """Return a row of `zsris data list`."""
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
