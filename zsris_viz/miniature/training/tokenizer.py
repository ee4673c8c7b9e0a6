"""The miniature's tokenizer: CLIP's own byte-level BPE, with merges learnt from the words of the drawn world.

Every word of the world is one token; any other text falls apart into letters, as rare words do in CLIP, so nothing
is refused.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from functools import lru_cache
from pathlib import Path

from zsris_viz.miniature.world.words import vocabulary
from zsris_viz.models.tokenizer import byte_letters

START, END = "<|startoftext|>", "<|endoftext|>"
CONTEXT_LENGTH = 77


def learn_merges(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return BPE merges that make every word one token.

    The commonest pair is merged first, ties going to the pair that sorts first, until no word has two pieces left;
    this is the
    order in which the merges apply, so each word meets them as it did here.
    """
    pieces = [[*word[:-1], word[-1] + "</w>"] for word in sorted(set(words))]
    merges: list[tuple[str, str]] = []
    while True:
        counts: dict[tuple[str, str], int] = {}
        for word in pieces:
            for pair in itertools.pairwise(word):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            return merges
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        for index, word in enumerate(pieces):
            joined: list[str] = []
            position = 0
            while position < len(word):
                if tuple(word[position : position + 2]) == best:
                    joined.append(word[position] + word[position + 1])
                    position += 2
                else:
                    joined.append(word[position])
                    position += 1
            pieces[index] = joined


def write_tokenizer(folder: Path) -> int:
    """Write vocab.json, merges.txt and tokenizer_config.json as CLIPTokenizer reads them.

    Args:
        folder: an existing folder.

    Returns:
        The number of tokens; the end token has the highest id, as in CLIP.
    """
    letters = [letter for _, letter in sorted(byte_letters().items())]
    merges = learn_merges(vocabulary())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges), START, END]
    (folder / "vocab.json").write_text(
        json.dumps({token: index for index, token in enumerate(tokens)}, ensure_ascii=False)
    )
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": CONTEXT_LENGTH,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))
    return len(tokens)


@lru_cache(maxsize=1)
def word_ids() -> dict[str, tuple[int, ...]]:
    """Return the token ids of every word of the world, and of START and END.

    The training loop looks words up here, which is much faster than to tokenize each caption. A word is one token, but
    for "1st" and its like: CLIP's tokenizer splits digits off.
    """
    from transformers import CLIPTokenizer

    with tempfile.TemporaryDirectory() as folder:
        write_tokenizer(Path(folder))
        tokenizer = CLIPTokenizer.from_pretrained(folder)
    words = vocabulary()
    encoded = tokenizer(list(words), add_special_tokens=False)["input_ids"]
    ends = {START: (tokenizer.bos_token_id,), END: (tokenizer.eos_token_id,)}
    return {word: tuple(ids) for word, ids in zip(words, encoded, strict=True)} | ends
