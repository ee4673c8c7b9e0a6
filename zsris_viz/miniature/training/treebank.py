"""Reading of a CoNLL-U treebank for spaCy, in the label scheme of the English pipelines."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from zsris_viz.errors import CorruptFileError, UnavailableError
from zsris_viz.miniature.training.ud_to_clear import UdWord, to_clear_style

if TYPE_CHECKING:
    from spacy.tokens import Doc
    from spacy.vocab import Vocab


def read_conllu(path: str | Path) -> Iterator[list[UdWord]]:
    """Yield the sentences of a treebank file, in Universal Dependencies.

    Args:
        path: a ``.conllu`` or ``.conllu.gz`` file. Ten tab-separated columns
            (https://universaldependencies.org/format.html); ranges ("3-4", a written word of two syntactic words)
            give the spacing, empty nodes ("8.1") are left out.

    Raises:
        UnavailableError: there is no such file.
        CorruptFileError: a line has other than ten columns, or the archive is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise UnavailableError(
            f"no treebank file at {path}; give the folder that holds the .conllu or .conllu.gz files"
        )
    opener = gzip.open if path.suffix == ".gz" else open
    rows: list[list[str]] = []
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                line = line.rstrip("\n")
                if line.startswith("#"):
                    continue
                if not line:
                    if rows:
                        yield _words(rows)
                    rows = []
                    continue
                columns = line.split("\t")
                if len(columns) != 10:
                    raise CorruptFileError(f"{path}, line {number}: {len(columns)} columns; CoNLL-U has 10")
                rows.append(columns)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CorruptFileError(f"{path} cannot be read as CoNLL-U ({error}); fetch the treebank again") from error
    if rows:
        yield _words(rows)


def _words(rows: list[list[str]]) -> list[UdWord]:
    inside_until, last_spaced = 0, True
    words: list[UdWord] = []
    for columns in rows:
        identifier, text, lemma, pos, tag, _, head, dep, _, misc = columns
        spaced = "SpaceAfter=No" not in misc
        if "-" in identifier:
            inside_until, last_spaced = int(identifier.split("-")[1]), spaced
            continue
        if "." in identifier:
            continue
        index = int(identifier)
        if index < inside_until:
            spaced = False
        elif index == inside_until:
            spaced = last_spaced
        governor = index - 1 if head in ("0", "_") else int(head) - 1
        words.append(UdWord(text, text if lemma == "_" else lemma, pos, tag, governor, dep, spaced))
    return words


def load_split(folder: str | Path, split: str) -> list[list[UdWord]]:
    """Load a split ("train", "dev" or "test") of the treebank in `folder`, converted to CLEAR style.

    The folder holds one file a split, named like ``en_ewt-ud-train.conllu.gz``.
    """
    found = sorted(Path(folder).glob(f"*-{split}.conllu*"))
    if not found:
        raise UnavailableError(f"no file *-{split}.conllu[.gz] in {folder}; unpack a UD English treebank there")
    return [to_clear_style(sentence) for sentence in read_conllu(found[0])]


def to_doc(vocab: Vocab, words: Iterable[UdWord]) -> Doc:
    """Return a spaCy document with the gold annotation of one sentence."""
    from spacy.tokens import Doc

    words = list(words)
    return Doc(
        vocab,
        words=[word.text for word in words],
        spaces=[word.space for word in words[:-1]] + [False],
        tags=[word.tag for word in words],
        pos=[word.pos for word in words],
        lemmas=[word.lemma for word in words],
        heads=[word.head for word in words],
        deps=[word.dep for word in words],
        sent_starts=[position == 0 for position in range(len(words))],
    )
