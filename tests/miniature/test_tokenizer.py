"""The miniature's tokenizer is CLIP's own, with one token for every word of the drawn world."""

import json

import pytest

from zsris_viz.miniature.training.tokenizer import CONTEXT_LENGTH, END, START, learn_merges, word_ids, write_tokenizer
from zsris_viz.miniature.world.words import vocabulary


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    from transformers import CLIPTokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return CLIPTokenizer.from_pretrained(folder)


def test_every_word_is_one_token(tokenizer):
    ids = word_ids()
    for word in vocabulary():
        assert tuple(tokenizer(word)["input_ids"]) == ids[START] + ids[word] + ids[END], word
        # CLIP splits digits off words, so "2nd" is two tokens or more.
        assert len(ids[word]) == 1 or word[0].isdigit(), word


def test_captions_are_encoded_as_the_tokenizer_does(tokenizer):
    ids = word_ids()
    text = "the 2nd big red cat from the left side"
    fast = [token for word in (START, *text.split(), END) for token in ids[word]]
    assert fast == tokenizer(text)["input_ids"]


def test_unknown_words_fall_apart_and_come_back(tokenizer):
    ids = tokenizer("zebra 7 ü")["input_ids"]
    assert len(ids) > 5
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == "zebra 7 ü"


def test_the_end_token_has_the_highest_id(tokenizer):
    assert tokenizer.eos_token_id == len(tokenizer) - 1 == word_ids()[END][0]
    assert tokenizer.model_max_length == CONTEXT_LENGTH


def test_merges_apply_in_the_order_in_which_they_were_learnt():
    merges = learn_merges(("the", "mother", "other", "a"))
    joined = {a + b for a, b in merges}
    assert {"the</w>", "mother</w>", "other</w>"} <= joined
    assert len(merges) == len(set(merges))


def test_the_shipped_tokenizers_know_the_vocabulary():
    from zsris_viz.miniature import WEIGHTS

    for name in ("clip", "clip-rn"):
        known = json.loads((WEIGHTS / name / "vocab.json").read_text(encoding="utf-8"))
        plain = {word: ids for word, ids in word_ids().items() if len(ids) == 1 and word not in (START, END)}
        assert {word: (known.get(word + "</w>"),) for word in plain} == plain
