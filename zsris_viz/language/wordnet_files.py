"""The sources of WordNet's noun files, and the reading of the files."""

from __future__ import annotations

import lzma
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from zsris_viz.errors import CorruptFileError

#: Names of the sources in the order of preference.
SOURCES = ("nltk_data", "debian", "shipped")
DEBIAN = Path("/usr/share/wordnet")
SHIPPED = Path(__file__).parent / "data" / "wordnet"
_NAMES = ("index.noun", "data.noun", "noun.exc")


@dataclass(frozen=True)
class NounFiles:
    """The decompressed index of lemmas, the synsets and the irregular plurals, with the name of their source."""

    origin: str
    index: bytes
    data: bytes
    exceptions: bytes


def read_source(name: str, *, only_check: bool = False) -> NounFiles | None:
    """Return the files of one source, or None if the source is not available.

    Args:
        name: One of :data:`SOURCES`.
        only_check: Whether to check only that the source is available; the contents are then empty.

    Raises:
        CorruptFileError: If a file exists but cannot be read.
    """
    found = {"nltk_data": _find_nltk, "debian": lambda: _in_folder(DEBIAN), "shipped": lambda: _in_folder(SHIPPED)}[
        name
    ]()
    if found is None:
        return None
    if only_check:
        return NounFiles(name, b"", b"", b"")
    try:
        index, data, exceptions = (read() for read in found)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise CorruptFileError(
            f"WordNet in {name} cannot be read ({error}); install it again, or use load_wordnet('shipped')."
        ) from error
    if not data.startswith(b"  1 ") or len(index) < 1_000_000:
        raise CorruptFileError(
            f"WordNet in {name} is not WordNet 3.0's noun files; install it again, or use load_wordnet('shipped')."
        )
    return NounFiles(name, index, data, exceptions)


def _in_folder(folder: Path) -> list[Callable[[], bytes]] | None:
    readers: list[Callable[[], bytes]] = []
    for name in _NAMES:
        plain, packed = folder / name, folder / f"{name}.xz"
        if plain.is_file():
            readers.append(plain.read_bytes)
        elif packed.is_file():
            readers.append(partial(_decompress, packed))
        else:
            return None
    return readers


def _decompress(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes())


def _find_nltk() -> list[Callable[[], bytes]] | None:
    """Return readers of the corpus on NLTK's data path, unpacked or in the archive that NLTK's downloader saves."""
    try:
        import nltk.data
    except ImportError:
        return None
    for place in ("corpora/wordnet", "corpora/wordnet.zip/wordnet/"):
        try:
            folder = nltk.data.find(place)
            pointers = [folder.join(name) for name in _NAMES]
        except (LookupError, OSError):
            continue
        return [partial(_read_pointer, pointer) for pointer in pointers]
    return None


def _read_pointer(pointer: object) -> bytes:
    with pointer.open() as stream:  # type: ignore[attr-defined]
        return bytes(stream.read())
