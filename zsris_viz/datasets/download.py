"""One file from one address: bounded in size, continued where it broke off, and renamed only when it is right."""

from __future__ import annotations

import os
import re
import ssl
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from zsris_viz.io.hashing import file_hash

BLOCK = 1 << 20
TIMEOUT = 60  # seconds without an answer
MAX_BYTES = 50 * 2**30  # of a file whose size nobody has published
AGENT = {"User-Agent": "zsris_viz"}
FAILURES = (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, ssl.SSLError)  # of the network


class WrongFileError(Exception):
    """The address gives another file than the one that was published."""


def download(url: str, target: Path, *, size: int | None, known_hash: str | None, progress: bool) -> None:
    """Download a file to `NAME.part` beside it, check it, and rename it.

    A part that an earlier call left is continued if a hash is known, since nothing else would tell a mixture of two
    files; if the result is wrong, it is downloaded once more from the beginning.

    Args:
        url: The address.
        target: The file; one that is there already stays until the new one has been checked.
        size: Its size in bytes, if it is known.
        known_hash: Its hash as "sha256:..." or "md5:...", if it is known.
        progress: Whether a progress bar is shown.

    Raises:
        WrongFileError: The address gives a file of another size or hash.
        ConnectionError: It broke off. Other errors in `FAILURES` are raised, too.
        OSError: The file cannot be written.
    """
    part = target.with_name(f"{target.name}.part")
    have = part.stat().st_size if part.is_file() else 0
    if have and (known_hash is None or have > (size or MAX_BYTES)):
        part.unlink()
        have = 0
    if not have or have != size:
        _transfer(url, part, have, size, target.name, progress)
    reason = _difference(part, size, known_hash)
    if reason is not None and have:
        part.unlink()
        _transfer(url, part, 0, size, target.name, progress)
        reason = _difference(part, size, known_hash)
    if reason is not None:
        part.unlink()
        raise WrongFileError(reason)
    os.replace(part, target)


def _difference(part: Path, size: int | None, known_hash: str | None) -> str | None:
    """Say in what a file differs from what was published, if it does."""
    arrived = part.stat().st_size
    if size is not None and arrived != size:
        return f"it has {arrived:,} bytes instead of {size:,}"
    if known_hash is not None:
        algorithm, digits = known_hash.split(":")
        found = file_hash(part, algorithm)
        if found != digits:
            return f"its {algorithm} {found} is not the published hash {digits}"
    return None


def _transfer(url: str, part: Path, have: int, size: int | None, name: str, progress: bool) -> None:
    """Write what the address gives to the part, after the bytes that it has."""
    from tqdm.auto import tqdm

    answer, start = _open(url, have, size)
    with answer:
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        limit = size or total or MAX_BYTES
        if total is not None and total > limit:
            raise WrongFileError(f"it would have {total:,} bytes instead of {limit:,}")
        arrived = start
        bar = tqdm(total=size or total, initial=start, unit="B", unit_scale=True, desc=name, disable=not progress)
        with bar, part.open("r+b" if start else "wb") as out:
            out.seek(start)
            out.truncate()
            while block := answer.read1(BLOCK):  # what has arrived, so that a process that is killed loses little
                arrived += len(block)
                if arrived > limit:
                    part.unlink()
                    raise WrongFileError(f"it has more than {limit:,} bytes")
                out.write(block)
                bar.update(len(block))
            out.flush()
            os.fsync(out.fileno())
    expected = size or total
    if expected is not None and arrived < expected:
        raise ConnectionError(f"broke off after {arrived:,} of {expected:,} bytes; run it again to continue")


def _open(url: str, have: int, size: int | None) -> tuple[HTTPResponse, int]:
    """Ask for the rest of a file; the answer, and the position at which it begins."""
    if have:
        request = urllib.request.Request(url, headers=AGENT | {"Range": f"bytes={have}-"})
        try:
            answer = urllib.request.urlopen(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code != 416:  # 416: the file ends before the part does
                raise
        else:
            if answer.status != 206:
                return answer, 0
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
            if found and int(found[1]) == have and (size is None or found[2] in ("*", str(size))):
                return answer, have
            answer.close()  # another range than the one that was asked for
    request = urllib.request.Request(url, headers=AGENT)
    answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    if answer.status == 206:
        answer.close()
        raise WrongFileError("it gives a part of the file where the whole was asked for")
    return answer, 0
