"""`zsris segment`."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zsris_viz.cli.common import (
    PROPOSALS_HELP,
    BatchSizeOption,
    CaptionerOption,
    ClipOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    KindOption,
    check_captioner,
    check_text,
    print_json,
    print_pairs,
)
from zsris_viz.errors import InvalidInputError

if TYPE_CHECKING:
    from zsris_viz.segmentation import Segmentation

PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def segment(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="An image file.")],
    expression: Annotated[
        str,
        typer.Argument(metavar="EXPRESSION", callback=check_text, help='Expression, such as "the dog on the left".'),
    ],
    method: Annotated[str, typer.Option("--method", metavar="M", help="See `zsris methods`.")] = "global-local",
    clip: ClipOption = "miniature",
    proposals: Annotated[str, typer.Option("--proposals", metavar="NAME", help=PROPOSALS_HELP)] = "felzenszwalb",
    preset: Annotated[str, typer.Option("--preset", metavar="NAME", help='"default" or "official".')] = "default",
    captioner: CaptionerOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    kind: KindOption = None,
    batch_size: BatchSizeOption = 64,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write the image with the mask on it (PNG, JPEG).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Allow --save to replace the image itself.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Segment the object in an image that an expression refers to."""
    if save is not None:
        _check_target(save, image, force)
    check_captioner(captioner, [method])
    from zsris_viz.segmentation import segment as run

    found = run(
        image,
        expression,
        method=method,
        clip=clip,
        proposals=proposals,
        preset=preset,
        captioner=captioner,
        device=device,
        dtype=dtype,
        kind=kind,
        batch_size=batch_size,
    )
    if save is not None:
        found.save(save)
    result = describe(found)
    if as_json:
        request = {"image": image, "expression": expression, "method": method, "clip": clip, "proposals": proposals}
        print_json({**request, "preset": preset, **result, "note": found.note, "saved": save})
        return
    box = result["box"]
    print_pairs(
        {
            "expression": expression,
            "chosen": _choice(result),
            "place": f"x {box[0]} to {box[2]}, y {box[1]} to {box[3]}, {result['area']} pixels" if box else None,
            "saved": save,
        }
    )
    typer.echo(found.note)


def _choice(result: dict[str, Any]) -> str:
    """Return a sentence about the chosen mask."""
    if result["box"] is None:
        return "no mask"
    if result["chosen"] is None:
        return "a mask that is not among the proposals"
    return f"mask {result['chosen']} of {result['candidates']}, score {result['score']:.4f}"


def describe(found: Segmentation) -> dict[str, Any]:
    """Return box (XYXY, right and bottom exclusive), area and COCO run-length encoding of the mask.

    For a chosen proposal, its number and score are returned, too.
    """
    from zsris_viz.masks import Masks
    from zsris_viz.methods import Ranking

    result: dict[str, Any] = {"size": list(found.mask.shape), "candidates": len(found.scene)}
    result |= dict.fromkeys(("chosen", "score", "box", "area", "rle"))
    if not found.mask.any():
        return result
    mask = Masks.from_arrays([found.mask])
    prediction = found.prediction
    if isinstance(prediction, Ranking) and prediction.chosen is not None:
        result["chosen"] = int(prediction.chosen)
        result["score"] = float(prediction.scores[prediction.chosen])
    result["box"] = mask.boxes[0].tolist()
    result["area"] = int(mask.areas[0])
    result["rle"] = mask.to_rle()[0]
    return result


def _check_target(save: Path, image: Path, force: bool) -> None:
    """Refuse a file that cannot or should not be written before the model runs."""
    if save.suffix.lower() not in PICTURES:
        raise InvalidInputError(f"--save {save}: name a picture file, one of {', '.join(PICTURES)}, as in overlay.png")
    if not save.parent.is_dir():
        raise InvalidInputError(f"--save {save}: there is no folder {save.parent}; make it first")
    if save.exists():
        if not save.is_file():
            raise InvalidInputError(f"--save {save} is not a regular file; name a picture file, as in overlay.png")
        if image.exists() and save.samefile(image) and not force:
            raise InvalidInputError(f"--save {save} would replace the image itself; name another file, or add --force")
    if not os.access(save if save.exists() else save.parent, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(save))
