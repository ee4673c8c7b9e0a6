"""Conformance tests for plug-ins: each raises an AssertionError that says which promise of a contract is broken.

A package that brings a method, a dataset, proposals or a probe calls these in its own tests::

    from zsris_viz.testing import check_method

    def test_conformance():
        check_method(LargestMask)
"""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from zsris_viz.datasets import load_dataset
from zsris_viz.datasets.types import Dataset, Reference, Sample
from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.masks import Masks
from zsris_viz.methods.base import Method, MethodInfo, RankingMethod
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.methods.prediction import Prediction, Ranking
from zsris_viz.models import load_clip
from zsris_viz.models.base import ImageTextModel
from zsris_viz.models.layered import LayeredModel
from zsris_viz.probes.base import Probe
from zsris_viz.probes.inputs import prepare as prepare_inputs
from zsris_viz.probes.inputs import texts_of_images, views
from zsris_viz.probes.table import COLUMNS
from zsris_viz.proposals.base import Proposer

EXPRESSIONS = ("the red circle on the left", "blue", "a café, très petit")
HEIGHT, WIDTH = 48, 64


def check_method(method: type[Method], *, clip: ImageTextModel | None = None) -> None:
    """Check that a class keeps the contract of :class:`zsris_viz.methods.base.Method`.

    Every preset is constructed; each predicts for three expressions on a drawn picture with five proposals, one of
    them empty, and on the same picture without proposals.

    Args:
        method: The class.
        clip: The model to predict with; by default the built-in miniature.

    Raises:
        AssertionError: A promise of the contract is broken.
    """
    assert isinstance(method, type) and issubclass(method, Method), (
        f"{method!r} is not a class that derives from Method"
    )
    name = method.__name__
    info = getattr(method, "info", None)
    assert isinstance(info, MethodInfo), f"{name}.info is {info!r}; set it to a MethodInfo"
    _check_name(info.name, f"{name}.info.name")
    assert info.title and info.summary, f"{name}.info has no title or no summary"
    assert tuple(info.presets) == tuple(method.presets), (
        f"{name}.info.presets is {info.presets}, but {name}.presets has {tuple(method.presets)}"
    )
    assert info.presets[0] == "default", f"the first preset of {name} is {info.presets[0]!r}; it is 'default'"
    assert dataclasses.is_dataclass(method.Config), f"{name}.Config is not a dataclass"
    _assert_raises(InvalidTypeError, lambda: method(no_such_setting=1), f"{name}(no_such_setting=1)")
    _assert_raises(InvalidInputError, lambda: method("no-such-preset"), f"{name}('no-such-preset')")
    model = load_clip("miniature") if clip is None else clip
    assert info.accepts(model), f"{name} does not accept {model!r}; give check_method a model that it accepts: clip=..."
    for preset in info.presets:
        _check_predictions(pickle.loads(pickle.dumps(method(preset))), model)


def check_dataset(dataset: type[Any], split: str = "val", **options: Any) -> None:
    """Check that a class keeps the contract of a dataset, on its first three images.

    The class is called as `dataset(split, limit=3, **options)`.

    Args:
        dataset: The class.
        split: A split that it has.
        **options: Its own settings, for example `data_root=`.

    Raises:
        AssertionError: A promise of the contract is broken.
    """
    name = dataset.__name__
    data = dataset(split, limit=3, **options)
    assert isinstance(data, Dataset), f"{name} lacks one of name, split, split_by, __len__ and __getitem__"
    _check_name(data.name, f"{name}.name")
    assert data.split == split, f"{name}({split!r}).split is {data.split!r}"
    assert isinstance(data.split_by, str), f"{name}.split_by is {data.split_by!r}; use '' where there is one scheme"
    assert 1 <= len(data) <= 3, f"{name}({split!r}, limit=3) has {len(data)} images"
    _assert_raises(InvalidInputError, lambda: dataset("no-such-split", **options), f"{name}('no-such-split')")
    _assert_raises(InvalidInputError, lambda: dataset(split, limit=0, **options), f"{name}({split!r}, limit=0)")
    _assert_raises(IndexError, lambda: data[len(data)], f"the index {len(data)} of {len(data)} samples")
    samples = [data[index] for index in range(len(data))]
    assert data[-1].image_id == samples[-1].image_id, f"{name}[-1] is not the last sample"
    _assert_unique([sample.image_id for sample in samples], "image_id")
    _assert_unique([reference.ref_id for sample in samples for reference in sample.references], "ref_id")
    _assert_unique([expression.sentence_id for sample in samples for _, expression in sample.pairs()], "sentence_id")
    again = dataset(split, limit=3, **options)
    for index, sample in enumerate(samples):
        _check_sample(sample)
        same = np.array_equal(np.asarray(sample.image), np.asarray(again[index].image))
        assert same, f"image {sample.image_id!r} differs between two loadings"


