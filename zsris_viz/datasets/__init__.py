"""Datasets by name: images, the objects in them that are referred to, and the expressions."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError, InvalidTypeError

if TYPE_CHECKING:
    from zsris_viz.datasets.types import Dataset, Expression, Reference, Sample, Subset

# name -> (module, class). A class takes (split, *, limit=None, ...) and refuses an unknown split with the list of those
# it has. One whose files lie in a folder says needs_files = True and also takes data_root= and split_by=.
_DATASETS: dict[str, tuple[str, str]] = {
    "scenes": ("zsris_viz.miniature.world.dataset", "Scenes"),
    "refcoco": ("zsris_viz.datasets.refer", "RefCOCO"),
    "refcoco+": ("zsris_viz.datasets.refer", "RefCOCOPlus"),
    "refcocog": ("zsris_viz.datasets.refer", "RefCOCOg"),
    "phrasecut": ("zsris_viz.datasets.phrasecut", "PhraseCut"),
}
__all__ = ["Dataset", "Expression", "Reference", "Sample", "Subset", "dataset_class", "dataset_names", "load_dataset"]


def dataset_names() -> list[str]:
    """Names that `load_dataset` takes; imports no dataset."""
    return list(_DATASETS)


def dataset_class(name: str) -> Any:
    """The class behind a name. Raises InvalidInputError for an unknown one, listing what exists."""
    if name not in _DATASETS:
        raise InvalidInputError(f"dataset {name!r} is unknown; use one of {', '.join(_DATASETS)}.")
    module, cls = _DATASETS[name]
    return getattr(importlib.import_module(module), cls)


def load_dataset(
    name: str,
    split: str = "val",
    *,
    limit: int | None = None,
    data_root: str | os.PathLike[str] | None = None,
    split_by: str | None = None,
    **options: Any,
) -> Dataset:
    """A dataset by name.

    Args:
        name: "scenes", the drawn world, needs no files; "refcoco", "refcoco+", "refcocog" and "phrasecut" do.
        split: for example "train", "val", "testA", "testB".
        limit: only the first `limit` images.
        data_root: where a benchmark's files lie; of no effect for a dataset without files.
        split_by: the scheme of the split, where a dataset has several; otherwise None or its only one.
        **options: the dataset's own settings; "scenes" has size= (pixels) and style=, the refer
            datasets text= ("sent" or "raw").

    Raises:
        InvalidInputError: an unknown name, split, scheme or option value, listing what exists, a limit below 1, or no
            data_root for a dataset that needs files.
        UnavailableError, CorruptFileError: its files are not there or damaged.
        InvalidTypeError: an option that the dataset does not have.
    """
    maker = dataset_class(name)
    if getattr(maker, "needs_files", False):
        options |= {"data_root": data_root, "split_by": split_by}
    try:
        dataset = maker(split, limit=limit, **options)
    except TypeError as error:
        if isinstance(error, InvalidTypeError) or "unexpected keyword" not in str(error):
            raise
        raise InvalidTypeError(f"{name!r} does not take {', '.join(options)}: {error}.") from error
    if split_by not in (None, dataset.split_by):
        raise InvalidInputError(f"split_by={split_by!r} is unknown for {name!r}; it is split by {dataset.split_by!r}.")
    return dataset


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.types"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
