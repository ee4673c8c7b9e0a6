"""WordNet without a download, and TAS's synonym rule."""

from __future__ import annotations

import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError, UnavailableError
from zsris_viz.language import wordnet, wordnet_files
from zsris_viz.language.wordnet import are_synonyms, available_sources, load_wordnet, path_similarity, synsets


def pairs(count: int) -> list[tuple[str, str]]:
    """Pairs of nouns, a third of them of one synset."""
    reader = load_wordnet("shipped")
    lemmas = list(reader._lemma_pos_offset_map)
    rng = random.Random(5)
    found = []
    while len(found) < count:
        first = rng.choice(lemmas)
        names = [name.lower() for one in reader.synsets(first, "n") for name in one.lemma_names()]
        found.append((first, rng.choice(names) if len(found) % 3 == 0 else rng.choice(lemmas)))
    return found


@pytest.mark.slow
def test_the_sources_that_are_there_agree() -> None:
    sources = available_sources()
    if len(sources) < 2:
        pytest.skip("only the shipped copy is there")
    for first, second in pairs(1000):
        results = {
            (path_similarity(first, second, source=one), are_synonyms(first, second, source=one)) for one in sources
        }
        assert len(results) == 1, (first, second)


def test_the_files_of_all_sources_are_the_same() -> None:
    contents = [wordnet_files.read_source(name) for name in available_sources()]
    assert {(one.index, one.data, one.exceptions) for one in contents if one} == {
        (contents[-1].index, contents[-1].data, contents[-1].exceptions)  # type: ignore[union-attr]
    }


def test_the_shipped_copy_is_read_by_nltk_and_is_version_3() -> None:
    reader = load_wordnet("shipped")
    assert reader.get_version() == "3.0"
    assert len(reader._lemma_pos_offset_map) == 117_798
    dog = reader.synsets("dog", "n")[0]
    assert dog.name() == "dog.n.01"
    assert dog.definition().startswith("a member of the genus Canis")
    assert {one.name() for one in dog.hypernyms()} == {"canine.n.02", "domestic_animal.n.01"}
    assert dog.lexname() == "noun.animal"
    assert load_wordnet("shipped") is reader


def test_similarity_is_that_of_the_wordnet_papers_examples() -> None:
    assert path_similarity("dog", "cat") == pytest.approx(0.2)
    assert path_similarity("car", "automobile") == 1.0
    assert path_similarity("man", "guy") == 0.5
    assert path_similarity("man", "qwertz") == 0.0


@pytest.mark.parametrize(
    ("a", "b", "three", "one"),
    [
        ("man", "guy", False, False),  # no shared sense: guy.n.01 hangs below man.n.01
        ("cup", "mug", False, False),
        ("car", "auto", False, True),  # one shared sense
        ("couch", "sofa", False, True),
        ("place", "position", True, True),  # four shared senses
        ("apple", "apple", True, True),  # itself, though it has but two senses
        ("dog", "dogs", True, True),
        ("men", "man", True, True),
        ("fire hydrant", "fireplug", False, True),
        ("qwertz", "man", False, False),
    ],
)
def test_synonyms_by_three_pairs_and_by_one(a: str, b: str, three: bool, one: bool) -> None:
    assert are_synonyms(a, b) is three
    assert are_synonyms(b, a) is three
    assert are_synonyms(a, b, min_pairs=1) is one


def test_a_lower_threshold_accepts_neighbours() -> None:
    assert are_synonyms("cup", "mug", min_pairs=1, threshold=0.3)
    assert not are_synonyms("cup", "mug", min_pairs=1, threshold=0.4)


@pytest.mark.parametrize("options", [{"min_pairs": 0}, {"threshold": 1.5}, {"threshold": -0.1}, {"min_pairs": 1.5}])
def test_bad_options(options: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match="TAS"):
        are_synonyms("cup", "mug", **options)  # type: ignore[arg-type]


def test_bad_words_and_sources() -> None:
    with pytest.raises(InvalidInputError, match="empty"):
        synsets(" ")
    with pytest.raises(InvalidTypeError, match="int"):
        synsets(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="shipped"):
        load_wordnet("wikipedia")


def test_an_archive_as_nltks_downloader_leaves_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = wordnet_files.read_source("shipped")
    assert shipped is not None
    (tmp_path / "corpora").mkdir()
    with zipfile.ZipFile(tmp_path / "corpora" / "wordnet.zip", "w") as archive:
        for name, content in (
            ("index.noun", shipped.index),
            ("data.noun", shipped.data),
            ("noun.exc", shipped.exceptions),
        ):
            archive.writestr(f"wordnet/{name}", content)
    import nltk.data

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    found = wordnet_files.read_source("nltk_data")
    assert found is not None
    assert found.data == shipped.data
    assert available_sources()[0] == "nltk_data"


def test_a_missing_and_a_damaged_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordnet_files, "DEBIAN", tmp_path)
    with pytest.raises(UnavailableError, match="shipped"):
        wordnet.load_wordnet.__wrapped__("debian")
    for name in ("index.noun", "data.noun", "noun.exc"):
        (tmp_path / name).write_text("broken")
    with pytest.raises(CorruptFileError, match="install it again"):
        wordnet.load_wordnet.__wrapped__("debian")


def test_importing_the_module_reads_nothing() -> None:
    code = "import sys, zsris_viz.language; print('nltk' in sys.modules, 'spacy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == [
        "False",
        "False",
    ]
