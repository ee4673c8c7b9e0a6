"""Loading datasets by name."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.registry import Registry

if TYPE_CHECKING:
    from zsris_viz.datasets.types import Dataset

D = TypeVar("D", bound="Callable[..., Dataset]")

_DATASETS: Registry[Any] = Registry(
    "dataset",
    "zsris_viz.datasets",
    {
        "scenes": "zsris_viz.miniature.world.dataset:Scenes",
        "refcoco": "zsris_viz.datasets.refer:RefCOCO",
        "refcoco+": "zsris_viz.datasets.refer:RefCOCOPlus",
        "refcocog": "zsris_viz.datasets.refer:RefCOCOg",
        "refcoco-m": "zsris_viz.datasets.hub:RefCOCOM",
        "grefcoco": "zsris_viz.datasets.grefcoco:GRefCOCO",
        "phrasecut": "zsris_viz.datasets.phrasecut:PhraseCut",
    },
)


def dataset_names() -> list[str]:
    """Return the names that `load_dataset` accepts, including those of plug-ins, without importing a dataset."""
    return _DATASETS.names()


def dataset_class(name: str) -> Any:
    """Return the dataset class of a name.

    Raises:
        InvalidInputError: The name is unknown; the message lists the known names.
        UnavailableError: The plug-in that provides it cannot be imported.
    """
    return _DATASETS.load(name)


def register_dataset(name: str) -> Callable[[D], D]:
    """Return a decorator that adds a class to `load_dataset`, until the process ends.

    The class must accept `split` and `limit=`, and refuse an unknown split with the list of its splits. It must accept
    `data_root=` if its files are stored in a folder and `split_by=` if it has several schemes.

    Args:
        name: The name under which it is loaded.
    """
    return _DATASETS.register(name)


def load_dataset(
    name: str,
    split: str = "val",
    *,
    limit: int | None = None,
    data_root: str | os.PathLike[str] | None = None,
    split_by: str | None = None,
    **options: Any,
) -> Dataset:
    """Load a dataset by name.

    Example:
        >>> load_dataset("scenes", "val", limit=2)[0].references[0].category
        'dog'

    Args:
        name: "scenes", the drawn scenes, which need no files; "refcoco", "refcoco+", "refcocog", "refcoco-m",
            "grefcoco" and "phrasecut", whose files are stored below data_root; or the name of a plug-in.
        split: For example "train", "val", "testA", "testB".
        limit: Number of images, counted from the first; None for all.
        data_root: Folder of the benchmarks' files; ignored by datasets without files.
        split_by: Splitting scheme, for datasets that have several; None for the first.
        **options: The dataset's own settings: size= (pixels) and style= of "scenes", text= ("sent" or "raw") of the
            refer datasets, categories= ("all" or "unseen") of "phrasecut".

    Returns:
        The dataset; its samples are images with references.

    Raises:
        InvalidInputError: The name, split, scheme or an option's value is unknown, the limit is below 1, or there is
            no data_root for a dataset that needs files.
        UnavailableError: Its files do not exist.
        CorruptFileError: Its files are damaged.
        InvalidTypeError: The dataset does not have such an option.
    """
    from zsris_viz.datasets.hub import hub_reader
    from zsris_viz.datasets.refer import Refer

    factory = dataset_class(name)
    if data_root is not None and isinstance(factory, type) and issubclass(factory, Refer):
        factory = hub_reader(factory, Path(data_root)) or factory
    signature = inspect.signature(factory)
    shared = {"data_root": data_root, "split_by": split_by}
    accepted = {key: value for key, value in shared.items() if key in signature.parameters}
    try:
        arguments = signature.bind(split, limit=limit, **accepted, **options)
    except TypeError as error:
        known = [key for key in signature.parameters if key not in ("split", "limit", *shared)]
        raise InvalidTypeError(
            f"{name!r} does not take {', '.join(options)}; it has {', '.join(known) or 'no options'}."
        ) from error
    dataset: Dataset = factory(*arguments.args, **arguments.kwargs)
    if split_by not in (None, dataset.split_by):
        raise InvalidInputError(f"split_by={split_by!r} is unknown for {name!r}; it is split by {dataset.split_by!r}.")
    return dataset
