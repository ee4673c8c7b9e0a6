"""Evaluation of methods on a dataset, image by image, in a way that can be stopped and continued at any moment."""

from __future__ import annotations

import contextlib
import os
import random
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from zsris_viz import __version__
from zsris_viz.datasets.types import Dataset
from zsris_viz.errors import CorruptFileError, InvalidInputError, InvalidTypeError, UnavailableError
from zsris_viz.evaluation.config import EvaluationConfig
from zsris_viz.evaluation.per_image import ImageEvaluator, evaluate_image
from zsris_viz.evaluation.read_ahead import read_ahead
from zsris_viz.evaluation.results import Evaluation
from zsris_viz.evaluation.row_cache import RowCache
from zsris_viz.evaluation.rows import BOUND, CHANCE, INDEX, split_rows, to_table
from zsris_viz.evaluation.settings import run_settings, settings_hash
from zsris_viz.evaluation.shards import Shard
from zsris_viz.evaluation.worker_spec import WorkerSpec
from zsris_viz.io.cache import DiskCache
from zsris_viz.methods import method_class
from zsris_viz.methods.base import Method
from zsris_viz.models.base import ImageTextModel

if TYPE_CHECKING:
    from zsris_viz.evaluation.dask_engine import DaskEngine
    from zsris_viz.evaluation.store import RowStore

JOIN_SECONDS = 30.0  # how long a shard waits for another that finishes at the same time
ImageRows = Iterator[tuple[int, list[dict[str, Any]]]]  # number of the image, its rows
Methods = str | Method | Sequence[str | Method] | Mapping[str, str | Method]


def evaluate(
    dataset: Dataset | str, methods: Methods, config: EvaluationConfig | None = None, **options: Any
) -> Evaluation:
    """Predict a mask for every expression of a dataset with each method, and measure the masks.

    Proposals and features of an image are computed once, for all methods and expressions. An image that cannot be
    opened, or on which a method fails, is recorded with its error and counts with IoU 0, as does an image without
    proposals.

    The column `seconds` holds the wall time of a method for a whole image, divided by the number of its expressions.
    Features that several methods share are counted for the first method that needs them; proposals are not included.

    Args:
        dataset: Dataset, or a name for `load_dataset`.
        methods: Name or Method, a list of these, or a dict of label and name or Method, which compares several
            settings of one method. A name stands for the method with its settings for this dataset.
        config: Options of the run; None for the defaults.
        **options: Options by name, which replace those of `config`; see `EvaluationConfig`.

    Returns:
        Evaluation with `.rows`, `.table()` and `.plot()`.

    Raises:
        InvalidInputError: If a name is unknown, an option has a value that is not accepted, two methods have one label,
            or the output folder holds another run.
        InvalidTypeError: If an option is unknown.
        UnavailableError: If a method cannot use the model, the output folder is in use, a model is missing, or no Dask
            scheduler answers.

    Example:
        >>> found = evaluate("scenes", ["cropping", "global-local"], limit=1, parts="gold", progress=False)
        >>> found.methods
        ['cropping', 'global-local']
    """
    config = EvaluationConfig.create(config, options)
    data = config.load_dataset(dataset)
    named = load_methods(methods, preset=config.preset, dataset=data.name)
    evaluator = ImageEvaluator.from_config(config)
    model, proposer = evaluator.clip, evaluator.proposer
    _check_towers(named, model)
    _check_thresholds(config.none_below, named)
    settings = run_settings(
        data,
        named,
        model,
        proposer,
        parts=config.parts,
        parser=config.parser,
        captioner=config.captioner,
        preprocess=config.preprocess,
        none_below=config.none_below,
    )
    labels = {
        "run_id": f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}",
        "dataset": data.name,
        "split": data.split,
        "split_by": data.split_by,
        "clip": model.name,
        "proposals": proposer.name,
        "config_hash": settings_hash(settings),
    }
    evaluator.labels = labels

    shard = None if config.shard is None else Shard.parse(config.shard)
    indices = range(len(data)) if shard is None else shard.indices(len(data))

    def evaluate_missing(done: Collection[int]) -> ImageRows:
        missing = [index for index in indices if index not in done]
        if config.engine is None:
            if config.reuse is not False:
                evaluator.reuse = RowCache(settings, config.reuse if isinstance(config.reuse, DiskCache) else None)
            samples = read_ahead(data, missing)
            found: ImageRows = ((index, evaluate_image(sample, named, evaluator)) for index, sample in samples)
        else:
            spec = WorkerSpec(dataset, named, config.for_worker(), settings["clip"]["weights"], labels)
            found = _on_engine(config.engine, spec, missing)
        return _with_bar(found, len(indices), len(missing), data.name if config.progress else None)

    if config.output is None:
        tables = split_rows(to_table([{INDEX: index, **row} for index, rows in evaluate_missing(()) for row in rows]))
    else:
        from zsris_viz.evaluation.store import RowStore

        metadata = {"version": __version__, "started": labels["run_id"]}
        with RowStore(config.output, settings, metadata, shard) as store:
            _check_images(data, store)
            for index, rows in evaluate_missing(store.done):
                store.add(index, rows)
            tables = store.finish(indices)
        if shard is not None:
            _join_shards(config.output, settings, metadata, set(range(len(data))))
    evaluation = Evaluation.from_tables(*tables, config=settings)
    evaluation.warn_of_errors()
    return evaluation


