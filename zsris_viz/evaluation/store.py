"""The result store: a folder in which finished images stay finished, whatever happens to the process.

    config.json           the settings of the run; a run with others is refused
    lock.json             who is writing
    parts/000012.parquet  the rows of one image, moved into place when whole
    blocks/*.parquet      the rows of many images: parts are gathered, so that a large run has few files
    rows.parquet          all rows of the methods, written when the run is through
    chance.parquet        the expected rows of a uniform choice

A part that exists is whole. Where a crash leaves an image in a block and in a part, the block counts.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import CorruptFileError, InvalidInputError, ZsrisWarning
from zsris_viz.evaluation.rows import COLUMNS, INDEX, LATER, arrow_schema, split_rows, store_schema, to_table
from zsris_viz.io.atomic import atomic_path
from zsris_viz.io.json_files import write_json
from zsris_viz.io.locks import LOCK_FILES, FolderLock
from zsris_viz.io.text import shorten

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 2  # 1 lacks the columns `rows.LATER`
PARTS_PER_BLOCK = 200
IMAGES_KEY = b"zsris_images"  # metadata of a block: the images that it holds, also those without an expression


class RowStore:
    """The rows of one run in a folder; use it as a context manager.

    Args:
        folder: made if needed.
        config: the settings of the run: nested dicts of plain values.
        told: further facts for config.json (versions, hash), which do not decide whether a run may be continued.

    Raises:
        InvalidInputError: on entering, when the folder holds a run with other settings (which ones is said), or
            something else.
        UnavailableError: on entering, when another run is writing there.
        CorruptFileError: config.json cannot be read.
    """

    def __init__(
        self, folder: str | os.PathLike[str], config: Mapping[str, Any], told: Mapping[str, Any] | None = None
    ) -> None:
        self.folder = Path(folder)
        self.config = json.loads(json.dumps(config))
        self.told = dict(told or {})
        self._lock: FolderLock | None = None
        self._in_blocks: set[int] = set()
        self._in_parts: set[int] = set()

    def __enter__(self) -> RowStore:
        if self.folder.exists() and not self.folder.is_dir():
            raise InvalidInputError(f"output {self.folder} is a file; give a folder.")
        self._refuse_strangers()
        for folder in (self.parts, self.blocks):
            folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(self.folder)
        lock.__enter__()
        try:
            self._check_config()
            self._look()
        except BaseException:
            lock.__exit__()
            raise
        self._lock = lock
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.__exit__(kind, error, trace)
            self._lock = None

    @property
    def parts(self) -> Path:
        """Folder of the single images."""
        return self.folder / "parts"

    @property
    def blocks(self) -> Path:
        """Folder of the gathered images."""
        return self.folder / "blocks"

    @property
    def done(self) -> set[int]:
        """Places of the images that are finished."""
        return self._in_blocks | self._in_parts

    def add(self, index: int, rows: list[dict[str, Any]]) -> None:
        """Keep the rows of the image at place `index`: after this returns, they survive the process."""
        write_table(self._part(index), to_table([{INDEX: index, **row} for row in rows]))
        self._in_parts.add(index)
        if len(self._in_parts) >= PARTS_PER_BLOCK:
            self._gather()

    def read(self, wanted: Iterable[int] | None = None) -> pa.Table:
        """All stored rows, or those of the images at the places `wanted`, in the store's schema."""
        import pyarrow as pa
        import pyarrow.compute as pc

        tables = [read_table(path) for path in sorted(self.blocks.glob("*.parquet"))]
        tables += [read_table(self._part(index)) for index in sorted(self._in_parts)]
        table = pa.concat_tables(tables).cast(store_schema()) if tables else store_schema().empty_table()
        if wanted is not None:
            table = table.filter(pc.is_in(table[INDEX], pa.array(sorted(wanted), pa.int64())))
        return table

    def finish(self, wanted: Iterable[int]) -> tuple[pa.Table, pa.Table]:
        """Write rows.parquet and chance.parquet with the images at the places `wanted`; returns both tables."""
        methods, chance = split_rows(self.read(wanted))
        write_table(self.folder / "rows.parquet", methods)
        write_table(self.folder / "chance.parquet", chance)
        return methods, chance

    # -- inside

    def _part(self, index: int) -> Path:
        return self.parts / f"{index:08d}.parquet"

    def _refuse_strangers(self) -> None:
        """A folder with other things in it is more likely a mistyped path than a place for a run."""
        if self.folder.is_dir() and not (self.folder / "config.json").exists():
            known = ("parts", "blocks", *LOCK_FILES)
            strange = [path.name for path in self.folder.iterdir() if path.name not in known]
            strange = [name for name in strange if not name.endswith(".tmp")]
            if strange:
                raise InvalidInputError(
                    f"output {self.folder} holds other files ({', '.join(sorted(strange)[:3])}) and no run; "
                    "give an empty or new folder."
                )

    def _check_config(self) -> None:
        path = self.folder / "config.json"
        if path.exists():
            try:
                stored = json.loads(path.read_text(encoding="utf-8"))
                known, form = stored["config"], stored["format"]
            except (ValueError, KeyError, TypeError) as error:
                raise CorruptFileError(f"{path} cannot be read ({error}); give a new output folder.") from error
            if form != FORMAT:
                raise InvalidInputError(
                    f"{path} has format {form}, not {FORMAT} as this version, whose rows hold more; give a new output "
                    f"folder. A finished run can still be read: Evaluation.load({str(self.folder)!r})."
                )
            differences = list(config_differences(known, self.config))
            if differences:
                raise InvalidInputError(
                    f"{self.folder} holds a run with other settings: {'; '.join(differences)}. Continue it with its "
                    "own settings, or give another output folder."
                )
        else:
            write_json(path, {"format": FORMAT, **self.told, "config": self.config})

    def _look(self) -> None:
        """Find out what is done; clear away what a killed run left half written."""
        for folder in (self.folder, self.parts, self.blocks):
            for leftover in folder.glob(".*.tmp"):
                leftover.unlink(missing_ok=True)
        for path in sorted(self.blocks.glob("*.parquet")):
            images = _images_of(path)
            if images is None:
                _discard(path)
            else:
                self._in_blocks.update(images)
        for path in sorted(self.parts.glob("*.parquet")):
            index = int(path.stem)
            if index in self._in_blocks:
                path.unlink()
            elif _images_of(path) is None:
                _discard(path)
            else:
                self._in_parts.add(index)

    def _gather(self) -> None:
        """Move all parts into one block."""
        import pyarrow as pa

        places = sorted(self._in_parts)
        table = pa.concat_tables([read_table(self._part(index)) for index in places])
        table = table.replace_schema_metadata({IMAGES_KEY: json.dumps(places).encode()})
        write_table(self.blocks / f"{places[0]:08d}-{places[-1]:08d}.parquet", table)
        self._in_blocks.update(places)
        self._in_parts.clear()
        for index in places:
            self._part(index).unlink()


