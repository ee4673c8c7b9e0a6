"""`zsris segment`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zsris_viz.commands.common import ClipOption, JsonOption, print_json, print_pairs
from zsris_viz.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
COLOUR = (255, 64, 32)
MINIATURE_NOTE = "it knows the drawn scenes only; for a photograph take --clip openai/clip-vit-base-patch16"


def segment(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="An image file.")],
    expression: Annotated[str, typer.Argument(metavar="EXPRESSION", help='Such as "the dog on the left".')],
    method: Annotated[str, typer.Option("--method", metavar="M", help="See `zsris methods`.")] = "global-local",
    clip: ClipOption = "miniature",
    proposals: Annotated[
        str, typer.Option("--proposals", metavar="NAME", help="Where the masks come from.")
    ] = "felzenszwalb",
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write the image with the mask on it (PNG, JPEG).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find what an expression means in an image, and say which model was used."""
    if save is not None:
        _check_target(save)
    from zsris_viz.images import open_image
    from zsris_viz.segmentation import segment as run

    picture = open_image(image)
    found = run(picture, expression, method=method, clip=clip, proposals=proposals)
    told = describe(found.ranking, found.mask)
    if save is not None:
        overlay(picture, told["chosen"] is not None, found.mask).save(save)
    common = {"image": image, "expression": expression, "method": method, "clip": clip, "proposals": proposals}
    if as_json:
        print_json({**common, **told, "size": [picture.height, picture.width], "saved": save})
        return
    box = told["box"]
    print_pairs(
        {
            "expression": expression,
            "model": f"{clip} ({MINIATURE_NOTE})" if clip.startswith("miniature") else clip,
            "method": f"{method}, masks by {proposals}",
            "chosen": f"mask {told['chosen']} of {told['candidates']}, score {told['score']:.4f}" if box else "no mask",
            "place": f"x {box[0]} to {box[2]}, y {box[1]} to {box[3]}, {told['area']} pixels" if box else None,
            "saved": save,
        }
    )


def describe(ranking: Any, mask: Any) -> dict[str, Any]:
    """Number, score, box (XYXY, right and bottom exclusive), area and COCO run-length code of the chosen mask."""
    from zsris_viz.masks import Masks

    told: dict[str, Any] = dict.fromkeys(("chosen", "score", "box", "area", "rle"))
    told["candidates"] = len(ranking.scores)
    if ranking.chosen is None:
        return told
    chosen = Masks.from_arrays([_array(mask)])
    told["chosen"] = int(ranking.chosen)
    told["score"] = float(ranking.scores[ranking.chosen])
    told["box"] = chosen.boxes[0].tolist()
    told["area"] = int(chosen.areas[0])
    told["rle"] = chosen.to_rle()[0]
    return told


def overlay(picture: Image, found: bool, mask: Any) -> Image:
    """The picture with everything but the mask faded, and the mask's edge drawn; as it is when nothing was found."""
    import numpy as np
    from PIL import Image as pil
    from PIL import ImageFilter

    if not found:
        return picture
    inside = pil.fromarray(_array(mask).astype(np.uint8) * 255)
    faded = pil.blend(picture.convert("L").convert("RGB"), pil.new("RGB", picture.size, "white"), 0.45)
    shown = pil.composite(picture, faded, inside)
    width = max(3, round(max(picture.size) / 200) | 1)
    edge = np.asarray(inside.filter(ImageFilter.MaxFilter(width))) != np.asarray(inside)
    return pil.composite(pil.new("RGB", picture.size, COLOUR), shown, pil.fromarray(edge.astype(np.uint8) * 255))


def _array(mask: Any) -> np.ndarray:
    import numpy as np

    return np.asarray(mask, dtype=bool)


def _check_target(save: Path) -> None:
    """Refuse a place that cannot be written to before the model runs."""
    if save.suffix.lower() not in PICTURES:
        raise InvalidInputError(f"--save {save}: name a picture file, one of {', '.join(PICTURES)}, as in overlay.png")
    if not save.parent.is_dir():
        raise InvalidInputError(f"--save {save}: there is no folder {save.parent}; make it first")
