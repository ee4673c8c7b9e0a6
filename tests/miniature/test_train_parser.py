"""The conversion of the treebank, the made-up fragments, and one round of training on next to nothing."""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path

import pytest

from zsris_viz.errors import CorruptFileError, UnavailableError
from zsris_viz.language.parser import Parser
from zsris_viz.miniature.training.fragments import FragmentMaker
from zsris_viz.miniature.training.measure_parser import folder_hash, score_treebank, write_card
from zsris_viz.miniature.training.train_parser import ParserRecipe, as_typed, expressions, train
from zsris_viz.miniature.training.treebank import load_split, read_conllu, to_doc
from zsris_viz.miniature.training.ud_to_clear import UdWord, to_clear_style


def words(rows: str) -> list[UdWord]:
    """ "text/tag/pos/label/head", heads counted from 1, 0 for the root, as in CoNLL-U."""
    found = []
    for place, row in enumerate(rows.split()):
        text, tag, pos, dep, head = row.split("/")
        lemma = "be" if text in ("is", "was", "are") else text.lower()
        found.append(UdWord(text, lemma, pos, tag, int(head) - 1 if head != "0" else place, dep))
    return found


def arcs(sentence: list[UdWord]) -> list[str]:
    return [f"{word.dep}({sentence[word.head].text}, {word.text})" for word in sentence]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            "He/PRP/PRON/nsubj/4 is/VBZ/AUX/cop/4 very/RB/ADV/advmod/4 happy/JJ/ADJ/root/0",
            ["nsubj(is, He)", "ROOT(is, is)", "advmod(happy, very)", "acomp(is, happy)"],
        ),
        (
            "He/PRP/PRON/nsubj/4 was/VBD/AUX/cop/4 a/DT/DET/det/4 cook/NN/NOUN/root/0",
            ["nsubj(was, He)", "ROOT(was, was)", "det(cook, a)", "attr(was, cook)"],
        ),
        (
            "It/PRP/PRON/nsubj/5 is/VBZ/AUX/cop/5 in/IN/ADP/case/5 the/DT/DET/det/5 car/NN/NOUN/root/0",
            ["nsubj(is, It)", "ROOT(is, is)", "prep(is, in)", "det(car, the)", "pobj(in, car)"],
        ),
        (
            "There/EX/PRON/expl/2 is/VBZ/VERB/root/0 a/DT/DET/det/4 cow/NN/NOUN/nsubj/2",
            ["expl(is, There)", "ROOT(is, is)", "det(cow, a)", "attr(is, cow)"],
        ),
        (
            "held/VBN/VERB/root/0 by/IN/ADP/case/3 me/PRP/PRON/obl:agent/1 today/NN/NOUN/obl:unmarked/1",
            ["ROOT(held, held)", "agent(held, by)", "pobj(by, me)", "npadvmod(held, today)"],
        ),
        (
            "came/VBD/VERB/root/0 out/IN/ADP/case/5 of/IN/ADP/case/5 the/DT/DET/det/5 car/NN/NOUN/obl/1",
            ["ROOT(came, came)", "prep(came, out)", "prep(out, of)", "det(car, the)", "pobj(of, car)"],
        ),
        (
            "thanks/NNS/NOUN/root/0 for/IN/SCONJ/mark/3 coming/VBG/VERB/acl/1 home/RB/ADV/advmod/3",
            ["ROOT(thanks, thanks)", "prep(thanks, for)", "pcomp(for, coming)", "advmod(coming, home)"],
        ),
        (
            "cats/NNS/NOUN/root/0 ,/,/PUNCT/punct/3 dogs/NNS/NOUN/conj/1 and/CC/CCONJ/cc/5 cows/NNS/NOUN/conj/1",
            ["ROOT(cats, cats)", "punct(cats, ,)", "conj(cats, dogs)", "cc(dogs, and)", "conj(dogs, cows)"],
        ),
        (
            "in/IN/ADP/case/2 bed/NN/NOUN/root/0 or/CC/CCONJ/cc/5 on/IN/ADP/case/5 top/NN/NOUN/conj/2",
            ["ROOT(in, in)", "pobj(in, bed)", "cc(in, or)", "conj(in, on)", "pobj(on, top)"],
        ),
        (
            "John/NNP/PROPN/nmod:poss/4 Smith/NNP/PROPN/flat/1 's/POS/PART/case/1 dog/NN/NOUN/root/0",
            ["compound(Smith, John)", "poss(dog, Smith)", "case(Smith, 's)", "ROOT(dog, dog)"],
        ),
        (
            "late/JJ/ADJ/root/0 because/IN/ADP/case/4 of/IN/ADP/fixed/2 rain/NN/NOUN/obl/1",
            ["ROOT(late, late)", "prep(late, because)", "pcomp(because, of)", "pobj(because, rain)"],
        ),
        (
            "dog/NN/NOUN/root/0 that/WDT/PRON/nsubj/4 is/VBZ/AUX/cop/4 black/JJ/ADJ/acl:relcl/1",
            ["ROOT(dog, dog)", "nsubj(is, that)", "relcl(dog, is)", "acomp(is, black)"],
        ),
        (
            "does/VBZ/AUX/aux/3 n't/RB/PART/advmod/3 want/VB/VERB/root/0 to/TO/PART/mark/5 go/VB/VERB/xcomp/3",
            ["aux(want, does)", "neg(want, n't)", "ROOT(want, want)", "aux(go, to)", "xcomp(want, go)"],
        ),
        (
            "for/IN/ADP/case/2 $/$/SYM/root/0 5/CD/NUM/nummod/2",
            ["ROOT(for, for)", "nmod(5, $)", "pobj(for, 5)"],
        ),
    ],
)  # fmt: skip
def test_arcs_are_turned_round(rows: str, expected: list[str]) -> None:
    assert arcs(to_clear_style(words(rows))) == expected


