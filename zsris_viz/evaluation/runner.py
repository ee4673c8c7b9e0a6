"""Evaluation of methods on a dataset, image by image, in a way that can be stopped and continued at any moment."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch

from zsris_viz import __version__
from zsris_viz.datasets.types import Dataset
from zsris_viz.errors import InvalidInputError, InvalidTypeError, UnavailableError
from zsris_viz.evaluation.config import config_hash, run_config
from zsris_viz.evaluation.per_image import ImageEvaluator, evaluate_image
from zsris_viz.evaluation.results import Evaluation
from zsris_viz.evaluation.row_cache import RowCache
from zsris_viz.evaluation.rows import CHANCE, INDEX, split_rows, to_table
from zsris_viz.evaluation.worker_spec import ClipSource, DatasetSource, WorkerSpec
from zsris_viz.io.cache import DiskCache
from zsris_viz.methods import get_method, method_class
from zsris_viz.methods.base import Method
from zsris_viz.models.base import Clip
from zsris_viz.proposals import load_proposals
from zsris_viz.proposals.base import Proposer

if TYPE_CHECKING:
    from zsris_viz.evaluation.dask_engine import DaskEngine
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
    engine: str | DaskEngine | None = None,
    reuse: bool | DiskCache = False,
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
        parser, captioner: for the methods that need them, or a captioner's name; by default the package's own parser
            and the miniature captioner, loaded when needed.
        preprocess: used where a method does not name its own; a preset's name or a Preprocess.
        output: a folder that keeps the rows. The same call continues an interrupted run and skips what is finished; a
            call with another `limit` extends it; a call with other settings is refused. None: rows stay in memory.
        engine: where images are evaluated. None: in this process. "dask://HOST:PORT": on the workers of a running Dask
            scheduler, which must find data and models under the same names; "dask://local:N": in N new processes; or a
            DaskEngine. The rows are the same, and this process keeps them: output, lock and continuation are as ever.
        reuse: take rows of single images and methods that were worked out before on this machine, with the same
            settings, content and code, from the user's cache folder (or the given cache), and leave new ones there;
            their `seconds` are those of the time. In this process only. For notebooks that ask the same question.
        limit: only the first `limit` images.
        batch_size: crops at once; of no influence on the rows but for rounding.
        progress: show a progress bar.

    Returns:
        Evaluation: `.rows`, `.table()`, `.plot()`.

    Raises:
        InvalidInputError: an unknown name, a limit below 1, methods of one label, an output folder of another run.
        UnavailableError: a method that cannot use the model's kind of tower, an output folder in use, a missing model,
            no Dask scheduler.
    """
    source = DatasetSource(dataset, split, limit, data_root, split_by)
    held = source.load()
    named = load_methods(methods, preset=preset, dataset=held.name)
    if parts not in ("parser", "gold"):
        raise InvalidInputError(f"parts={parts!r} is unknown; use parser or gold.")
    where: dict[str, Any] = {"data_root": data_root, "device": device} if isinstance(proposals, str) else {}
    proposer = load_proposals(proposals, **where)
    model = ClipSource(clip, device, dtype).load()
    for label, method in named.items():
        if not method.info.accepts(model.kind):
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
    options: dict[str, Any] = {
        "parser": parser,
        "captioner": captioner,
        "parts": parts,
        "preprocess": preprocess,
        "batch_size": batch_size,
        "labels": labels,
    }

    def rows_of(done: Collection[int]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        todo = [index for index in range(len(held)) if index not in done]
        if engine is None:
            kept = RowCache(config, reuse if isinstance(reuse, DiskCache) else None) if reuse is not False else None
            bench = ImageEvaluator(model, proposer, **options, reuse=kept)
            found: Iterator[tuple[int, list[dict[str, Any]]]] = (
                (index, evaluate_image(held[index], named, bench)) for index in todo
            )
        else:
            there = ClipSource(clip, device, dtype)
            recipe = WorkerSpec(source, named, there, config["clip"]["weights"], proposals, options, where)
            found = _on_engine(engine, recipe, todo)
        return _with_bar(found, len(held), len(todo), held.name if progress else None)

    if output is None:
        tables = split_rows(to_table([{INDEX: index, **row} for index, rows in rows_of(()) for row in rows]))
    else:
        from zsris_viz.evaluation.store import RowStore

        told = {"hash": labels["config_hash"], "version": __version__, "started": labels["run_id"]}
        with RowStore(output, config, told) as store:
            _check_images(held, store)
            for index, rows in rows_of(store.done):
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


def _on_engine(
    engine: str | DaskEngine, recipe: WorkerSpec, todo: Sequence[int]
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(place, rows) from a cluster; one that is made here ends here. Without work none is made."""
    from zsris_viz.evaluation.dask_engine import DaskEngine, read_address

    if not isinstance(engine, DaskEngine):
        read_address(engine)  # a wrong address is told even where nothing is left to do
    if not todo:
        return
    with contextlib.ExitStack() as stack:
        used = engine if isinstance(engine, DaskEngine) else stack.enter_context(DaskEngine(engine))
        yield from used.map(recipe, todo)


def _with_bar(
    found: Iterator[tuple[int, list[dict[str, Any]]]], total: int, todo: int, name: str | None
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """The same with a progress bar, which has a `name`."""
    from tqdm.auto import tqdm

    with tqdm(total=total, initial=total - todo, unit="image", disable=name is None, desc=name) as bar:
        for index, rows in found:
            yield index, rows
            bar.update()


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