def _check_towers(methods: Mapping[str, Method], model: ImageTextModel) -> None:
    """Raise UnavailableError if a method cannot use the model."""
    for method in methods.values():
        method.info.require(model)


def _check_thresholds(none_below: float | Mapping[str, float] | None, methods: Mapping[str, Method]) -> None:
    """Raise InvalidInputError if a threshold is for a method that is not evaluated."""
    unknown = sorted(set(none_below) - set(methods)) if isinstance(none_below, Mapping) else []
    if unknown:
        raise InvalidInputError(
            f"none_below has a score for {', '.join(unknown)}; the methods of this run are {', '.join(methods)}."
        )


def load_methods(methods: Methods, *, preset: str = "default", dataset: str = "") -> dict[str, Method]:
    """Return the methods that `evaluate` was called with, by label.

    Args:
        methods: Name or Method, a list of these, or a dict of label and name or Method.
        preset: Preset of methods that are given by name.
        dataset: Name of the dataset whose settings such methods get.

    Raises:
        InvalidInputError: If there is no method, a name is unknown, two have one label, or one is that of a baseline.
        InvalidTypeError: If something is neither a name nor a Method.
    """
    if isinstance(methods, (str, Method)):
        methods = [methods]
    entries = list(methods.items()) if isinstance(methods, Mapping) else [(None, method) for method in methods]
    if not entries:
        raise InvalidInputError('No method was given; give one or more, e.g. methods=["cropping", "global-local"].')
    named: dict[str, Method] = {}
    for label, entry in entries:
        if isinstance(entry, str):
            method = method_class(entry).for_dataset(dataset, preset)
        elif isinstance(entry, Method):
            method = entry
        else:
            raise InvalidTypeError(f"A method was given as {type(entry).__name__}; give a name, or get_method(name).")
        label = method.name if label is None else str(label)
        if label in named:
            raise InvalidInputError(
                f"Two methods are called {label!r}; give them labels: methods={{'first': ..., 'second': ...}}."
            )
        if label in (CHANCE, BOUND):
            raise InvalidInputError(
                f"{label!r} is a baseline that every evaluation has; give the method another label."
            )
        named[label] = method
    return named


def _on_engine(engine: str | DaskEngine, spec: WorkerSpec, missing: Sequence[int]) -> ImageRows:
    """Yield the rows of images from a cluster; one that is started here is stopped here."""
    from zsris_viz.evaluation.dask_engine import DaskEngine, read_address

    if not isinstance(engine, DaskEngine):
        read_address(engine)  # a wrong address is an error even where nothing is left to do
    if not missing:
        return
    with contextlib.ExitStack() as stack:
        used = engine if isinstance(engine, DaskEngine) else stack.enter_context(DaskEngine(engine))
        yield from used.map(spec, missing)


def _with_bar(found: ImageRows, total: int, missing: int, title: str | None) -> ImageRows:
    """Show a progress bar while yielding the same rows; none without a title."""
    from tqdm.auto import tqdm

    with tqdm(total=total, initial=total - missing, unit="image", disable=title is None, desc=title) as bar:
        for index, rows in found:
            yield index, rows
            bar.update()


def _join_shards(
    output: str | os.PathLike[str], settings: Mapping[str, Any], metadata: Mapping[str, Any], images: set[int]
) -> None:
    """Write the rows of all shards if this one was the last to finish."""
    from zsris_viz.evaluation.store import RowStore, finished_images

    until = time.monotonic() + JOIN_SECONDS
    while images <= finished_images(output):
        try:
            with RowStore(output, settings, metadata) as store:
                if images <= store.done:
                    store.finish(images)
            return
        except CorruptFileError:
            raise
        except UnavailableError:  # another shard that finished at the same time holds its lock for a moment
            if time.monotonic() > until:
                raise
            time.sleep(random.uniform(0.05, 0.5))


def _check_images(dataset: Dataset, store: RowStore) -> None:
    """Refuse to continue on other images: the first and last finished ones must have the ids of the stored rows."""
    known = {index for index in store.done if index < len(dataset)}
    for index in {min(known), max(known)} if known else ():
        stored = set(store.read([index])["image_id"].to_pylist())
        image_id = str(dataset[index].image_id)
        if stored - {image_id}:
            raise InvalidInputError(
                f"{store.folder} holds a run on other images: number {index} is {stored.pop()!r} there "
                f"and {image_id!r} here. Give another output folder."
            )