def check_proposer(proposer: Proposer, *, images: Sequence[Image.Image] = ()) -> None:
    """Check that an object keeps the contract of :class:`zsris_viz.proposals.base.Proposer`.

    Args:
        proposer: The source of proposals.
        images: Pictures to propose for; by default a drawn one and one of a single colour.

    Raises:
        AssertionError: A promise of the contract is broken.
    """
    name = type(proposer).__name__
    assert isinstance(proposer, Proposer), f"{name} does not derive from Proposer"
    _check_name(proposer.name, f"{name}.name")
    try:
        settings = json.loads(json.dumps(proposer.settings))
    except TypeError as error:
        raise AssertionError(f"{name}.settings are not plain values: {error}") from error
    assert settings == proposer.settings, f"{name}.settings {proposer.settings} come back from JSON as {settings}"
    for image in images or (_picture(), Image.new("RGB", (WIDTH, HEIGHT), "white")):
        masks = proposer.propose(image)
        assert isinstance(masks, Masks), f"{name}.propose returned {type(masks).__name__}, not Masks"
        masks.validate(image)
        assert masks.source, f"{name}.propose returned Masks without a source"
        assert not len(masks) or int(masks.areas.min()) > 0, f"{name}.propose returned an empty mask"
        if masks.scores is not None:
            scores = torch.as_tensor(masks.scores)
            assert scores.shape == (len(masks),), f"{len(masks)} masks have scores of shape {tuple(scores.shape)}"
            assert bool(scores.isfinite().all()), "a score is not a finite number"
            assert bool((scores.diff() <= 0).all()), "the masks are not ordered by score, best first"
        again = proposer.propose(np.asarray(image))
        assert torch.equal(masks.data.cpu(), again.data.cpu()), f"{name}.propose differs between two calls"


def check_probe(probe: type[Probe], *, clip: LayeredModel | None = None) -> None:
    """Check that a class keeps the contract of :class:`zsris_viz.probes.base.Probe`.

    It is prepared for two drawn scenes twice, once as for a model and once as for a tower of random weights.

    Args:
        probe: The class.
        clip: A vision transformer to measure; by default the built-in miniature.

    Raises:
        AssertionError: A promise of the contract is broken.
    """
    assert isinstance(probe, type) and issubclass(probe, Probe), f"{probe!r} is not a class that derives from Probe"
    name = probe.__name__
    assert isinstance(probe.name, str) and probe.name.strip(), f"{name}.name is {probe.name!r}; a text is needed"
    assert probe.reads in ("images", "texts"), f"{name}.reads is {probe.reads!r}; use 'images' or 'texts'"
    assert isinstance(probe.controls, tuple) and "model" not in probe.controls, f"{name}.controls is {probe.controls!r}"
    model = clip or load_clip("miniature")
    assert isinstance(model, LayeredModel), f"{model!r} gives no access to its layers"
    scenes = load_dataset("scenes", "val", limit=2)
    inputs = prepare_inputs(scenes, model, parts="gold", limit=None, seed=0)
    for control, wanted in (("model", probe.controls), ("untrained", ())):
        tables = []
        for _ in range(2):
            made = probe(seed=1)
            made.prepare(inputs, control=control, controls=wanted)
            reads_images = probe.reads == "images"
            for image in views(inputs, model) if reads_images else texts_of_images(inputs, model):
                made.update(image)
            tables.append(made.result(resamples=10, seed=1))
        table = tables[0]
        assert tuple(table.columns) == COLUMNS, f"{name}.result has the columns {tuple(table.columns)}"
        assert table.equals(tables[1]), f"{name} gives other numbers for the same seed"
        allowed = {control, *wanted}
        assert set(table["control"]) <= allowed, f"{name} has rows of {set(table['control']) - allowed}, undeclared"
        assert (table["probe"] == probe.name).all(), f"{name} has rows under another name than {probe.name!r}"
        keys = ["probe", "kind", "variant", "layer", "head", "control"]
        assert not table.duplicated(keys).any(), f"{name} has two rows of the same {', '.join(keys)}"
        assert (table["n"] >= table["images"]).all() and (table["images"] <= len(scenes)).all(), (
            f"{name}: counts are wrong"
        )


