"""Trees written by hand: one word a line of "text/tag/pos/dep/head", heads counted from 0."""

from __future__ import annotations

from zsris_viz.language.parse import Parse, read_tree
from zsris_viz.language.spans import Token
from zsris_viz.miniature.world.trees import GoldTree


def tokens(rows: str) -> tuple[str, tuple[Token, ...]]:
    """The text, words joined by blanks, and its tokens."""
    found, place = [], 0
    for row in rows.split():
        text, tag, pos, dep, head = row.split("/")
        found.append(Token(text, text.lower(), pos, tag, dep, int(head), place, place + len(text)))
        place += len(text) + 1
    return " ".join(token.text for token in found), tuple(found)


def read(rows: str) -> Parse:
    return read_tree(*tokens(rows))


def read_gold(tree: GoldTree) -> Parse:
    columns = zip(tree.words, tree.tags, tree.pos, tree.deps, tree.heads, strict=True)
    return read("\n".join(f"{word}/{tag}/{pos}/{dep}/{head}" for word, tag, pos, dep, head in columns))
