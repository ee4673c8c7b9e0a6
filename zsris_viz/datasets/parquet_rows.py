"""Access to rows of parquet files by number, with bounded memory."""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import CorruptFileError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH = 16  # rows that are read at once, about 3 MB with embedded photographs
KEPT_BATCHES = 32  # for each selection of columns

Row = dict[str, Any]


class ParquetRows:
    """The rows of several parquet files, numbered consecutively.

    Rows are read in small batches, the last of which are kept. Access in order, or nearly so, is fast; random access
    reads the row group of the requested row from its beginning.

    Args:
        files: The files; all must have the same columns.

    Attributes:
        columns: The names of the columns.

    Raises:
        CorruptFileError: A file is not a parquet file, or its columns differ from those of the first.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.paths = list(files)
        self._files = [_open(path) for path in self.paths]
        self.columns = frozenset(self._files[0].schema_arrow.names)
        for path, file in zip(self.paths, self._files, strict=True):
            if frozenset(file.schema_arrow.names) != self.columns:
                raise CorruptFileError(f"{path} has other columns than {self.paths[0]}; fetch both again.")
        self._groups: list[tuple[int, int]] = []  # file, row group
        self._starts: list[int] = []  # first row of each of these
        self._length = 0
        for place, file in enumerate(self._files):
            for group in range(file.metadata.num_row_groups):
                self._groups.append((place, group))
                self._starts.append(self._length)
                self._length += file.metadata.row_group(group).num_rows
        self._kept: OrderedDict[tuple[tuple[str, ...], int], pa.RecordBatch] = OrderedDict()
        self._reading: dict[tuple[str, ...], tuple[int, int, Iterator[tuple[int, pa.RecordBatch]]]] = {}

    def __reduce__(self) -> tuple[type[ParquetRows], tuple[list[Path]]]:
        return ParquetRows, (self.paths,)

    def __len__(self) -> int:
        return self._length

    def scan(self, columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
        """Yield the number and some columns of every row.

        Args:
            columns: Names of columns.
        """
        for group in range(len(self._groups)):
            for start, batch in self._batches(group, tuple(columns), 256):
                for offset, row in enumerate(batch.to_pylist()):
                    yield start + offset, row

    def row(self, number: int, columns: Sequence[str]) -> Row:
        """Return some columns of one row.

        Args:
            number: The number of the row, from 0.
            columns: Names of columns.
        """
        chosen = tuple(columns)
        group = bisect.bisect_right(self._starts, number) - 1
        start = self._starts[group] + (number - self._starts[group]) // BATCH * BATCH
        if (chosen, start) not in self._kept:
            self._read_to(chosen, group, start)
        batch = self._kept[chosen, start]
        self._kept.move_to_end((chosen, start))
        row: Row = batch.slice(number - start, 1).to_pylist()[0]
        return row

    def _read_to(self, columns: tuple[str, ...], group: int, start: int) -> None:
        """Read batches of a row group up to the one that begins at a row, from the current position if possible."""
        within, reached, batches = self._reading.get(columns, (-1, 0, iter(())))
        if within != group or reached > start:
            batches = self._batches(group, columns, BATCH)
        for first, batch in batches:
            self._kept[columns, first] = batch
            while sum(key[0] == columns for key in self._kept) > KEPT_BATCHES:
                del self._kept[next(key for key in self._kept if key[0] == columns)]
            self._reading[columns] = (group, first + len(batch), batches)
            if first == start:
                return
        raise CorruptFileError(f"{self.paths[self._groups[group][0]]} has fewer rows than it says; fetch it again.")

    def _batches(self, group: int, columns: tuple[str, ...], size: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the batches of a row group with the number of their first row."""
        import pyarrow as pa

        place, number = self._groups[group]
        start = self._starts[group]
        try:
            found = self._files[place].iter_batches(size, row_groups=[number], columns=list(columns), use_threads=False)
            pending: list[pa.RecordBatch] = []
            for part in found:  # parts may be shorter than requested
                pending.append(part)
                while sum(map(len, pending)) >= size:
                    whole = pa.concat_batches(pending)
                    yield start, whole.slice(0, size)
                    start, pending = start + size, [whole.slice(size)] if len(whole) > size else []
            if sum(map(len, pending)):
                yield start, pa.concat_batches(pending)
        except (pa.ArrowException, OSError) as error:
            raise CorruptFileError(f"{self.paths[place]} is damaged ({error}); fetch it again.") from error


def _open(path: Path) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, memory_map=True, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise CorruptFileError(f"{path} is not a complete parquet file ({error}); fetch it again.") from error
