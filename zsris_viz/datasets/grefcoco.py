"""gRefCOCO (Liu et al., CVPR 2023) in the files that its authors published."""

from __future__ import annotations

from typing import Any, ClassVar

from zsris_viz.datasets.refer import Refer
from zsris_viz.datasets.refer_rows import Entry


class GRefCOCO(Refer):
    """gRefCOCO (Liu et al., CVPR 2023), whose expressions refer to one object, several objects or none.

    The references are in `grefs(unc).json` (or `.p`); `ann_id` is a list of object ids, and [-1] stands for no object.
    The mask of a reference is the union of its objects; it is empty if there is none.
    """

    folder = "grefcoco"
    schemes: ClassVar = {"unc": ("train", "val", "testA", "testB")}

    @classmethod
    def reference_files(cls, split_by: str) -> list[str]:
        """Return the possible names of the file of references."""
        return [f"grefs({split_by}).json", f"grefs({split_by}).p"]

    @staticmethod
    def targets(ref: Entry) -> list[Any]:
        """Return the ids of the objects of a reference; the list is empty for a reference without a target."""
        named = ref.get("ann_id")
        numbers = named if isinstance(named, list) else [named]
        return [number if isinstance(number, (int, str)) else str(number) for number in numbers if number != -1]
