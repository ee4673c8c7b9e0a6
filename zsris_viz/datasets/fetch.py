"""Download of datasets and checkpoints: interrupted downloads are resumed, and every file is checked by its hash."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from zsris_viz.datasets.download import FAILURES, WrongFileError, download
from zsris_viz.datasets.manifests import File, Hub, Manifest, get_manifest
from zsris_viz.datasets.unpack import unpack
from zsris_viz.datasets.verify import check_file
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.io.atomic import translate_os_errors


def fetch(
    name: str | Manifest,
    data_root: str | os.PathLike[str] | None = None,
    *,
    progress: bool = True,
    report: Callable[[str], None] = print,
) -> list[Path]:
    """Download the files of a dataset or checkpoint and unpack its archives; complete files are not changed.

    A download is written to `NAME.part`, which a second call resumes. When it is complete, its hash is checked, and
    only then is it renamed, which replaces an existing file. Models of the Hugging Face Hub are stored in its cache,
    datasets below the data root, both by the Hub's own client.

    Args:
        name: A manifest or its name.
        data_root: Folder of the files; required unless everything is stored in the Hub's cache.
        progress: Whether progress bars are shown.
        report: Function that is called with one line of text for each file.

    Returns:
        Paths of the files, or of the folder of the repository.

    Raises:
        InvalidInputError: The name is unknown, or there is no data_root.
        UnavailableError: No source is reachable, or the disk is full; the message explains how to place the files by
            hand.
        CorruptFileError: A downloaded file does not have the published hash or size, or an archive is damaged.
    """
    manifest = get_manifest(name) if isinstance(name, str) else name
    hub = manifest.hub
    if hub is not None and hub.folder is None and (data_root is None or not manifest.files):
        return [_from_hub(manifest, hub, None)]
    if data_root is None:
        raise InvalidInputError(f"Say where the files of {manifest.name} go: fetch({manifest.name!r}, 'data').")
    root = Path(data_root)
    with translate_os_errors(f"The folder {root} could not be made"):
        root.mkdir(parents=True, exist_ok=True)
    if hub is not None and hub.folder is not None:
        return [_from_hub(manifest, hub, root / hub.folder)]
    wanted = [file for file in manifest.files if not file.optional] or list(manifest.files)
    got = []
    for file in wanted:
        check = check_file(file, root, manifest)
        if check.status in ("ok", "unknown"):
            report(f"{file.path}: {check.detail}")
        else:
            _get(file, root / file.path, manifest, root, progress)
            report(f"{file.path}: fetched")
        if file.provides and (root / file.path).is_file():
            unpack(root / file.path, [root / place for place in file.provides])
            report(f"{file.path}: unpacked")
        got.append(root / file.path)
    return got


def _get(file: File, target: Path, manifest: Manifest, root: Path, progress: bool) -> None:
    """Try the sources in order until one provides the complete file; an existing file is kept until then."""
    failures, wrong = [], None
    for source in file.sources:
        if source.state != "live":
            continue
        with translate_os_errors(f"{target} could not be written", "Or give another --data-root."):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                download(source.url, target, size=file.size, known_hash=file.known_hash, progress=progress)
            except WrongFileError as error:
                wrong = error
                failures.append(f"{source.url}: {error}")
            except FAILURES as error:
                failures.append(f"{source.url}: {error}")
            else:
                return
    if wrong is not None:
        raise CorruptFileError(
            f"{file.path} of {manifest.name} could not be fetched ({'; '.join(failures)}); nothing was replaced. "
            f"Fetch it again later, or get it elsewhere and place it at {target}."
        ) from wrong
    raise UnavailableError(_by_hand(file, target, manifest, root, failures))


def _by_hand(file: File, target: Path, manifest: Manifest, root: Path, failures: list[str]) -> str:
    """Return the instructions for a download by hand when no source is reachable."""
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


def _from_hub(manifest: Manifest, hub: Hub, folder: Path | None) -> Path:
    """Download a repository of the Hub into a folder, or into the Hub's cache if there is no folder."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    patterns = list(hub.patterns) or None
    try:
        found = snapshot_download(
            hub.repo, repo_type=hub.kind, revision=hub.revision, allow_patterns=patterns, local_dir=folder
        )
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        if folder is None:
            place = "place them in a folder, and give that folder's path instead of the name; or copy the machine's "
            place += "Hugging Face cache and set HF_HOME"
        else:
            place = f"place them in {folder}, in the same folders as there"
        raise UnavailableError(
            f"{hub.repo} could not be fetched ({' '.join(str(error).split())[:200]}). Get the files of {hub.url} on a "
            f"machine with a network, and {place}."
        ) from error
    return Path(found)