def conllu(*sentences: str) -> str:
    blocks = []
    for rows in sentences:
        lines = [
            f"{place}\t{word.text}\t{word.lemma}\t{word.pos}\t{word.tag}\t_\t"
            f"{0 if word.head == place - 1 else word.head + 1}\t{word.dep}\t_\t_"
            for place, word in enumerate(words(rows), start=1)
        ]
        blocks.append("# text = x\n" + "\n".join(lines) + "\n")
    return "\n".join(blocks)


def test_reading_keeps_the_spacing_and_leaves_empty_nodes_out(tmp_path: Path) -> None:
    rows = [
        ("1-2", "don't", "_", "_", "_", "_", "_", "_", "_", "SpaceAfter=No"),
        ("1", "do", "do", "AUX", "VBP", "_", "3", "aux", "_", "_"),
        ("2", "n't", "not", "PART", "RB", "_", "3", "advmod", "_", "_"),
        ("3", "go", "go", "VERB", "VB", "_", "0", "root", "_", "_"),
        ("3.1", "x", "x", "X", "X", "_", "_", "_", "_", "_"),
    ]
    path = tmp_path / "a.conllu"
    path.write_text("\n".join("\t".join(row) for row in rows))
    (sentence,) = read_conllu(path)
    assert [(word.text, word.space, word.head) for word in sentence] == [
        ("do", False, 2),
        ("n't", False, 2),
        ("go", True, 2),
    ]


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="treebank"):
        load_split(tmp_path, "train")
    with pytest.raises(UnavailableError, match="no treebank file"):
        next(read_conllu(tmp_path / "b.conllu"))
    (tmp_path / "x-train.conllu").write_text("1\tdog\n")
    with pytest.raises(CorruptFileError, match="2 columns"):
        load_split(tmp_path, "train")
    with gzip.open(tmp_path / "x-dev.conllu.gz", "wt") as file:
        file.write(conllu("dog/NN/NOUN/root/0"))
    cut = (tmp_path / "x-dev.conllu.gz").read_bytes()[:-12]
    (tmp_path / "x-dev.conllu.gz").write_bytes(cut)
    with pytest.raises(CorruptFileError, match="cannot be read"):
        load_split(tmp_path, "dev")