def _check_predictions(method: Method, clip: ImageTextModel) -> None:
    """Check the predictions of one preset with and without proposals."""
    name = f"{type(method).__name__}({method.preset!r})"
    known: dict[str, Any] = {}
    if "captions" in method.info.needs:
        known = {"captions": ["a shape"] * 5, "image_caption": "several shapes", "negatives": ["a shape"]}
    masks = _masks()
    scene = SceneFeatures(_picture(), masks, clip)
    _assert_raises(InvalidInputError, lambda: method.predict(scene, "  ", **known), f"{name}.predict(scene, '  ')")
    first = [method.predict(scene, text, **known) for text in EXPRESSIONS]
    for text, prediction in zip(EXPRESSIONS, first, strict=True):
        _check_prediction(method, prediction, text, masks)
    fresh = SceneFeatures(_picture(), masks, clip)
    for single, batched in zip(first, method.predict_many(fresh, EXPRESSIONS, **known), strict=True):
        assert torch.equal(single.mask, batched.mask), (
            f"{name} predicts differently for {single.expression!r} the second time"
        )
        if isinstance(single, Ranking) and isinstance(batched, Ranking):
            close = torch.allclose(single.scores, batched.scores, atol=1e-4, equal_nan=True)
            assert close, f"{name}.predict_many scores {single.expression!r} differently from predict"
    assert torch.equal(scene.masks.data, _masks().data), f"{name}.predict changed the proposals of the scene"
    if known:
        known["captions"] = []
    nothing = SceneFeatures(_picture(), Masks.from_arrays([], size=(HEIGHT, WIDTH)), clip)
    prediction = method.predict(nothing, EXPRESSIONS[0], **known)
    assert tuple(prediction.mask.shape) == (HEIGHT, WIDTH), f"{name} without proposals: mask of another size"
    if isinstance(prediction, Ranking):
        assert prediction.chosen is None and not bool(prediction.mask.any()), f"{name} chose one of no proposals"


def _check_prediction(method: Method, prediction: Prediction, text: str, masks: Masks) -> None:
    name = f"{type(method).__name__}({method.preset!r}).predict"
    assert isinstance(prediction, Prediction), f"{name} returned {type(prediction).__name__}, not a Prediction"
    mask = prediction.mask
    assert mask.dtype == torch.bool and tuple(mask.shape) == (HEIGHT, WIDTH) and mask.device.type == "cpu", (
        f"{name}: the mask is {mask.dtype}, {tuple(mask.shape)} on {mask.device}; it is bool, (H, W) on the CPU"
    )
    assert (prediction.method, prediction.expression) == (method.name, text), (
        f"{name}: method and expression are {(prediction.method, prediction.expression)}"
    )
    assert prediction.seconds >= 0, f"{name}: seconds is {prediction.seconds}"
    assert isinstance(prediction.evidence, Mapping), f"{name}: evidence is {type(prediction.evidence).__name__}"
    on_device = [k for k, v in prediction.evidence.items() if isinstance(v, torch.Tensor) and v.device.type != "cpu"]
    assert not on_device, f"{name}: evidence {', '.join(on_device)} is not on the CPU"
    if not isinstance(method, RankingMethod):
        return
    assert isinstance(prediction, Ranking), f"{name}: a RankingMethod returns a Ranking"
    scores = prediction.scores
    assert scores.dtype == torch.float32 and tuple(scores.shape) == (len(masks),), (
        f"{name}: scores are {scores.dtype}, {tuple(scores.shape)}; they are float32, ({len(masks)},)"
    )
    empty = masks.areas == 0
    assert bool((scores[empty] == -torch.inf).all()), f"{name}: an empty mask has a score other than -inf"
    assert bool((scores < torch.inf).all()), f"{name}: scores {scores.tolist()} hold NaN or infinity"
    assert prediction.chosen == int(scores.argmax()), f"{name}: chosen is {prediction.chosen}, not the first best"
    assert torch.equal(mask, masks[int(scores.argmax())]), f"{name}: the mask is not the chosen proposal"


