"""Getting files: resumed where they broke off, checked by hash, and moved to their place only when whole."""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

from zsris_viz.datasets.manifests import File, Manifest, get_manifest
from zsris_viz.datasets.verify import check_file
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError

BLOCK = 1 << 20
TIMEOUT = 60  # seconds without an answer
AGENT = {"User-Agent": "zsris_viz"}


def fetch(
    name: str | Manifest,
    data_root: str | os.PathLike[str] | None = None,
    *,
    progress: bool = True,
    told: Callable[[str], None] = print,
) -> list[Path]:
    """Get the files of a dataset or checkpoint and unpack its archives. What is there and whole is left alone.

    A download goes to `NAME.part` first; a second call goes on with it. When it is complete its hash is checked, and
    only then it gets its name. Repositories of the Hugging Face hub go into its cache, by its own client.

    Args:
        name: a manifest or its name. data_root: where files go; needed unless everything comes from the hub.
        progress: show progress bars. told: called with a line for each file.

    Returns:
        The files, or the folder of the hub's cache.

    Raises:
        InvalidInputError: an unknown name, or no data_root.
        UnavailableError: no source answers, saying what to place where by hand.
        CorruptFileError: what came does not have the published hash or size.
    """
    manifest = get_manifest(name) if isinstance(name, str) else name
    if manifest.hub is not None and (data_root is None or not manifest.files):
        return [_from_hub(manifest)]
    if data_root is None:
        raise InvalidInputError(f"Say where the files of {manifest.name} go: fetch({manifest.name!r}, 'data').")
    root = Path(data_root)
    root.mkdir(parents=True, exist_ok=True)
    wanted = [file for file in manifest.files if not file.optional] or list(manifest.files)
    got = []
    for file in wanted:
        check = check_file(file, root, manifest)
        if check.status in ("ok", "unknown"):
            told(f"{file.path}: {check.detail}")
        else:
            _get(file, root / file.path, manifest, root, progress)
            told(f"{file.path}: fetched")
        if file.provides and (root / file.path).is_file():
            _unpack(root / file.path, file, root)
            told(f"{file.path}: unpacked")
        got.append(root / file.path)
    return got


def _get(file: File, target: Path, manifest: Manifest, root: Path, progress: bool) -> None:
    """Try the sources in order until one gives the whole file."""
    import pooch
    from pooch.utils import get_logger

    get_logger().setLevel("WARNING")
    failures = []
    for source in file.sources:
        if source.state != "live":
            continue
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)  # there but wrong, or it would have been left alone
            pooch.retrieve(
                source.url,
                known_hash=file.known_hash,
                fname=target.name,
                path=target.parent,
                downloader=Resuming(target, file.size, progress),
            )
            return
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            told = error if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", error)
            failures.append(f"{source.url}: {told}")
        except ValueError as error:  # pooch's word for a wrong hash
            raise CorruptFileError(
                f"{source.url} gave something else than the file with the published hash {file.known_hash}; "
                "it was not kept. Fetch it again, or take another source."
            ) from error
        except OSError as error:
            raise UnavailableError(f"{target} cannot be written ({error}); give another --data-root.") from error
    raise UnavailableError(_by_hand(file, target, manifest, root, failures))


def _by_hand(file: File, target: Path, manifest: Manifest, root: Path, failures: list[str]) -> str:
    """What to do when no source answers."""
    parts = [f"{file.path} of {manifest.name} could not be fetched"]
    parts.append(f" ({'; '.join(failures)})" if failures else ": it has no address that needs no browser")
    parts.append(". Get it on a machine with a network" if failures else ". Get it by hand")
    usable = [source.url for source in file.sources if source.state != "dead"]
    others = [source for other in manifest.files if other is not file for source in other.sources]
    usable += [source.url for source in others if source.state == "manual"]
    if usable:
        parts.append(f", from {', or '.join(dict.fromkeys(usable))},")
    parts.append(f" and place it at {target}")
    if file.provides:
        parts.append(f", or unpacked as {', '.join(str(root / place) for place in file.provides)}")
    parts.append(f". Then run `zsris data verify {manifest.name} --data-root {root}`.")
    return "".join(parts)


