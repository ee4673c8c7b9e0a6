"""Whatever a file holds, the readers raise the package's own errors and no others."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.datasets.benchmark_files import REFS, SIZE, make_phrasecut, make_refer
from zsris_viz.datasets import load_dataset
from zsris_viz.datasets.outlines import coco_mask, phrasecut_mask
from zsris_viz.datasets.plain_pickle import load_plain
from zsris_viz.errors import ZsrisError
from zsris_viz.images import open_image
from zsris_viz.mask_io import decode_rle

FEW, MANY = 40, 500
numbers = st.integers(-(10**20), 10**20) | st.floats() | st.sampled_from([0, 1, 5, 20, 30, 600, 2**31, 2**63])
scalars = st.none() | st.booleans() | numbers | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
codes = st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=20)
encodings = st.fixed_dictionaries(
    {"size": values | st.just(list(SIZE)), "counts": values | codes | st.lists(numbers, max_size=5)}
)
outlines = st.lists(st.lists(numbers | scalars, max_size=9), max_size=3)
segmentations = values | encodings | outlines | st.lists(encodings, max_size=2)
polygons = st.lists(st.lists(st.lists(numbers, max_size=3), max_size=4), max_size=3)


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """The bytes of a file with some replaced, or cut off."""
    places = st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=8)

    def change(chosen: list[tuple[int, int]], end: int) -> bytes:
        raw = bytearray(whole)
        for place, value in chosen:
            raw[place] = value
        return bytes(raw[:end])

    return st.builds(change, places, st.integers(len(whole) // 2, len(whole)))


def saved(form: str, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).convert(mode).save(file, form)
    return file.getvalue()


IMAGES = [saved("PNG"), saved("JPEG"), saved("GIF"), saved("BMP"), saved("TIFF"), saved("WEBP"), saved("PNG", "P")]
PICKLE = pickle.dumps(REFS, protocol=2)


def only_own_errors(call: Any) -> None:
    with contextlib.suppress(ZsrisError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call()


def check(strategy: st.SearchStrategy[Any], reader: Any, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(value: Any) -> None:
        only_own_errors(lambda: reader(value))

    run()


def read_pickle(path: Path) -> Any:
    def read(raw: bytes) -> None:
        path.write_bytes(raw)
        load_plain(path)

    return read


def read_dataset(name: str, path: Path, root: Path) -> Any:
    def read(raw: bytes) -> None:
        path.write_bytes(raw)
        dataset = load_dataset(name, "val" if name == "refcoco" else "test", data_root=root)
        list(dataset.problems())
        for index in range(len(dataset)):
            sample = dataset[index]
            _ = sample.instances, sample.instance_categories

    return read


def changed_json(whole: Any) -> st.SearchStrategy[bytes]:
    """A JSON file with one value somewhere in it replaced by another one."""
    paths = list(_paths(whole))

    def change(place: tuple[Any, ...], value: Any) -> bytes:
        content = json.loads(json.dumps(whole))
        inner = content
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        return json.dumps(content).encode()

    return st.builds(change, st.sampled_from(paths), values)


def _paths(value: Any, above: tuple[Any, ...] = ()) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*above, key)
        yield from _paths(inner, (*above, key))


KINDS = ("image", "pickle", "rle", "coco", "phrasecut", "instances", "references", "phrases")


def run(kind: str, examples: int, root: Path) -> None:
    if kind == "image":
        check(st.sampled_from(IMAGES).flatmap(damaged) | st.binary(max_size=200), open_image, examples)
    elif kind == "pickle":
        check(damaged(PICKLE) | st.binary(max_size=80), read_pickle(root / "refs.p"), examples)
    elif kind == "rle":
        check(values | encodings, decode_rle, examples)
    elif kind == "coco":
        check(segmentations, lambda value: coco_mask(value, SIZE), examples)
    elif kind == "phrasecut":
        check(values | polygons, lambda value: phrasecut_mask(value, SIZE), examples)
    elif kind in ("instances", "references"):
        make_refer(root)
        path = root / "refcoco/instances.json"
        whole = json.loads(path.read_text())
        if kind == "references":
            path = root / "refcoco/refs(unc).p"
            check(damaged(PICKLE), read_dataset("refcoco", path, root), examples)
        else:
            check(changed_json(whole) | damaged(path.read_bytes()), read_dataset("refcoco", path, root), examples)
    else:
        path = make_phrasecut(root) / "refer_test.json"
        whole = json.loads(path.read_text())
        check(changed_json(whole) | damaged(path.read_bytes()), read_dataset("phrasecut", path, root), examples)


@pytest.mark.parametrize("kind", KINDS)
def test_few_examples(tmp_path: Path, kind: str) -> None:
    run(kind, FEW, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_examples(tmp_path: Path, kind: str) -> None:
    run(kind, MANY, tmp_path)
