"""NLTK's WordNet reader for the noun files only.

NLTK's own constructor reads all four parts of speech, a list of file names that Debian leaves out, and a version map;
this one reads the nouns and parses lines on access, which takes a tenth of the time. All other methods are NLTK's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from nltk.corpus.reader.wordnet import WordNetCorpusReader

from zsris_viz.language.wordnet_files import NounFiles

_LEXICOGRAPHER_FILES = """
    adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body
    noun.cognition noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive
    noun.object noun.person noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation
    noun.shape noun.state noun.substance noun.time
""".split()  # noqa: SIM905


class _Index(Mapping[str, dict[str, list[int]]]):
    """A mapping from each lemma to {"n": synset offsets}; a line is parsed when its lemma is requested."""

    def __init__(self, lines: bytes) -> None:
        rows = (line.partition(" ") for line in lines.decode("ascii").splitlines() if not line.startswith(" "))
        self._rows = {name: rest for name, _, rest in rows}

    def __getitem__(self, lemma: str) -> dict[str, list[int]]:
        fields = self._rows[lemma].split()
        return {"n": [int(offset) for offset in fields[len(fields) - int(fields[1]) :]]}

    def __contains__(self, lemma: object) -> bool:
        return lemma in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class _Lines:
    """A file-like view of the data file: `seek` goes to a synset's offset, and `readline` reads from there."""

    def __init__(self, contents: bytes) -> None:
        self._contents = contents
        self._place = 0

    def seek(self, offset: int) -> None:
        self._place = offset

    def readline(self) -> str:
        start = self._place
        end = self._contents.find(b"\n", start)
        self._place = len(self._contents) if end < 0 else end + 1
        return self._contents[start : self._place].decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        while self._place < len(self._contents):
            yield self.readline()


class NounReader(WordNetCorpusReader):
    """NLTK's WordNet reader for nouns; `origin` is the name of the source of the files."""

    def __init__(self, files: NounFiles) -> None:
        self.origin = files.origin
        self._lemma_pos_offset_map: Any = _Index(files.index)
        self._synset_offset_cache: Any = defaultdict(dict)
        self._lexnames = list(_LEXICOGRAPHER_FILES)
        self._data_file_map = {"n": _Lines(files.data)}
        rows = (line.split() for line in files.exceptions.decode("ascii").splitlines())
        self._exception_map = defaultdict(dict, {"n": {row[0]: row[1:] for row in rows if row}})
        self._max_depth: Any = {}
        self._lang_data: Any = defaultdict(list)
        self._omw_reader = self._exomw_reader = None
        self.provenances = defaultdict(str, {"eng": ""})

    def __repr__(self) -> str:
        return f"NounReader({self.origin!r}, {len(self._lemma_pos_offset_map)} lemmas)"

    def get_version(self) -> str:
        """Return the version of the files, "3.0"."""
        lines = self._data_file_map["n"]
        lines.seek(0)
        head = next((line for line in lines if "Copyright" in line), "")
        return head.split("WordNet ")[-1].split()[0]
