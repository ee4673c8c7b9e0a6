"""Download of one file: its size is bounded, interrupted downloads are resumed, and the result is checked."""

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
TIMEOUT = 60  # seconds to wait for a response
MAX_BYTES = 50 * 2**30  # limit for a file whose size is not published
AGENT = {"User-Agent": "zsris_viz"}
FAILURES = (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, ssl.SSLError)  # network errors


class WrongFileError(Exception):
    """The address provides a different file from the published one."""


def download(url: str, target: Path, *, size: int | None, known_hash: str | None, progress: bool) -> None:
    """Download a file under the name `NAME.part`, check it, and rename it.

    An incomplete file of an earlier call is resumed only if a hash is known, since nothing else would detect a mixture
    of two files; if the result is wrong, the file is downloaded once more from the beginning.

    Args:
        url: The address.
        target: Path of the file; an existing file is kept until the new one has been checked.
        size: Its size in bytes, if it is known.
        known_hash: Its hash as "sha256:..." or "md5:...", if it is known.
        progress: Whether a progress bar is shown.

    Raises:
        WrongFileError: The address provides a file of another size or hash.
        ConnectionError: The download was interrupted. Other errors in `FAILURES` are raised, too.
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
    """Return how a file differs from the published one, or None if it does not."""
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
    """Append the rest of the file to `part`, which has `have` bytes."""
    from tqdm.auto import tqdm

    response, start = _open(url, have, size)
    with response:
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        limit = size or total or MAX_BYTES
        if total is not None and total > limit:
            raise WrongFileError(f"it would have {total:,} bytes instead of {limit:,}")
        arrived = start
        bar = tqdm(total=size or total, initial=start, unit="B", unit_scale=True, desc=name, disable=not progress)
        with bar, part.open("r+b" if start else "wb") as out:
            out.seek(start)
            out.truncate()
            while block := response.read1(BLOCK):  # returns what has arrived, so that a killed process loses little
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
    """Request the rest of a file; return the response and the position at which it begins."""
    if have:
        request = urllib.request.Request(url, headers=AGENT | {"Range": f"bytes={have}-"})
        try:
            response = urllib.request.urlopen(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code != 416:  # 416: the partial file is not shorter than the whole one
                raise
        else:
            if response.status != 206:
                return response, 0
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
            if found and int(found[1]) == have and (size is None or found[2] in ("*", str(size))):
                return response, have
            response.close()  # a different range from the requested one
    request = urllib.request.Request(url, headers=AGENT)
    response = urllib.request.urlopen(request, timeout=TIMEOUT)
    if response.status == 206:
        response.close()
        raise WrongFileError("it gives a part of the file where the whole was asked for")
    return response, 0