def config_differences(known: Any, given: Any, name: str = "") -> Iterable[str]:
    """Each setting that differs, as "name: 'old' there, 'new' here"."""
    if isinstance(known, dict) and isinstance(given, dict):
        for key in sorted({*known, *given}):
            yield from config_differences(known.get(key), given.get(key), f"{name}.{key}" if name else key)
    elif known != given:
        yield f"{name} is {_setting(known)} there and {_setting(given)} here"


def _setting(value: Any) -> str:
    return "absent" if value is None else shorten(json.dumps(value, ensure_ascii=False))


def write_table(path: Path, table: pa.Table) -> None:
    """Write Parquet under a temporary name and move it into place."""
    import pyarrow.parquet as pq

    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def read_table(path: Path) -> pa.Table:
    """Read one Parquet file whole; CorruptFileError if it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise CorruptFileError(
            f"{path} is damaged ({error}); delete it and start the run again: its images are evaluated anew."
        ) from error


def read_rows(folder: Path) -> tuple[pa.Table, pa.Table]:
    """rows.parquet and chance.parquet of a finished run; columns that an older format lacks are null."""
    tables = []
    for name in ("rows.parquet", "chance.parquet"):
        if not (folder / name).is_file():
            raise InvalidInputError(
                f"{folder} holds no finished run ({name} is missing); start the run again: it is continued."
            )
        tables.append(read_table(folder / name))
    methods, chance = (_completed(table, folder) for table in tables)
    return methods.select(list(COLUMNS)).cast(arrow_schema(COLUMNS)), chance


def _completed(table: pa.Table, folder: Path) -> pa.Table:
    import pyarrow as pa

    missing = [column for column in COLUMNS if column not in table.column_names]
    if set(missing) - set(LATER):
        raise CorruptFileError(f"{folder} lacks the columns {', '.join(missing)}; it is no result of evaluate().")
    for column in missing:
        kind = arrow_schema(COLUMNS).field(column).type
        table = table.append_column(column, pa.nulls(len(table), kind))
    return table


def _images_of(path: Path) -> list[int] | None:
    """Places of the images in a file: a block lists them, a part is named by its own; None if the file is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
        return json.loads(metadata[IMAGES_KEY]) if IMAGES_KEY in metadata else [int(path.stem)]
    except (pa.ArrowException, OSError, ValueError):
        return None


def _discard(path: Path) -> None:
    """Put a damaged file aside; its images are evaluated again."""
    warnings.warn(f"{path} is damaged; it is put aside and its images are evaluated again.", ZsrisWarning, stacklevel=4)
    os.replace(path, path.with_name(f"{path.name}.damaged"))
