"""Loading of segmentation models from the Hugging Face Hub or from folders in its format."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.models.huggingface import model_type, read_model

BUILTIN = "load_proposals('felzenszwalb')"


def read_segmenter(
    name: str | os.PathLike[str], cls: str, kinds: Collection[str], *, example: str, dtype: torch.dtype
) -> tuple[Any, Any]:
    """Return a model in evaluation mode, frozen and with finite weights, and its image processor.

    Args:
        name: A Hugging Face id or a folder. Code in it is never run.
        cls: The model's class in transformers.
        kinds: The accepted `model_type` values of its config.json.
        example: A valid id for the error message.
        dtype: Data type of the weights.

    Raises:
        InvalidInputError: The name is neither a folder nor an id, or the model is of another kind.
        UnavailableError: The model is neither on this machine nor available from Hugging Face.
        CorruptFileError: The files are damaged or incomplete, or a weight is not finite.
    """
    text = os.fspath(name)
    folder = Path(text).expanduser()
    if not folder.is_dir() and (text.startswith((".", "/", "~")) or text.count("/") != 1):
        raise InvalidInputError(
            f"{text!r} is neither a folder nor a Hugging Face id such as {example!r}; give one of them."
        )
    source = folder if folder.is_dir() else text
    model_type(source, kinds, BUILTIN)
    model = read_model(source, cls, dtype=dtype, builtin=BUILTIN)
    from transformers import AutoImageProcessor

    try:
        processor = AutoImageProcessor.from_pretrained(
            str(source), local_files_only=folder.is_dir(), trust_remote_code=False
        )
    except Exception as error:  # the readers raise many types of errors
        raise (CorruptFileError if folder.is_dir() else UnavailableError)(
            f"the image processor of {text} cannot be read ({type(error).__name__}: {str(error)[:200]}). Fetch or save "
            "the model again, together with its processor."
        ) from error
    return model, processor


def short_title(name: str | os.PathLike[str]) -> str:
    """Return the id, or the last part of a folder's path, so that the settings contain no path of the machine."""
    text = os.fspath(name)
    return Path(text).name if Path(text).expanduser().is_dir() else text
