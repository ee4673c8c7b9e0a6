"""WordNet 3.0 nouns through NLTK's reader, without a download, and the synonym rule of TAS."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError
from zsris_viz.language.wordnet_files import SOURCES, NounFiles, read_source

if TYPE_CHECKING:
    from nltk.corpus.reader.wordnet import Synset, WordNetCorpusReader


def available_sources() -> list[str]:
    """Return the available sources of WordNet in the order of preference: "nltk_data", "debian", "shipped"."""
    return [name for name in SOURCES if read_source(name, only_check=True) is not None]


@lru_cache(maxsize=4)
def load_wordnet(source: str | None = None) -> WordNetCorpusReader:
    """Return NLTK's WordNet reader over the nouns of WordNet 3.0.

    The files are read once per source and process, which takes half a second. The first call also imports NLTK, which
    takes longer.

    Args:
        source: "nltk_data" (the corpus "wordnet" on NLTK's data path), "debian" (/usr/share/wordnet), "shipped" (in
            this package), or None for the first of them that is available. All three hold the same data.

    Returns:
        A reader whose methods are NLTK's; other parts of speech than nouns have no entries.

    Raises:
        InvalidInputError: If there is no such source.
        UnavailableError: If the source is not available, or NLTK is not installed.
        CorruptFileError: If the source is damaged.
    """
    if source is not None and source not in SOURCES:
        raise InvalidInputError(
            f"WordNet source {source!r} is unknown; give one of {', '.join(SOURCES)}, or None for the first found."
        )
    for name in (source,) if source else SOURCES:
        files = read_source(name)
        if files is not None:
            return _reader(files)
    raise UnavailableError(
        f"WordNet source {source or 'any'} is not there; use load_wordnet('shipped'), or install one: "
        "python -m nltk.downloader wordnet, or apt-get install wordnet-base."
    )


def _reader(files: NounFiles) -> WordNetCorpusReader:
    try:
        from zsris_viz.language.wordnet_reader import NounReader
    except ImportError as error:
        raise UnavailableError("WordNet needs NLTK; install it: pip install nltk") from error
    return NounReader(files)


def lemma(word: str, *, source: str | None = None) -> str:
    """Return the singular of a noun in WordNet, in lower case with "_" for spaces; the word itself if it is unknown.

    >>> lemma("buses"), lemma("women"), lemma("Fire hydrants")
    ('bus', 'woman', 'fire_hydrant')
    """
    word = _checked(word)
    reader = load_wordnet(source)
    exact = reader.morphy(word, "n", check_exceptions=True)
    if exact and exact == word and word.endswith("s"):  # "glasses" is a lemma of its own: keep it
        return word
    return exact or word


def synsets(word: str, *, source: str | None = None) -> list[Synset]:
    """Return the noun synsets of a word, most frequent sense first; plurals are also looked up by their singular."""
    return load_wordnet(source).synsets(_checked(word), pos="n")


def path_similarity(a: str, b: str, *, source: str | None = None) -> float:
    """Return the highest path similarity between any noun synsets of two words, 0 to 1; 0 if a word is unknown.

    Path similarity is 1 / (1 + length of the shortest path over hypernyms); 1 means that the words share a synset.
    """
    others = synsets(b, source=source)
    return max(
        (synset.path_similarity(other) or 0.0 for synset in synsets(a, source=source) for other in others), default=0.0
    )


def are_synonyms(a: str, b: str, *, min_pairs: int = 3, threshold: float = 0.9, source: str | None = None) -> bool:
    """Return whether two nouns are near-synonyms by the rule of TAS, which counts pairs of similar synsets.

    A pair is one noun synset of `a` with one of `b`; it counts if its path similarity is above `threshold`. Path
    similarity is 1 for one and the same synset and at most 0.5 otherwise, so any threshold from 0.5 to below 1 counts
    shared synsets. With the authors' three pairs, only words that share three senses are synonyms; ("auto", "car") with
    one shared sense are not, nor are ("man", "guy") or ("cup", "mug") with none. `min_pairs=1` accepts the first of
    these examples, and `threshold=0.3, min_pairs=1` also the last. One rule is added: a word and its plural are always
    synonyms of the word itself, even if it has fewer than three senses, as "apple" has.

    Args:
        a: A noun, singular or plural; several words may be separated by spaces ("wine glass").
        b: The other noun, in the same form.
        min_pairs: Number of pairs that must be similar, at least 1.
        threshold: Path similarity, from 0 to 1, that a pair must exceed.
        source: See :func:`load_wordnet`.

    Raises:
        InvalidInputError: If a word is empty, `min_pairs` is below 1, or the threshold is not between 0 and 1.
        InvalidTypeError: If a word is not a text.
    """
    if not isinstance(min_pairs, int) or min_pairs < 1:
        raise InvalidInputError(f"min_pairs={min_pairs!r} was given; it is a whole number from 1 on, 3 in TAS.")
    if not 0 <= threshold <= 1:
        raise InvalidInputError(f"threshold={threshold!r} was given; it is a path similarity from 0 to 1, 0.9 in TAS.")
    if lemma(a, source=source) == lemma(b, source=source):
        return True
    others = synsets(b, source=source)
    pairs = sum(
        (synset.path_similarity(other) or 0.0) > threshold for synset in synsets(a, source=source) for other in others
    )
    return pairs >= min_pairs


def _checked(word: str) -> str:
    if not isinstance(word, str):
        raise InvalidTypeError(f"a noun is a text; {type(word).__name__} was given.")
    if not word.strip():
        raise InvalidInputError('the noun is empty; give a word such as "cup".')
    return "_".join(word.lower().split())
