"""Gold trees of the drawn world are well-formed and mean to spaCy what they mean to the grammar."""

from __future__ import annotations

from functools import cache

import numpy as np

from zsris_viz.miniature.world.captions import caption
from zsris_viz.miniature.world.grammar import gold_examples
from zsris_viz.miniature.world.layout import sample_layout
from zsris_viz.miniature.world.trees import GoldTree, Word, adjective, flatten, noun, preposition
from zsris_viz.miniature.world.words import vocabulary


@cache
def examples() -> list:
    return list(gold_examples(11, 1500))


def projective(tree: GoldTree) -> bool:
    """Whether no two arcs cross."""
    arcs = [(min(i, head), max(i, head)) for i, head in enumerate(tree.heads) if i != head]
    return not any(a < c < b < d for a, b in arcs for c, d in arcs)


def reaches_root(tree: GoldTree, index: int) -> bool:
    for _ in tree.words:
        if index == tree.root:
            return True
        index = tree.heads[index]
    return False


def test_one_root_and_no_crossing_arcs() -> None:
    for tree, *_ in examples():
        assert tree.deps.count("ROOT") == 1
        assert [i for i, head in enumerate(tree.heads) if head == i] == [tree.root]
        assert projective(tree), tree.text
        assert all(reaches_root(tree, i) for i in range(len(tree.words))), tree.text


def test_noun_phrase_is_a_span_that_ends_in_the_head() -> None:
    for tree, phrase, head, *_ in examples():
        assert f" {phrase} " in f" {tree.text} "
        assert phrase.split()[-1] == head == tree.words[tree.root]


def test_context_tokens_are_in_the_order_of_the_text() -> None:
    for tree, _, _, tokens, direction, _ in examples():
        rest = iter(tree.words)
        assert all(token in rest for token in tokens), tree.text
        prepositions = [word for word, dep in zip(tree.words, tree.deps, strict=True) if dep in ("prep", "pobj")]
        assert all(word in tokens for word in prepositions), tree.text
        if direction:
            assert tokens


def test_spacy_finds_the_noun_phrase() -> None:
    import spacy
    from spacy.tokens import Doc

    vocab = spacy.blank("en").vocab
    for tree, phrase, head, *_ in examples():
        doc = Doc(
            vocab,
            words=list(tree.words),
            tags=list(tree.tags),
            pos=list(tree.pos),
            heads=list(tree.heads),
            deps=list(tree.deps),
        )
        chunks = [(chunk.start, chunk.end) for chunk in doc.noun_chunks]
        assert chunks == tree.noun_chunks(), tree.text
        containing = [doc[start:end].text for start, end in chunks if start <= tree.root < end]
        assert containing == [phrase], tree.text
        root = next(token for token in doc if token.dep_ == "ROOT")
        assert root.text == head


def test_captions_name_every_object() -> None:
    rng = np.random.default_rng(0)
    known = set(vocabulary())
    for seed in range(300):
        layout = sample_layout(seed)
        made = caption(layout, rng, grouped=False)
        words = made.text.split()
        assert set(words) <= known
        for noun_name in {item.noun for item in layout.objects}:
            assert words.count(noun_name) == sum(item.noun == noun_name for item in layout.objects), made.text
        assert all(f" {phrase} " in f" {made.text} " for phrase in made.noun_phrases)
        assert len(made.noun_phrases) >= len(layout.objects)
        assert projective(made.tree)


def test_grouped_captions_count() -> None:
    rng = np.random.default_rng(0)
    layout = next(
        layout
        for layout in map(sample_layout, range(200))
        if len(layout.objects) == 3 and len({item.noun for item in layout.objects}) == 1
    )
    made = caption(layout, rng, grouped=True)
    assert made.text.startswith("three ")
    assert made.noun_phrases[0].split()[0] == "three"


def test_flatten() -> None:
    dog = noun("dog", "ROOT").before(adjective("red")).after(preposition("from", noun("left", "")))
    tree, cues = flatten(dog)
    assert tree.words == ("red", "dog", "from", "left")
    assert tree.heads == (1, 1, 1, 2)
    assert tree.deps == ("amod", "ROOT", "prep", "pobj")
    assert cues == (False, False, True, True)
    assert tree.noun_chunks() == [(0, 2), (3, 4)]
    assert tree.subtree(2) == (2, 4)


def test_a_word_alone() -> None:
    tree, cues = flatten(Word("dog", "NN", "NOUN", "ROOT"))
    assert (tree.text, tree.heads, tree.root, cues) == ("dog", (0,), 0, (False,))