def test_fragments_are_trees_that_spacy_takes_and_depend_on_the_seed() -> None:
    import spacy

    vocab = spacy.blank("en").vocab
    made = list(islice(FragmentMaker(4), 300))
    for sentence in made:
        doc = to_doc(vocab, sentence)
        assert sum(token.head == token for token in doc) == 1
        assert all(token.dep_ and token.pos_ and token.tag_ for token in doc)
    texts = [" ".join(word.text for word in sentence) for sentence in made]
    assert texts == [" ".join(word.text for word in sentence) for sentence in islice(FragmentMaker(4), 300)]
    assert texts != [" ".join(word.text for word in sentence) for sentence in islice(FragmentMaker(5), 300)]
    assert len(set(texts)) > 280


def test_typed_sentences_lose_capitals_and_the_final_stop() -> None:
    sentence = words("The/DT/DET/det/2 Dog/NN/NOUN/nsubj/3 ran/VBD/VERB/root/0 ././PUNCT/punct/3")
    assert [word.text for word in as_typed(sentence)] == ["the", "dog", "ran"]
    assert [word.text for word in as_typed(sentence[:3])] == ["the", "dog", "ran"]


def test_excluded_texts_are_never_trained_on() -> None:
    recipe = ParserRecipe(fragments=60, scenes=40)

    def texts(excluded: set[str], epoch: int) -> set[str]:
        made = expressions(recipe, ["zeppelin"], excluded, epoch)
        return {" ".join(word.text for word in sentence if word.dep != "punct").lower() for sentence in made}

    banned = texts(set(), 0)
    assert len(banned) > 90
    assert not banned & texts(banned, 0)
    assert banned != texts(set(), 1)


def test_a_small_training_learns_and_is_the_same_again(tmp_path: Path) -> None:
    sentences = [
        to_clear_style(words(f"the/DT/DET/det/2 {noun}/NN/NOUN/nsubj/3 saw/VBD/VERB/root/0 me/PRP/PRON/obj/3"))
        for noun in ("dog", "cat", "cow", "man")
    ] * 12
    recipe = ParserRecipe(
        width=16, depth=1, rows=(50, 20, 50, 20), hidden=16, epochs=4, warmup=5, batch=(20, 20), learn_rate=0.01
    )
    log: list[str] = []
    scores = []
    for name in ("first", "second"):
        nlp = train(recipe, sentences, sentences[:4], lambda epoch: [], tmp_path / name, log=log.append)
        scores.append(score_treebank(nlp, sentences[:4]))
    assert scores[0] == scores[1]
    assert scores[0]["uas"] == 100
    assert len(log) == 8
    parse = Parser(str(tmp_path / "first")).parse("the dog saw me")
    assert (parse.noun_phrase, parse.head) == ("the dog", "dog")
    train(
        recipe,
        sentences,
        sentences[:4],
        lambda epoch: [],
        tmp_path / "on",
        resume=(tmp_path / "first", 3),
        log=log.append,
    )
    assert len(log) == 9  # one more epoch, the last of the schedule
    model = "parser/model"
    assert (tmp_path / "first" / model).read_bytes() == (tmp_path / "second" / model).read_bytes()


def test_the_card_states_figures_size_and_licence(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"12345")
    before = folder_hash(tmp_path)
    bank = {"uas": 85.5, "las": 80.25, "tag": 92.0, "pos": 93.0, "lemma": 94.0}
    scenes = dict.fromkeys(("head", "noun_phrase", "direction", "context_tokens", "relation"), 99.5) | {"n": 7}
    style = {"head": 93.5, "noun_phrase": 92.5, "direction": 95.0, "n": 200, "wrong": ["a b: head 'a', not 'b'"]}
    figures = {
        "treebank_gold_tokens": bank, "treebank_raw_text": bank, "held_out_scenes": scenes, "refcoco_style": style,
        "milliseconds_per_expression": 3.5,
    }  # fmt: skip
    write_card(tmp_path, {"width": 96}, figures)
    card = (tmp_path / "card.md").read_text()
    for text in ("85.5 | 80.25 | 92.0", "93.5 | 92.5 | 95.0", "CC BY-SA 4.0", before, "a b: head"):
        assert text in card
    assert folder_hash(tmp_path) == before
