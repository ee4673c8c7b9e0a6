"""Conversion of the sentences of a reference to expressions, including malformed ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from zsris_viz.datasets.files import EXTRA, known_parts
from zsris_viz.datasets.types import Expression, Reference, Sample
from zsris_viz.errors import CorruptFileError

Entry = dict[str, Any]


def extra_entry(entry: Entry) -> dict[str, Any]:
    """Return the data that an export added to an entry."""
    extra = entry.get(EXTRA)
    return extra if isinstance(extra, dict) else {}


def problems_of(sample: Sample) -> Iterator[str]:
    """Yield the errors of a sample's expressions, each once."""
    yield from dict.fromkeys(expression.error for _, expression in sample.pairs() if expression.error)


def refer_expressions(ref: Entry, text: str, reason: str | None) -> tuple[Expression, ...]:
    """Return the expressions of a reference.

    Args:
        ref: The reference.
        text: "sent" or "raw".
        reason: Reason why none of them can be used, or None.
    """
    return tuple(_expression(ref, number, text, reason) for number in range(len(ref["sentences"])))


def _expression(ref: Entry, number: int, text: str, reason: str | None) -> Expression:
    sentence = ref["sentences"][number]
    sentence = sentence if isinstance(sentence, dict) else {}
    name = str(sentence.get("sent_id", f"{ref.get('ref_id')}-{number}"))
    words = sentence.get(text, sentence.get("sent"))
    if not isinstance(words, str) or not words.strip():
        reason = reason or f"sentence {name} of reference {ref.get('ref_id')} has no text"
        words = ""
    parts: dict[str, Any] = {"sentence_id": name, **known_parts(sentence.get(EXTRA))}
    return Expression(text=words, **parts | {"error": reason and " ".join(reason.split())})


def unusable_sample(image_id: Any, refs: list[Entry], error: CorruptFileError) -> Sample:
    """Return a sample of an image without usable annotations; every expression has the error."""

    def opened() -> Any:
        raise error

    references = [
        Reference(
            ref_id=str(ref.get("ref_id")),
            expressions=refer_expressions(ref, "sent", str(error)),
            mask=np.zeros((1, 1), dtype=bool),
            category="",
        )
        for ref in refs
    ]
    return Sample(str(image_id), references, opened)
