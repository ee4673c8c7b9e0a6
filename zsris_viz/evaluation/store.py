"""The result store: a folder in which finished images stay finished, whatever happens to the process.

    config.json                  the settings of the run; a run with others is refused
    lock.json                    who is writing
    parts/00000012-HASH.parquet  the rows of one image, moved into place when complete
    blocks/*-HASH.parquet        the rows of many images: parts are gathered, so that a large run has few files
    shards/2-of-8/               parts and blocks of a job that evaluates a share of the images, with a lock of its own
    rows.parquet                 all rows of the methods, written when all images are finished
    chance.parquet               the expected rows of a uniform choice
    SHA256SUMS                   hashes of these two and of config.json

A part that exists is complete. An image that is in several files counts once.
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import CorruptFileError, InvalidInputError, ZsrisWarning
from zsris_viz.evaluation.checked_parquet import (
    SUMS,
    check_listed,
    read_listed,
    read_named,
    write_listed,
    write_named,
    write_sums,
)
from zsris_viz.evaluation.rows import INDEX, split_rows, store_schema, to_table
from zsris_viz.evaluation.settings import settings_hash
from zsris_viz.evaluation.shards import Shard
from zsris_viz.io.json_files import write_json
from zsris_viz.io.locks import LOCK_FILES, FolderLock
from zsris_viz.io.text import shorten

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 3
PARTS_PER_BLOCK = 200
IMAGES_KEY = b"zsris_images"  # metadata of a block: the images that it holds, also those without an expression
CONFIG, ROWS, CHANCE_ROWS = "config.json", "rows.parquet", "chance.parquet"
_OWN = ("parts", "blocks", "shards", ROWS, CHANCE_ROWS, SUMS, *LOCK_FILES)


class RowStore:
    """The rows of one run in a folder; use it as a context manager.

    Args:
        folder: Output folder; it is made if needed.
        config: Settings of the run: nested dicts of plain values.
        metadata: Further entries of config.json (versions), which do not decide whether a run may be continued.
        shard: Share of the images that this process evaluates; None for all, with the rows of all shards.

    Attributes:
        folder: Output folder.
        done: Indices of the images that are finished.

    Raises:
        InvalidInputError: On entering, if the folder holds a run with other settings, or something else.
        UnavailableError: On entering, if another run is writing there.
        CorruptFileError: On entering, if config.json cannot be read.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        config: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        shard: Shard | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.config = json.loads(json.dumps(config))
        self.metadata = dict(metadata or {})
        self.shard = shard
        self._own = self.folder if shard is None else self.folder / "shards" / shard.folder
        self._locks = contextlib.ExitStack()
        self._files: dict[int, Path] = {}  # index of a finished image -> the file that holds its rows
        self._parts: set[int] = set()  # images whose rows are in parts that this process may gather

    def __enter__(self) -> RowStore:
        if self.folder.exists() and not self.folder.is_dir():
            raise InvalidInputError(f"output {self.folder} is a file; give a folder.")
        self._refuse_other_files()
        for name in ("parts", "blocks"):
            (self._own / name).mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            for folder in self._writable():
                stack.enter_context(FolderLock(folder))
            self._check_config()
            self._scan()
            self._locks = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._locks.close()

    @property
    def done(self) -> set[int]:
        """Indices of the images that are finished."""
        return set(self._files)

    def add(self, index: int, rows: list[dict[str, Any]]) -> None:
        """Store the rows of an image; after this returns, they survive the process.

        Args:
            index: Index of the image in the dataset.
            rows: Its rows.
        """
        table = to_table([{INDEX: index, **row} for row in rows])
        self._files[index] = write_named(self._own / "parts", f"{index:08d}", table)
        self._parts.add(index)
        if len(self._parts) >= PARTS_PER_BLOCK:
            self._gather(sorted(self._parts))

    def read(self, indices: Iterable[int] | None = None) -> pa.Table:
        """Return stored rows in the store's schema.

        Args:
            indices: Indices of images; None for all.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = self.done if indices is None else self.done & set(indices)
        images_of: dict[Path, list[int]] = {}
        for index in sorted(wanted):
            images_of.setdefault(self._files[index], []).append(index)
        tables = []
        for path, images in images_of.items():
            table = read_named(path)
            tables.append(table.filter(pc.is_in(table[INDEX], pa.array(images, pa.int64()))))
        return pa.concat_tables(tables).cast(store_schema()) if tables else store_schema().empty_table()

    def finish(self, indices: Iterable[int]) -> tuple[pa.Table, pa.Table]:
        """Return the rows of the methods and of chance, and write them unless this is a shard.

        Args:
            indices: Indices of the images of the run.
        """
        methods, chance = split_rows(self.read(indices))
        if self.shard is None:
            write_listed(self.folder / ROWS, methods)
            write_listed(self.folder / CHANCE_ROWS, chance)
            write_sums(self.folder, (CONFIG, ROWS, CHANCE_ROWS))
        return methods, chance

    def _writable(self) -> list[Path]:
        """Return the folders that no other run may write to: for a whole run those of the shards too."""
        return [self._own] if self.shard is not None else [self.folder, *_shard_folders(self.folder)]

    def _refuse_other_files(self) -> None:
        """Refuse a folder with other things in it, which is more likely a mistyped path than a place for a run."""
        if self.folder.is_dir() and not (self.folder / CONFIG).exists():
            others = [path.name for path in self.folder.iterdir() if path.name not in _OWN]
            others = [name for name in others if not name.endswith(".tmp")]
            if others:
                raise InvalidInputError(
                    f"output {self.folder} holds other files ({', '.join(sorted(others)[:3])}) and no run; "
                    "give an empty or new folder."
                )

    def _check_config(self) -> None:
        path = self.folder / CONFIG
        if not path.exists():
            content = {"format": FORMAT, "hash": settings_hash(self.config), **self.metadata, "config": self.config}
            write_json(path, content)
            return
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            known, form, checksum = stored["config"], stored["format"], stored["hash"]
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptFileError(f"{path} cannot be read ({error}); give a new output folder.") from error
        if form != FORMAT:
            raise InvalidInputError(f"{path} has format {form}, not {FORMAT}; give a new output folder.")
        if settings_hash(known) != checksum:
            raise CorruptFileError(f"{path} is damaged: its hash is not {checksum}; give a new output folder.")
        differences = list(config_differences(known, self.config))
        if differences:
            raise InvalidInputError(
                f"{self.folder} holds a run with other settings: {'; '.join(differences)}. Continue it with its "
                "own settings, or give another output folder."
            )

    def _scan(self) -> None:
        """Find the finished images, and remove what a killed run left half written."""
        for folder in self._writable():
            for leftover in folder.rglob(".*.tmp"):
                leftover.unlink(missing_ok=True)
            for path in sorted((folder / "blocks").glob("*.parquet")):
                images = _images_in(path)
                if images is None:
                    _discard(path)
                else:
                    self._files |= {index: path for index in images if index not in self._files}
            for path in sorted((folder / "parts").glob("*.parquet")):
                index = _part_index(path)
                if index is None:
                    _discard(path)
                elif index in self._files:
                    path.unlink()
                else:
                    self._files[index] = path
                    if folder == self._own:
                        self._parts.add(index)

    def _gather(self, parts: list[int]) -> None:
        """Move the rows of images from their parts into one block."""
        import pyarrow as pa

        paths = [self._files[index] for index in parts]
        table = pa.concat_tables([read_named(path) for path in paths])
        table = table.replace_schema_metadata({IMAGES_KEY: json.dumps(parts).encode()})
        block = write_named(self._own / "blocks", f"{parts[0]:08d}-{parts[-1]:08d}", table)
        self._files |= dict.fromkeys(parts, block)
        self._parts.clear()
        for path in paths:
            path.unlink()


def finished_images(folder: str | os.PathLike[str]) -> set[int]:
    """Return the indices of the finished images in an output folder, in all its shards; nothing is locked or changed.

    Args:
        folder: Output folder.
    """
    found: set[int] = set()
    for place in (Path(folder), *_shard_folders(Path(folder))):
        # Parts first: one that is gathered meanwhile is then in a block.
        found |= {int(path.stem.partition("-")[0]) for path in (place / "parts").glob("*.parquet")}
        for path in (place / "blocks").glob("*.parquet"):
            found.update(_images_in(path) or ())
    return found


def config_differences(stored: Any, current: Any, name: str = "") -> Iterator[str]:
    """Yield each setting that differs, as "name is 'old' there and 'new' here".

    Args:
        stored: Settings in the folder.
        current: Settings of this run.
        name: Name of the setting that both are values of.
    """
    if isinstance(stored, dict) and isinstance(current, dict):
        for key in sorted({*stored, *current}):
            yield from config_differences(stored.get(key), current.get(key), f"{name}.{key}" if name else key)
    elif stored != current:
        yield f"{name} is {_setting(stored)} there and {_setting(current)} here"


def read_run(folder: Path) -> tuple[pa.Table, pa.Table, dict[str, Any]]:
    """Return the rows of the methods, the rows of chance and the settings of a finished run.

    Args:
        folder: Output folder.

    Raises:
        InvalidInputError: If the folder holds no finished run.
        CorruptFileError: If a file was damaged.
    """
    for name in (ROWS, CHANCE_ROWS, CONFIG):
        if not (folder / name).is_file():
            raise InvalidInputError(
                f"{folder} holds no finished run ({name} is missing); start the run again to continue it."
            )
    config = json.loads(check_listed(folder / CONFIG))["config"]
    return read_listed(folder / ROWS), read_listed(folder / CHANCE_ROWS), config


def _setting(value: Any) -> str:
    return "absent" if value is None else shorten(json.dumps(value, ensure_ascii=False))


def _shard_folders(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "shards").glob("*-of-*") if path.is_dir())


def _images_in(path: Path) -> list[int] | None:
    """Return the indices of the images in a block; None if the file is damaged."""
    try:
        return json.loads((read_named(path).schema.metadata or {})[IMAGES_KEY])
    except (CorruptFileError, KeyError, ValueError):
        return None


def _part_index(path: Path) -> int | None:
    """Return the index of the image in a part, which its name and its rows must both tell; None if it is damaged."""
    try:
        index = int(path.stem.partition("-")[0])
        return index if set(read_named(path)[INDEX].to_pylist()) <= {index} else None
    except (CorruptFileError, ValueError):
        return None


def _discard(path: Path) -> None:
    """Rename a damaged file, so that its images are evaluated again."""
    warnings.warn(f"{path} is damaged; it is renamed, and its images are evaluated again.", ZsrisWarning, stacklevel=4)
    os.replace(path, path.with_name(f"{path.name}.damaged"))