def _check_sample(sample: Sample) -> None:
    assert isinstance(sample, Sample), f"a sample is {type(sample).__name__}, not a Sample"
    name = f"image {sample.image_id!r}"
    assert isinstance(sample.image_id, str), f"{name}: image_id is {type(sample.image_id).__name__}, not text"
    assert sample.image.mode == "RGB", f"{name}: the mode is {sample.image.mode}, not RGB"
    assert sample.size == (sample.image.height, sample.image.width), f"{name}: size is {sample.size}, not (H, W)"
    assert sample.references, f"{name} has no reference"
    for reference in sample.references:
        _check_reference(reference, sample.size, name)
    if sample.instances is not None:
        sample.instances.validate(sample.size)
        categories = sample.instance_categories
        assert categories is None or len(categories) == len(sample.instances), (
            f"{name}: {len(sample.instances)} instances have {len(categories or ())} categories"
        )


def _check_reference(reference: Reference, size: tuple[int, int], image: str) -> None:
    name = f"{image}, reference {reference.ref_id!r}"
    mask = reference.mask
    assert isinstance(mask, np.ndarray) and mask.dtype == bool and mask.shape == size, (
        f"{name}: the mask is {getattr(mask, 'dtype', type(mask))} {getattr(mask, 'shape', '')}; it is bool {size}"
    )
    assert reference.expressions, f"{name} has no expression"
    assert all(expression.text.strip() for expression in reference.expressions), f"{name} has an empty expression"


def _picture() -> Image.Image:
    """Draw a red square on the left and a blue one on the right of a grey picture."""
    pixels = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    pixels[12:36, 6:26] = (200, 30, 30)
    pixels[10:30, 38:58] = (30, 60, 200)
    return Image.fromarray(pixels)


def _masks() -> Masks:
    """Return five proposals: both squares, half of one, an empty mask, and the whole picture."""
    arrays = np.zeros((5, HEIGHT, WIDTH), bool)
    arrays[0, 12:36, 6:26] = True
    arrays[1, 10:30, 38:58] = True
    arrays[2, 12:36, 6:16] = True
    arrays[4] = True
    return Masks.from_arrays(arrays)


def _check_name(name: object, where: str) -> None:
    allowed = "abcdefghijklmnopqrstuvwxyz0123456789-+."
    assert isinstance(name, str) and name and set(name) <= set(allowed), (
        f"{where} is {name!r}; use lower-case letters, digits and '-', as on a command line"
    )


def _assert_unique(values: Sequence[object], what: str) -> None:
    twice = sorted({str(value) for value in values if list(values).count(value) > 1})
    assert not twice, f"{what} {', '.join(twice)} occurs more than once"


def _assert_raises(error: type[Exception], call: Any, what: str) -> None:
    """Assert that a call raises an error of a class."""
    try:
        call()
    except error:
        return
    except Exception as other:
        raise AssertionError(f"{what} raises {type(other).__name__}; it should raise {error.__name__}") from other
    raise AssertionError(f"{what} raises nothing; it should raise {error.__name__}")
