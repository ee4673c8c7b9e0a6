"""Loading of models and processors by transformers, from the hub or a local folder; incomplete models are refused."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from zsris_viz.errors import CorruptFileError, InvalidInputError, UnavailableError
from zsris_viz.io.json_files import read_json_object
from zsris_viz.models.checkpoints import FOLDER_REMEDY, WEIGHT_FILES, check_finite
from zsris_viz.models.products import use_onednn

BUILTIN = 'load_clip("miniature")'


@contextmanager
def _no_progress_bar(wanted: bool) -> Iterator[None]:
    """Hide the library's progress bar for reading weights, because local files are read within about a second."""
    from transformers.utils import logging

    hide = wanted and logging.is_progress_bar_enabled()
    if hide:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if hide:
            logging.enable_progress_bar()


def model_type(source: str | os.PathLike[str], accepted: Collection[str], builtin: str = BUILTIN) -> str:
    """Return the model_type of a folder or a Hugging Face id.

    Args:
        source: A folder, or an id whose config.json is fetched.
        accepted: The types that the caller supports.
        builtin: A call that needs no download, for the error message.

    Raises:
        UnavailableError: If config.json is missing and cannot be fetched.
        InvalidInputError: If the model is of another type.
    """
    if Path(source).is_dir():
        kind = str(read_json_object(Path(source) / "config.json", FOLDER_REMEDY).get("model_type"))
    else:
        from transformers import AutoConfig

        try:
            kind = str(AutoConfig.from_pretrained(str(source), trust_remote_code=False).model_type)
        except Exception as error:
            raise UnavailableError(
                f"{str(source)!r} is neither on this machine nor available from Hugging Face ({type(error).__name__}). "
                f"Give a local folder, or use {builtin}, which needs no download."
            ) from error
    if kind not in accepted:
        raise InvalidInputError(
            f"{source} holds a {kind!r} model; {' or '.join(map(repr, accepted))} can be read here."
        )
    return kind


def read_model(
    source: str | os.PathLike[str], cls: str, *, dtype: torch.dtype, builtin: str = BUILTIN, **options: Any
) -> Any:
    """Return a frozen model in evaluation mode whose weights are all present and finite.

    Args:
        source: A folder or a Hugging Face id; code that it contains is never run.
        cls: Name of the model's class in transformers.
        dtype: Number format of the weights.
        builtin: A call that needs no download, for the error message.
        **options: Options of `from_pretrained`.

    Raises:
        UnavailableError: If the folder has no weights, or they cannot be downloaded.
        CorruptFileError: If files are damaged or incomplete.
    """
    import transformers
    from safetensors import SafetensorError

    local = Path(source).is_dir()
    if local and not any((Path(source) / name).is_file() for name in WEIGHT_FILES):
        raise UnavailableError(f"{source} has no weights; one of {', '.join(WEIGHT_FILES)} is needed.")
    try:
        with _no_progress_bar(local):
            model, report = getattr(transformers, cls).from_pretrained(
                str(source),
                dtype=dtype,
                output_loading_info=True,
                local_files_only=local,
                trust_remote_code=False,
                **options,
            )
    except (SafetensorError, pickle.UnpicklingError, EOFError, zipfile.BadZipFile) as error:
        raise CorruptFileError(
            f"the weights in {source} are truncated or damaged ({error}); fetch them again."
        ) from error
    except Exception as error:
        raise _failure(source, local, builtin, error) from error
    missing = [*report["missing_keys"], *(str(key) for key in report["mismatched_keys"])]
    if missing:
        raise CorruptFileError(
            f"the weights in {source} are incomplete: {len(missing)} tensors are missing, e.g. {missing[0]}. Fetch "
            "them again."
        )
    check_finite(model, str(source))
    return use_onednn(model.eval().requires_grad_(False))


def read_processor(source: str | os.PathLike[str], *, builtin: str = BUILTIN) -> Any:
    """Return the processor of a folder or a Hugging Face id; raise as `read_model` does."""
    from transformers import AutoProcessor

    local = Path(source).is_dir()
    try:
        return AutoProcessor.from_pretrained(str(source), local_files_only=local, trust_remote_code=False)
    except Exception as error:
        raise _failure(source, local, builtin, error) from error


def read_pretrained(
    source: str | os.PathLike[str], cls: str, *, dtype: torch.dtype, builtin: str = BUILTIN, **options: Any
) -> tuple[Any, Any]:
    """Return a model and its processor; arguments and errors as for `read_model`."""
    model = read_model(source, cls, dtype=dtype, builtin=builtin, **options)
    return model, read_processor(source, builtin=builtin)


def _failure(source: str | os.PathLike[str], local: bool, builtin: str, error: Exception) -> UnavailableError:
    what = "cannot be read" if local else "is neither on this machine nor available from Hugging Face"
    return (CorruptFileError if local else UnavailableError)(
        f"the model {source} {what} ({type(error).__name__}: {str(error)[:200]}). A folder needs config.json, weights, "
        f"tokenizer and processor files; {builtin} needs no download."
    )
