"""The parts that the papers name (towers, proposals, captioners), and what counts as a stand-in for each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ModelRole:
    """A part that a published row names.

    Attributes:
        title: Name in the papers.
        genuine: Prefixes of the names of the parts that the papers used; any other name is a stand-in.
        remedy: Advice on how to use the published part.
    """

    title: str
    genuine: tuple[str, ...]
    remedy: str

    def stand_in(self, name: str) -> str:
        """Return "NAME for TITLE" if a part is a stand-in, else an empty string.

        Args:
            name: Name of the part in this run; empty for none.

        Example:
            >>> ROLES["freesolo"].stand_in("felzenszwalb")
            'felzenszwalb for FreeSOLO'
        """
        own = os.path.basename(name) != name and os.path.exists(name)
        if not name or own or name.lower().startswith(self.genuine):
            return ""
        return f"{name} for {self.title}"


# A path of the user (a name that begins with a slash, a dot or a backslash) is accepted as the published part.
_FILES = ("/", ".", "\\")
ROLES: Mapping[str, ModelRole] = {
    "vit": ModelRole(
        "ViT-B/32",
        ("openai/clip-vit-base-patch32", "vit-b-32", "vit-b/32", "open_clip:vit-b-32", *_FILES),
        "clip=openai/clip-vit-base-patch32",
    ),
    "vit-b16": ModelRole(
        "ViT-B/16",
        ("openai/clip-vit-base-patch16", "vit-b-16", "vit-b/16", "open_clip:vit-b-16", *_FILES),
        "clip_b16=openai/clip-vit-base-patch16",
    ),
    "rn": ModelRole(
        "RN50", ("rn50", "open_clip:rn50", *_FILES), "clip_rn=RN50, or an empty name to leave its rows out"
    ),
    "blip-2": ModelRole("BLIP-2", ("salesforce/blip2", *_FILES), "itc={'blip-2': 'Salesforce/blip2-itm-vit-g'}"),
    "albef": ModelRole(
        "ALBEF", ("albef", *_FILES), "itc={'albef': FILE} with the authors' ALBEF.pth (zsris data fetch albef)"
    ),
    "freesolo": ModelRole(
        "FreeSOLO",
        ("precomputed:",),
        "freesolo=precomputed:FILE with FreeSOLO's masks, or an empty name to leave its rows out",
    ),
    "sam": ModelRole("SAM ViT-H", ("sam-vit-h", "precomputed:"), "sam=sam-vit-h (zsris data fetch sam-vit-h)"),
    "mask2former": ModelRole(
        "Mask2Former Swin-L",
        ("mask2former:facebook/mask2former-swin-large-coco-panoptic", "precomputed:"),
        "mask2former=mask2former:facebook/mask2former-swin-large-coco-panoptic, or an empty name",
    ),
    "captioner blip-2": ModelRole(
        "BLIP-2 OPT-2.7b", ("blip2-opt-2.7b", "salesforce/blip2-opt-2.7b", *_FILES), "captioner=blip2-opt-2.7b"
    ),
    "captioner git": ModelRole("GIT-base", ("git-base", "microsoft/git-base", *_FILES), "captioner_2=git-base"),
}
#: Role of the tower whose model is used if a role has no model.
FALLBACK: Mapping[str, str] = {"vit-b16": "vit"}


def stand_in(role: str, name: str) -> str:
    """Return "NAME for TITLE" if the part of a role is a stand-in, else an empty string.

    Args:
        role: Role of a tower, of proposals, or "captioner ROLE"; another role has no stand-ins.
        name: Name of the part in this run.
    """
    return ROLES[role].stand_in(name) if role in ROLES else ""
