"""A shard of an evaluation: every n-th image, so that independent jobs can share one dataset."""

from __future__ import annotations

import re
from dataclasses import dataclass

from zsris_viz.errors import InvalidInputError


@dataclass(frozen=True)
class Shard:
    """Shard `number` of `count`.

    Attributes:
        number: 1 to `count`.
        count: Number of shards.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard that a text such as "2/8" names.

        Args:
            text: Number of the shard, from 1 up, a slash, and how many there are.

        Raises:
            InvalidInputError: If the text has another form, or the number is not in the range.

        Example:
            >>> Shard.parse("2/8").folder
            '2-of-8'
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", str(text).strip())
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise InvalidInputError(f"shard={text!r} is unknown; give NUMBER/COUNT, for example 1/4 to 4/4.")
        return cls(int(found[1]), int(found[2]))

    @property
    def folder(self) -> str:
        """Name of the shard's folder."""
        return f"{self.number}-of-{self.count}"

    def indices(self, images: int) -> range:
        """Return the indices of the shard's images.

        Args:
            images: Number of images of the dataset.

        Example:
            >>> list(Shard(2, 3).indices(8))
            [1, 4, 7]
        """
        return range(self.number - 1, images, self.count)
