"""Models with their processors through transformers, from the hub or a folder in its format, complete or refused."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.io.json_files import read_json_object
from zsris_viz.models.checkpoints import FOLDER_REMEDY, WEIGHT_FILES, _no_progress_bar


def model_type(source: str | os.PathLike[str], accepted: Collection[str], builtin: str) -> str:
    """The model_type of a folder or a Hugging Face id.

    Args:
        source: a folder, or an id whose config.json is fetched. accepted: the types that the caller reads.
        builtin: a call that needs no download, for the error.

    Raises:
        UnavailableError: no config.json, or no way to fetch it. InvalidInputError: a model of another type.
    """
    if Path(source).is_dir():
        kind = str(read_json_object(Path(source) / "config.json", FOLDER_REMEDY).get("model_type"))
    else:
        from transformers import AutoConfig

        try:
            kind = str(AutoConfig.from_pretrained(str(source)).model_type)
        except Exception as error:
            raise UnavailableError(
                f"{source!r} is neither on this machine nor to be had from Hugging Face ({type(error).__name__}). "
                f"Give a local folder, or use {builtin}, which needs no download."
            ) from error
    if kind not in accepted:
        raise InvalidInputError(f"{source} holds a {kind!r} model; {' or '.join(accepted)} is read here.")
    return kind


def read_pretrained(
    source: str | os.PathLike[str], cls: str, *, dtype: torch.dtype, builtin: str, **options: Any
) -> tuple[Any, Any]:
    """A model in evaluation mode, frozen, and its processor.

    Args:
        source: a folder or a Hugging Face id. cls: the model's class in transformers. dtype: of the weights.
        builtin: a call that needs no download, for the error. **options: of `from_pretrained`.

    Raises:
        UnavailableError: no weights in the folder, or no way to download. CorruptFileError: damaged or incomplete
            files.
    """
    import transformers
    from safetensors import SafetensorError

    local = Path(source).is_dir()
    if local and not any((Path(source) / name).is_file() for name in WEIGHT_FILES):
        raise UnavailableError(f"{source} has no weights; one of {', '.join(WEIGHT_FILES)} is needed.")
    try:
        with _no_progress_bar(local):
            model, report = getattr(transformers, cls).from_pretrained(
                str(source), dtype=dtype, output_loading_info=True, local_files_only=local, **options
            )
        processor = transformers.AutoProcessor.from_pretrained(str(source), local_files_only=local)
    except (SafetensorError, pickle.UnpicklingError, EOFError, zipfile.BadZipFile) as error:
        raise CorruptFileError(
            f"the weights in {source} are truncated or damaged ({error}); fetch them again."
        ) from error
    except Exception as error:
        what = "cannot be read" if local else "is neither on this machine nor to be had from Hugging Face"
        failure = CorruptFileError if local else UnavailableError
        raise failure(
            f"the model {source} {what} ({type(error).__name__}: {str(error)[:200]}). A folder needs config.json, "
            f"weights, tokenizer and processor files; {builtin} needs no download."
        ) from error
    lacking = [*report["missing_keys"], *(str(key) for key in report["mismatched_keys"])]
    if lacking:
        raise CorruptFileError(
            f"the weights in {source} are incomplete, {len(lacking)} tensors lack, e.g. {lacking[0]}; fetch them again."
        )
    return model.eval().requires_grad_(False), processor
