from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError, ZsrisWarning
from zsris_viz.models import ClipTokenizer, load_clip

TEXTS = [
    "the left cat's 2nd hat!!",
    "Café naïve ＡＢＣ",
    "кот на столе, ΟΔΟΣ",
    "猫 left",
    "🐱 cat 👩\u200d👩\u200d👧",
    "a&amp;b   \n x",
    "don’t “quote”",
    "they're 123abc 4/5",
    "  spaced\tout  ",
    "schÃ¶n",
]
PRINTABLE = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=("Cs", "Cn", "Co")),
    min_size=1,
    max_size=30,
)


@pytest.fixture(scope="module")
def openai():
    return ClipTokenizer.openai()


@pytest.fixture(scope="module")
def reference():
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_openais(openai, reference, text):
    ids = openai(text).ids[0].tolist()
    assert ids == [49406, *reference.encode(text), 49407]


MIXED = ["cat", "Dog's", "2nd", "red-ish", "左边", "кошка", "É", "...", "🐱", "I'LL", "x_y"]


@given(words=st.lists(st.sampled_from(MIXED), min_size=1, max_size=9))
def test_any_mix_of_words_has_openais_ids(openai, reference, words):
    text = " ".join(words)
    assert openai(text).ids[0].tolist() == [49406, *reference.encode(text), 49407]


@given(text=PRINTABLE)
def test_spans_are_ordered_and_inside_the_text(openai, text):
    tokens = openai(text, allow_empty=True, on_overflow="ignore")
    assert len(tokens.spans[0]) == len(tokens.pieces[0]) == int(tokens.end[0]) + 1
    for (start, end), (following, _) in zip(tokens.spans[0][:-1], tokens.spans[0][1:], strict=True):
        assert 0 <= start <= end <= len(text) and start <= following


def test_batch_is_padded_as_openai_pads(openai):
    tokens = openai(["a cat", "the left cat"])
    assert tokens.ids.tolist() == [[49406, 320, 2368, 49407, 0], [49406, 518, 1823, 2368, 49407]]
    assert tokens.attention_mask.tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    assert tokens.end.tolist() == [3, 4] and len(tokens) == 2
    assert openai("a cat", length=77).ids.shape == (1, 77)
    with pytest.raises(InvalidInputError, match=r"between 4 .* and 77"):
        openai("a cat", length=3)


def test_pieces_and_spans(openai):
    text = "Left cat's Saxophonist"
    tokens = openai(text)
    assert tokens.pieces[0] == ["[start]", "left", "cat", "'s", "saxophon", "ist", "[end]"]
    assert [text[a:b] for a, b in tokens.spans[0]] == ["", "Left", "cat", "'s", "Saxophon", "ist", ""]


def test_spans_of_a_repaired_text_point_into_the_original(openai):
    text = "schÃ¶n &amp; the don’t cat"
    tokens = openai(text)
    assert "schön" in "".join(tokens.pieces[0])
    cat = [text[a:b] for a, b in tokens.spans[0]][-2]
    assert cat == "cat" and tokens.tokens_of(text.index("cat"), len(text)) == [len(tokens.pieces[0]) - 2]


def test_words_map_to_tokens(openai):
    tokens = openai(["a dog", "the saxophonist 🐱 left"])
    words = tokens.words(1)
    assert [word for word, _, _ in words] == ["the", "saxophonist", "🐱", "left"]
    assert [positions for _, _, positions in words] == [[1], [2, 3], [4], [5]]
    assert tokens.tokens_of(5, 6, row=1) == [2]
    assert tokens.tokens_of(3, 4, row=1) == []


def test_overlong_text_keeps_the_end_token_and_says_what_it_lost(openai):
    text = "cat " * 73 + "left Dog right Cup"
    with pytest.warns(ZsrisWarning, match="79 tokens and CLIP reads 77: lost 'right Cup'"):
        tokens = openai(text)
    assert tokens.ids.shape == (1, 77) and tokens.ids[0, 76] == 49407 and tokens.end[0] == 76
    assert tokens.lost == ("right Cup",) and tokens.pieces[0][-3:] == ["left", "dog", "[end]"]
    assert tokens.tokens_of(text.index("right"), len(text)) == []
    with pytest.raises(InvalidInputError, match="would lose 'right Cup'"):
        openai(text, on_overflow="error")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert openai(text, on_overflow="ignore").lost == tokens.lost
        exact = openai("cat " * 73 + "left dog")
    assert exact.ids.shape == (1, 77) and exact.lost == ("",)


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u3000"])
def test_a_text_without_a_word_is_refused(openai, text):
    with pytest.raises(InvalidInputError, match="empty"):
        openai(text)
    assert openai(text, allow_empty=True).ids.tolist() == [[49406, 49407]]


@pytest.mark.parametrize("text", [None, 3, b"cat", ["cat"]])
def test_what_is_no_text_is_refused(openai, text):
    with pytest.raises(InvalidTypeError, match="string"):
        openai([text])


def test_odd_arguments_are_refused(openai):
    with pytest.raises(InvalidInputError, match="at least one"):
        openai([])
    with pytest.raises(InvalidInputError, match="on_overflow"):
        openai("a cat", on_overflow="cut")


def test_a_spelled_out_special_token_is_text(openai):
    tokens = openai("a <|endoftext|> cat <|startoftext|>")
    inner = tokens.ids[0, 1:-1].tolist()
    assert 49407 not in inner and 49406 not in inner and tokens.pieces[0][-4:] != ["[end]"]
    assert "endof" in "".join(tokens.pieces[0])


def test_a_smaller_vocabulary_keeps_the_ids_of_what_it_has(openai):
    small = ClipTokenizer.openai(vocab_size=1000)
    ids = small("the cat, 左").ids[0].tolist()
    assert ids[0] == 998 and ids[-1] == 999 and max(ids) == 999
    assert small("the").ids[0, 1] == openai("the").ids[0, 1] == 518
    assert small.vocab_size == 1000 and openai.vocab_size == 49408
    with pytest.raises(InvalidInputError, match="514 to 49408"):
        ClipTokenizer.openai(vocab_size=100)


def test_a_folders_tokenizer_is_used_as_it_is(small_folder):
    clip = load_clip(small_folder, device="cpu")
    tokens = clip.tokenize(["the left cat", "a"])
    assert clip.tokenizer.vocab_size == 1000 and tokens.ids[0, 0] == 998
    assert tokens.ids[1, -1] == 999, "padded with the folder's own pad token"
    assert "".join(tokens.pieces[0][1:-1]) == "theleftcat"


def test_characters_outside_a_vocabulary_are_named(tmp_path):
    from transformers import CLIPTokenizer

    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"{letter}</w>" for letter in "abcdefghijklmnopqrstuvwxyz")]
    vocab = {entry: i for i, entry in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
    tokenizer = ClipTokenizer(CLIPTokenizer(vocab=vocab, merges=[]), context_length=20)
    with pytest.warns(ZsrisWarning, match="左"):
        tokens = tokenizer("cat 左")
    assert tokens.end[0] == tokens.ids.shape[1] - 1


def test_missing_vocabulary_file_names_the_package(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match="open_clip"):
        ClipTokenizer.openai()