class Resuming:
    """A downloader for pooch that goes on where an earlier one broke off.

    Args:
        target: the file's final place; the part that has arrived lies beside it as NAME.part.
        size: bytes of the whole file if known.
        progress: show a progress bar.
    """

    def __init__(self, target: Path, size: int | None, progress: bool) -> None:
        self.target, self.size, self.progress = target, size, progress
        self.part = target.with_name(target.name + ".part")

    def __call__(self, url: str, output_file: Any, pooch: Any = None, check_only: bool = False) -> None:
        """Download to the part, then hand it over as `output_file`, whose hash pooch checks before it gets its name."""
        have = self.part.stat().st_size if self.part.is_file() else 0
        if self.size is not None and have > self.size:
            self.part.unlink()
            have = 0
        if self.size is None or have < self.size:
            self._download(url, have)
        arrived = self.part.stat().st_size
        if self.size is not None and arrived != self.size:
            if arrived > self.size:
                self.part.unlink()
                raise ValueError(f"{arrived} bytes instead of {self.size}")
            raise ConnectionError(f"broke off after {arrived:,} of {self.size:,} bytes; run it again to go on")
        shutil.move(self.part, str(output_file))

    def _download(self, url: str, have: int) -> None:
        from tqdm.auto import tqdm

        asked = urllib.request.Request(url, headers=AGENT | ({"Range": f"bytes={have}-"} if have else {}))
        try:
            answer = urllib.request.urlopen(asked, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code != 416 or not have:  # 416: the part is the whole file already, or of another file
                raise
            if self.size is None:
                return
            self.part.unlink()
            answer = urllib.request.urlopen(urllib.request.Request(url, headers=AGENT), timeout=TIMEOUT)
        with answer:
            resumed = answer.status == 206
            start = have if resumed else 0
            length = answer.headers.get("Content-Length")
            total = start + int(length) if length else self.size
            bar = tqdm(
                total=total,
                initial=start,
                unit="B",
                unit_scale=True,
                desc=self.target.name,
                disable=not self.progress,
            )
            with bar, self.part.open("ab" if resumed else "wb") as out:
                while block := answer.read(BLOCK):
                    out.write(block)
                    bar.update(len(block))
        if total is not None and self.part.stat().st_size < total:
            arrived = self.part.stat().st_size
            raise ConnectionError(f"broke off after {arrived:,} of {total:,} bytes; run it again to go on")


def _unpack(archive: Path, file: File, root: Path) -> None:
    """Unpack a zip archive where it lies, unless what it provides is there.

    Raises:
        CorruptFileError: no zip archive, or a member outside the folder.
    """
    if all((root / place).exists() for place in file.provides):
        return
    folder = archive.parent
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.namelist():
                if not (folder / member).resolve().is_relative_to(folder.resolve()):
                    raise CorruptFileError(f"{archive} was not unpacked: its {member!r} would lie outside {folder}.")
            opened.extractall(folder)
    except zipfile.BadZipFile as error:
        raise CorruptFileError(f"{archive} is no whole zip archive ({error}); remove it and fetch it again.") from error


def _from_hub(manifest: Manifest) -> Path:
    """A repository of the hub, in its cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    hub = manifest.hub
    if hub is None:
        raise InvalidInputError(f"{manifest.name} has no repository on the hub.")
    try:
        return Path(snapshot_download(hub.repo, revision=hub.revision, allow_patterns=list(hub.patterns) or None))
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        raise UnavailableError(
            f"{hub.repo} could not be fetched ({' '.join(str(error).split())[:200]}). Get the files of "
            f"https://huggingface.co/{hub.repo} on a machine with a network, place them in a folder, and give that "
            "folder's path instead of the name; or copy its Hugging Face cache and set HF_HOME."
        ) from error
