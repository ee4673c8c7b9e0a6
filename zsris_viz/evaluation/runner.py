"""Evaluation of methods on a dataset, image by image, in a way that can be stopped and continued at any moment."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch

from zsris_viz import __version__
from zsris_viz.clip.base import Clip
from zsris_viz.datasets import load_dataset
from zsris_viz.datasets.types import Dataset, Subset
from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError
from zsris_viz.evaluation.config import config_hash, run_config
from zsris_viz.evaluation.image import Bench, evaluate_image
from zsris_viz.evaluation.results import Evaluation
from zsris_viz.evaluation.rows import CHANCE, INDEX, split_rows, to_table
from zsris_viz.methods import get_method, method_class
from zsris_viz.methods.base import Method
from zsris_viz.proposals import load_proposals
from zsris_viz.proposals.base import Proposer

if TYPE_CHECKING:
    from zsris_viz.evaluation.store import RowStore

Methods = str | Method | Sequence[str | Method] | Mapping[str, str | Method]


def evaluate(
    dataset: Dataset | str,
    methods: Methods,
    *,
    split: str = "val",
    clip: Clip | str = "miniature",
    proposals: Proposer | str = "ground-truth",
    preset: str = "default",
    parts: str = "parser",
    parser: Any = None,
    captioner: Any = None,
    preprocess: Any = None,
    output: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    data_root: str | os.PathLike[str] | None = None,
    split_by: str | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype = torch.float32,
    batch_size: int = 64,
    progress: bool = True,
) -> Evaluation:
    """Let methods choose a proposal for every expression of a dataset, and measure the choices.

    Each image is proposed for and seen by the towers once, for all methods and expressions. An image that cannot be
    opened, or on which a method fails, is recorded with its error and counts with IoU 0; so does one without proposals.

    `seconds` of a row is the wall time that its method took for the whole image, divided by the number of the image's
    expressions. Features that several methods share are paid for by the first that asks for them; proposals are not
    included.

    Args:
        dataset: a dataset, or a name for `load_dataset(name, split, data_root=, split_by=)`.
        methods: names or Methods, one or a list; or label -> name or Method, to compare settings of one method. A name
            stands for the method with the settings that its paper has for this dataset.
        clip: a model or a name for `load_clip(name, device=, dtype=)`.
        proposals: a Proposer, or a name for `load_proposals`.
        preset: of methods given by name: "default" or "official".
        parts: "parser", or "gold": the dataset's own noun phrases, directions and so on ("scenes" has them).
        parser, captioner: for the methods that need them; by default the package's own parser, loaded when needed.
        preprocess: used where a method does not name its own; a preset's name or a Preprocess.
        output: a folder that keeps the rows. The same call continues an interrupted run and skips what is finished; a
            call with another `limit` extends it; a call with other settings is refused. None: rows stay in memory.
        limit: only the first `limit` images.
        batch_size: crops at once; of no influence on the rows but for rounding.
        progress: show a progress bar.

    Returns:
        Evaluation: `.rows`, `.table()`, `.plot()`.

    Raises:
        InvalidInputError: an unknown name, a limit below 1, methods of one label, an output folder of another run.
        UnavailableError: a method that cannot use the model's kind of tower, an output folder in use, a missing model.
    """
    held = _load_dataset(dataset, split, limit, data_root, split_by)
    named = load_methods(methods, preset=preset, dataset=held.name)
    if parts not in ("parser", "gold"):
        raise InvalidInputError(f"parts={parts!r} is unknown; use parser or gold.")
    proposer = load_proposals(proposals)
    model = _load_clip(clip, device, dtype)
    for label, method in named.items():
        if model.kind not in method.info.towers:
            raise UnavailableError(
                f"{label!r} needs a tower of kind {' or '.join(method.info.towers)}; {model.name!r} is {model.kind!r}. "
                f"Leave it out, or give another model: clip={'RN50' if 'rn' in method.info.towers else 'miniature'!r}."
            )
    config = run_config(
        held, named, model, proposer, parts=parts, parser=parser, captioner=captioner, preprocess=preprocess
    )
    labels = {
        "run_id": f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}",
        "dataset": held.name,
        "split": held.split,
        "split_by": held.split_by,
        "clip": model.name,
        "proposals": proposer.name,
        "config_hash": config_hash(config),
    }
    bench = Bench(model, proposer, parser, captioner, parts, preprocess, batch_size, labels)
    if output is None:
        memory = [{INDEX: index, **row} for index, rows in _run(held, named, bench, set(), progress) for row in rows]
        tables = split_rows(to_table(memory))
    else:
        from zsris_viz.evaluation.store import RowStore

        told = {"hash": labels["config_hash"], "version": __version__, "started": labels["run_id"]}
        with RowStore(output, config, told) as store:
            _check_images(held, store)
            for index, rows in _run(held, named, bench, store.done, progress):
                store.add(index, rows)
            tables = store.finish(range(len(held)))
    evaluation = Evaluation.from_tables(*tables, config=config)
    evaluation.warn_of_errors()
    return evaluation


def load_methods(methods: Methods, *, preset: str = "default", dataset: str = "") -> dict[str, Method]:
    """Label -> Method from what `evaluate` takes.

    Raises:
        InvalidInputError: no method, an unknown name, two of one label, or "chance" as a label.
        InvalidTypeError: neither a name nor a Method.
    """
    if isinstance(methods, (str, Method)):
        methods = [methods]
    entries = list(methods.items()) if isinstance(methods, Mapping) else [(None, method) for method in methods]
    if not entries:
        raise InvalidInputError('No method was given; give one or more, e.g. methods=["cropping", "global-local"].')
    named: dict[str, Method] = {}
    for label, given in entries:
        if isinstance(given, str):
            for_dataset = getattr(method_class(given), "for_dataset", None)
            method = get_method(given, preset) if for_dataset is None else for_dataset(dataset, preset)
        elif isinstance(given, Method):
            method = given
        else:
            raise InvalidTypeError(f"A method was given as {type(given).__name__}; give a name, or get_method(name).")
        label = method.name if label is None else str(label)
        if label in named:
            raise InvalidInputError(
                f"Two methods are called {label!r}; give them labels: methods={{'first': ..., 'second': ...}}."
            )
        if label == CHANCE:
            raise InvalidInputError(
                "'chance' is the baseline that every evaluation has; give the method another label."
            )
        named[label] = method
    return named


def _run(
    dataset: Dataset, methods: Mapping[str, Method], bench: Bench, done: Collection[int], progress: bool
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(place, rows) of every image that is not done."""
    from tqdm.auto import tqdm

    todo = [index for index in range(len(dataset)) if index not in done]
    finished = len(dataset) - len(todo)
    with tqdm(total=len(dataset), initial=finished, unit="image", disable=not progress, desc=dataset.name) as bar:
        for index in todo:
            yield index, evaluate_image(dataset[index], methods, bench)
            bar.update()


