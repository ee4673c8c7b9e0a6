"""Proposals of any model, read from files with COCO run-length encodings."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import torch
from PIL import Image

from zsris_viz.datasets.types import Sample
from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError, ZsrisError, ZsrisWarning
from zsris_viz.images import ImageSource, open_image
from zsris_viz.io.atomic import write_bytes
from zsris_viz.io.cache import image_fingerprint
from zsris_viz.mask_io import decode_rle
from zsris_viz.masks import Masks
from zsris_viz.proposals.base import Proposer
from zsris_viz.proposals.cache import packed
from zsris_viz.proposals.precomputed_formats import PrecomputedImage, read_entries

FORMAT, VERSION = "zsris-proposals", 1


class Precomputed(Proposer):
    """Read masks from a file, such as those of FreeSOLO, Mask2Former or CutLER.

    Four formats are supported, the first three as .json or .json.gz:

    - COCO results: a list of {"image_id", "segmentation": RLE, "score"};
    - COCO annotations: {"images": [{"id", "height", "width", "file_name"}], "annotations": [as above]};
    - this package's own: {"format": "zsris-proposals", "version": 1, "images": {...}}, see :func:`save_proposals`;
    - detectron2's `instances_predictions.pth` (CutLER, FreeSOLO): a list of {"image_id", "instances": [as COCO
      results]}, read with `torch.load(weights_only=True)`, which runs no code.

    An RLE is {"size": [H, W], "counts": compressed text or list of runs}. A sample is matched by its image id. If the
    file does not contain this id, the numbers at the end of the ids are compared ("COCO_train2014_000000581857" is
    581857); a match is accepted if one of the ids is only a number or the texts before the numbers are equal, and if it
    is unique. An image without an id is matched by its content (the package's own format only), by the name of its
    file, or because it is the only image.

    Args:
        file: Path of the file.
        min_score: Smallest score of a mask, which requires a file with scores.
        max_masks: Largest number of masks of each image, those with the best scores; None for all.
        missing: Treatment of images that are not in the file: "error", or "empty" for files that omit images without
            proposals, as COCO results do.

    Attributes:
        entries: Image id -> its entry in the file.
        problems: One sentence for each entry that cannot be used and is left out.

    Raises:
        InvalidInputError: The file has another format or an unknown version, or a value is outside its range.
        UnavailableError: The file does not exist.
        CorruptFileError: The file is damaged.
    """

    name = "precomputed"
    argument: ClassVar[str | None] = "file"

    def __init__(
        self,
        file: str | os.PathLike[str],
        *,
        min_score: float | None = None,
        max_masks: int | None = None,
        missing: str = "error",
    ) -> None:
        if missing not in ("error", "empty"):
            raise InvalidInputError(f"missing={missing!r} was given; 'error' and 'empty' are accepted.")
        if max_masks is not None and max_masks < 1:
            raise InvalidInputError(f"max_masks={max_masks} was given; a number from 1 up, or None, is accepted.")
        self.file = Path(file).expanduser()
        self.min_score, self.max_masks, self.missing = min_score, max_masks, missing
        raw = _read(self.file)
        self._sha256 = hashlib.sha256(raw).hexdigest()
        content = read_entries(_parse(raw, self.file), self.file)
        self.entries, self.problems = content.images, content.problems
        self.source = content.source or self.name
        if self.problems:
            warnings.warn(
                f"{len(self.problems)} of {content.found} entries of {self.file} cannot be used and are left out; the "
                f"first is {self.problems[0]} All are in the attribute `problems`.",
                ZsrisWarning,
                stacklevel=2,
            )
        self._numbers = _by_number(self.entries)
        self._contents = {entry.content: entry for entry in self.entries.values() if entry.content}

    @property
    def settings(self) -> dict[str, Any]:
        """Return the file's name, a hash of its content, and the arguments."""
        return {
            "file": self.file.name,
            "sha256": self._sha256[:16],
            "made_by": self.source,
            "min_score": self.min_score,
            "max_masks": self.max_masks,
            "missing": self.missing,
        }

    @property
    def knows_samples(self) -> bool:
        """Return True, since masks are found by the image's id."""
        return True

    def propose(self, image: ImageSource) -> Masks:
        """Return the masks of an image, which is matched by its content, by its file name, or as the only image.

        Raises:
            InvalidInputError: The file does not have the image, or has it with another size.
            CorruptFileError: A damaged encoding.
        """
        picture = open_image(image)
        size = (picture.height, picture.width)
        entry = self._contents.get(image_fingerprint(picture)) if self._contents else None
        if entry is None and isinstance(image, (str, os.PathLike)):
            entry = self._find(Path(image).name)
        if entry is None and len(self.entries) == 1 and not self._contents:
            entry = next(iter(self.entries.values()))
        return self._masks(entry, size, "this picture")

    def propose_for(self, sample: Sample) -> Masks:
        """Return the masks under the sample's image id.

        Raises:
            InvalidInputError: The file does not have the image (unless missing="empty"), or has it with another size.
            CorruptFileError: A damaged encoding.
        """
        return self._masks(self._find(sample.image_id), sample.size, f"image {sample.image_id!r}")

    def _find(self, image_id: Any) -> PrecomputedImage | None:
        exact = self.entries.get(str(image_id))
        if exact is not None:
            return exact
        before, number = _number(str(image_id))
        near = [entry for other, entry in self._numbers.get(number, []) if other == before or "" in (other, before)]
        return near[0] if number and len({id(entry) for entry in near}) == 1 else None

    def _decoded(self, entry: PrecomputedImage, size: tuple[int, int], what: str) -> Masks:
        """Return the masks of an entry without the damaged ones, which are recorded with a warning."""
        arrays, kept, damaged = [], [], []
        for number, rle in enumerate(entry.masks):
            try:
                arrays.append(decode_rle(rle))
                kept.append(number)
            except ZsrisError as error:
                damaged.append(f"mask {number} of {what}: {error}")
        if damaged:
            self.problems += [problem for problem in damaged if problem not in self.problems]
            warnings.warn(
                f"{len(damaged)} of {len(entry.masks)} masks in {self.file} are damaged and left out; the first is "
                f"{damaged[0]}",
                ZsrisWarning,
                stacklevel=4,
            )
        scores = None if entry.scores is None else [entry.scores[number] for number in kept]
        return Masks.from_arrays(arrays, size=size, scores=scores, source=self.source)

    def _masks(self, entry: PrecomputedImage | None, size: tuple[int, int], what: str) -> Masks:
        if entry is None:
            if self.missing == "empty":
                return Masks.from_arrays([], size=size, scores=[], source=self.source)
            known = ", ".join(list(self.entries)[:3]) or "none"
            raise InvalidInputError(
                f"{self.file} has no proposals for {what}; it has {len(self.entries)} images ({known}, ...). Give the "
                "file of this dataset and split, or missing='empty' if it leaves images without proposals out."
            )
        for found in {tuple(rle.get("size", ())) for rle in entry.masks} | ({entry.size} if entry.size else set()):
            if tuple(found) != tuple(size):
                raise InvalidInputError(
                    f"{self.file} has proposals of {' x '.join(map(str, found)) or 'no size'} pixels (height x width) "
                    f"for {what}, which is {size[0]} x {size[1]}. Make them on the image as it is, or resize them with "
                    "nearest-neighbour sampling first."
                )
        masks = self._decoded(entry, size, what)
        if masks.scores is None:
            if self.min_score is not None:
                raise InvalidInputError(f"min_score={self.min_score} was given, but {self.file} has no scores.")
            return masks[: self.max_masks]
        order = torch.argsort(masks.scores, descending=True, stable=True)
        if self.min_score is not None:
            order = order[masks.scores[order] >= self.min_score]
        return masks[order[: self.max_masks]]


def save_proposals(
    file: str | os.PathLike[str], images: Iterable[tuple[Any, Image.Image, Masks]], *, source: str = "", **settings: Any
) -> Path:
    """Write proposals in this package's own format, for `Precomputed` or any reader of COCO run-length encodings.

    Each image has "size" [H, W], "sha256" of its content, "masks" (RLEs), "scores" and "boxes" (XYXY).

    Args:
        file: Path that ends in .json or .json.gz; the file is written completely or not at all.
        images: Tuples of image id, image and its masks.
        source: Name of the model that made the masks.
        **settings: Settings and other plain values that are kept in the file.

    Raises:
        InvalidInputError: The suffix is wrong, two images have the same id, or masks differ in size from their image.
    """
    path = Path(file)
    if not path.name.endswith((".json", ".json.gz")):
        raise InvalidInputError(f"{path} was given; a name that ends in .json or .json.gz is accepted.")
    kept: dict[str, Any] = {}
    for image_id, image, masks in images:
        if str(image_id) in kept:
            raise InvalidInputError(f"Image {image_id!r} is there twice; give every image once.")
        entry = packed(masks.validate(image))
        kept[str(image_id)] = {"sha256": image_fingerprint(image), **{k: entry[k] for k in _KEPT}}
    content = {"format": FORMAT, "version": VERSION, "source": source, **settings, "images": kept}
    text = json.dumps(content, ensure_ascii=False).encode()
    write_bytes(path, gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
    return path


_KEPT = ("size", "masks", "scores", "boxes")


def _read(path: Path) -> bytes:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UnavailableError(f"The proposals {path} {what}; give a JSON file with COCO run-length encodings.")
    return path.read_bytes()


def _parse(raw: bytes, path: Path) -> Any:
    try:
        if raw[:4] == b"PK\x03\x04":  # a file of torch.save; weights_only refuses anything that could run code
            return torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
        return json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    except Exception as error:  # errors of gzip, zlib, json and of text decoding
        reason = " ".join(str(error).split())[:200]
        raise CorruptFileError(
            f"{path} is neither a complete JSON file nor a detectron2 file of plain values ({reason}); make or fetch "
            "it again."
        ) from error


def _number(image_id: str) -> tuple[str, str]:
    """Split an id, or a file name without its suffix, into the text before its final number, and the number.

    The number has no leading zeros; it is "" if there is none.
    """
    stem = image_id if image_id.isdigit() else Path(image_id).stem
    before = stem.rstrip("0123456789")
    digits = stem[len(before) :]
    return before, str(int(digits)) if digits else ""


def _by_number(entries: dict[str, PrecomputedImage]) -> dict[str, list[tuple[str, PrecomputedImage]]]:
    """Map each number to the text before it and the entry, by ids and by file names."""
    found: dict[str, list[tuple[str, PrecomputedImage]]] = {}
    for image_id, entry in entries.items():
        for text in {image_id, entry.file_name} - {None}:
            before, number = _number(str(text))
            found.setdefault(number, []).append((before, entry))
    return found
