"""Unpacking zip archives that may be damaged or hostile."""

from __future__ import annotations

import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from zsris_viz.errors import CorruptFileError, UnavailableError, ZsrisError
from zsris_viz.io.atomic import translate_os_errors

MAX_RATIO = 50  # of the unpacked to the packed size; it is about 10 for annotations in JSON
SPARE_BYTES = 1 << 20  # permitted in addition to this ratio
MAX_MEMBERS = 1_000_000  # COCO has 82,783 training images
BLOCK = 1 << 20
_ODD = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, KeyError, OverflowError)


def unpack(archive: Path, provides: Sequence[Path]) -> None:
    """Unpack a zip archive into its folder, unless the files that it provides exist.

    The members are written to a temporary folder beside the archive and their checksums are compared; only then are
    they moved to their final paths. If the process is killed, the next call finds the temporary folder and starts
    again.

    Args:
        archive: The zip archive.
        provides: Files and folders that it unpacks to.

    Raises:
        CorruptFileError: The file is not a zip archive, is damaged, encrypted or of an unsupported kind, has a member
            outside the folder, or contains more data than is plausible for its size.
        UnavailableError: The disk is full or not writable.
    """
    draft = archive.with_name(f".{archive.name}.unpacking")
    if not draft.exists() and all(place.exists() for place in provides):
        return
    with translate_os_errors(f"{archive} could not be unpacked"):
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        try:
            _extract(archive, draft)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        _move(draft, archive.parent)
        shutil.rmtree(draft)


def _extract(archive: Path, draft: Path) -> None:
    """Write the members of an archive below a new folder."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            _check(archive, members)
            for member in members:
                target = draft / member.filename
                if member.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, target.open("xb") as out:
                    shutil.copyfileobj(source, out, BLOCK)  # zipfile compares the checksum at the end
    except ZsrisError:
        raise
    except (NotImplementedError, RuntimeError) as error:  # unknown compression, or encryption without the flag
        raise CorruptFileError(f"{archive} cannot be unpacked ({error}). Unpack it by hand where it lies.") from error
    except FileExistsError as error:
        raise CorruptFileError(f"{archive} was not unpacked: two of its members have one name ({error}).") from error
    except _ODD as error:
        raise CorruptFileError(
            f"{archive} is not a complete zip archive ({error}); remove it and fetch it again."
        ) from error


def _check(archive: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Check an archive before any of its members is written."""
    packed, unpacked = archive.stat().st_size, sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or unpacked > MAX_RATIO * packed + SPARE_BYTES:
        raise CorruptFileError(
            f"{archive} was not unpacked: {packed:,} bytes would become {unpacked:,} in {len(members):,} files. Remove "
            "it and fetch it again; if it is right, unpack it by hand."
        )
    for member in members:
        parts = member.filename.replace("\\", "/").split("/")
        if ".." in parts or "\0" in member.filename or Path(member.filename).is_absolute() or ":" in parts[0]:
            raise CorruptFileError(
                f"{archive} was not unpacked: its {member.filename!r} would lie outside {archive.parent}."
            )
        if member.flag_bits & 1:
            raise CorruptFileError(
                f"{archive} was not unpacked: its {member.filename!r} is encrypted. Get the archive that the manifest "
                "names, or unpack it by hand."
            )
    free = shutil.disk_usage(archive.parent).free
    if unpacked > free:
        raise UnavailableError(
            f"{archive} was not unpacked: {unpacked:,} bytes are needed and {free:,} are free on its disk."
        )


def _move(draft: Path, folder: Path) -> None:
    """Move everything to its final path: whole folders if they do not exist yet, otherwise file by file."""
    for source in sorted(draft.iterdir()):
        target = folder / source.name
        if source.is_dir() and target.is_dir():
            _move(source, target)
        else:
            os.replace(source, target)