def _load_dataset(
    dataset: Dataset | str,
    split: str,
    limit: int | None,
    data_root: str | os.PathLike[str] | None,
    split_by: str | None,
) -> Dataset:
    if isinstance(dataset, str):
        return load_dataset(dataset, split, limit=limit, data_root=data_root, split_by=split_by)
    if not isinstance(dataset, Dataset):
        raise InvalidTypeError(
            f"A dataset was given as {type(dataset).__name__}; give a name, or load_dataset(name, split), "
            "or an object with name, split, split_by, len() and samples by number."
        )
    return dataset if limit is None else Subset(dataset, limit)


def _load_clip(clip: Clip | str, device: str | torch.device | None, dtype: torch.dtype) -> Clip:
    if isinstance(clip, Clip):
        return clip
    from zsris_viz.clip import load_clip

    return load_clip(clip, device=device, dtype=dtype)


def _check_images(dataset: Dataset, store: RowStore) -> None:
    """Refuse to continue on other images: the first and last finished ones must have the ids that the rows have."""
    known = {index for index in store.done if index < len(dataset)}
    for index in {min(known), max(known)} if known else ():
        stored = set(store.read([index])["image_id"].to_pylist())
        image_id = str(dataset[index].image_id)
        if stored - {image_id}:
            raise InvalidInputError(
                f"{store.folder} holds a run on other images: number {index} is {stored.pop()!r} there "
                f"and {image_id!r} here. Give another output folder."
            )
