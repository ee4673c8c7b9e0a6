"""Parquet files whose every bit is checked when they are read.

Pages carry the checksums of the Parquet format. A file that is written once has the start of its SHA-256 in its name;
files with fixed names are listed in a file `SHA256SUMS`, which the program `sha256sum --check` reads as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from zsris_viz.errors import CorruptFileError
from zsris_viz.io.atomic import write_bytes, write_text

if TYPE_CHECKING:
    import pyarrow as pa

SUMS = "SHA256SUMS"
DIGITS = 16  # hexadecimal digits of the hash in a file's name
_REMEDY = "start the run again: images whose rows are lost are evaluated again."


def write_named(folder: Path, stem: str, table: pa.Table) -> Path:
    """Write a table as `STEM-HASH.parquet`.

    Args:
        folder: Folder of the file.
        stem: Beginning of its name.
        table: Rows to write.

    Returns:
        The path of the file. It is not forced to the disk: after a power cut a torn file is found by its hash.
    """
    content = _encode(table)
    path = folder / f"{stem}-{hashlib.sha256(content).hexdigest()[:DIGITS]}.parquet"
    write_bytes(path, content, sync=False)
    return path


def read_named(path: Path) -> pa.Table:
    """Return the table in a file that `write_named` wrote.

    Args:
        path: Path of the file.

    Raises:
        CorruptFileError: If the content differs from what was written.
    """
    return _decode(path, path.stem.rpartition("-")[2])


def write_listed(path: Path, table: pa.Table) -> None:
    """Write a table under a fixed name; `write_sums` must follow.

    Args:
        path: Path of the file.
        table: Rows to write.
    """
    write_bytes(path, _encode(table))


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """Write the file `SHA256SUMS` of a folder.

    Args:
        folder: Folder of the files.
        names: Names of the files that it lists.
    """
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    write_text(folder / SUMS, "".join(lines))


def read_listed(path: Path) -> pa.Table:
    """Return the table in a file that is listed in `SHA256SUMS`.

    Args:
        path: Path of the file.

    Raises:
        CorruptFileError: If the content differs from what was written, or the file is not listed.
    """
    return _decode(path, listed_sum(path))


def check_listed(path: Path) -> bytes:
    """Return the content of a file that is listed in `SHA256SUMS`.

    Args:
        path: Path of the file.

    Raises:
        CorruptFileError: If the content differs from what was written, or the file is not listed.
    """
    return _checked(path, listed_sum(path))


def listed_sum(path: Path) -> str:
    """Return the SHA-256 of a file as `SHA256SUMS` lists it; CorruptFileError if it does not."""
    try:
        lines = (path.parent / SUMS).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorruptFileError(f"{path.parent / SUMS} cannot be read ({error}); {_REMEDY}") from error
    sums = {name: digits for digits, _, name in (line.partition("  ") for line in lines)}
    if len(sums.get(path.name, "")) != 64:
        raise CorruptFileError(f"{path.parent / SUMS} does not list {path.name}; {_REMEDY}")
    return sums[path.name]


def _encode(table: pa.Table) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = pa.BufferOutputStream()
    pq.write_table(table, stream, write_page_checksum=True)
    return bytes(stream.getvalue())


def _decode(path: Path, digits: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = _checked(path, digits)
    try:
        return pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True).read()
    except (pa.ArrowException, OSError) as error:
        raise CorruptFileError(f"{path} is damaged ({error}); {_REMEDY}") from error


def _checked(path: Path, digits: str) -> bytes:
    """Return the content of a file whose SHA-256 begins with `digits`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorruptFileError(f"{path} cannot be read ({error}); {_REMEDY}") from error
    if len(digits) < DIGITS or not hashlib.sha256(content).hexdigest().startswith(digits):
        raise CorruptFileError(f"{path} is damaged: its SHA-256 is not {digits}...; {_REMEDY}")
    return content
