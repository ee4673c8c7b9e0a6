"""Computation of the rows of one image, in any process."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from zsris_viz.datasets.types import Expression, Reference, Sample
from zsris_viz.errors import CorruptFileError, UnavailableError
from zsris_viz.evaluation.matching import ProposalMatcher
from zsris_viz.evaluation.rows import CHANCE
from zsris_viz.methods.base import Method, Prediction, Ranking, SceneFeatures
from zsris_viz.methods.expression_parts import PartSource
from zsris_viz.methods.texts import TextCache
from zsris_viz.models.base import ImageTextModel
from zsris_viz.proposals.base import Proposer

if TYPE_CHECKING:
    from zsris_viz.evaluation.config import EvaluationConfig
    from zsris_viz.evaluation.row_cache import RowCache

PredictionOrError = tuple[Prediction | None, str | None]  # a prediction, or an error in its place


@dataclass
class ImageEvaluator:
    """The models that evaluate every image, and the source of the parts of expressions.

    Attributes:
        clip: Image-text model.
        proposer: Source of proposals.
        parser: Parser for methods that need one; None until the first method asks for the package's own.
        captioner: Captioner, or its name, for methods that need one.
        parts: "parser", or "gold" for a dataset that knows the noun phrases of its expressions.
        preprocess: Preprocessing for methods that do not name their own; None for the model's.
        batch_size: Number of crops that are encoded at once.
        labels: Columns that all rows share: run_id, dataset, split, split_by, clip, proposals, config_hash.
        texts: Features of texts of this and of earlier images.
        none_below: Score of the best proposal below which an empty mask is predicted, for all methods or by label.
        reuse: Rows of earlier runs, or None.
    """

    clip: ImageTextModel
    proposer: Proposer
    parser: Any = None
    captioner: Any = None
    parts: PartSource = "parser"
    preprocess: Any = None
    batch_size: int = 64
    labels: dict[str, Any] = field(default_factory=dict)
    texts: TextCache | None = None
    none_below: float | Mapping[str, float] | None = None
    reuse: RowCache | None = None

    @classmethod
    def from_config(cls, config: EvaluationConfig, labels: Mapping[str, Any] | None = None) -> ImageEvaluator:
        """Load the model and the proposals that a config names.

        Args:
            config: Options of the run.
            labels: Columns that all rows share.
        """
        return cls(
            config.load_model(),
            config.load_proposer(),
            parser=config.parser,
            captioner=config.captioner,
            parts=config.parts,
            preprocess=config.preprocess,
            batch_size=config.batch_size,
            labels=dict(labels or {}),
            none_below=config.none_below,
        )

    def scene(self, sample: Sample) -> SceneFeatures:
        """Return the features of a sample with its proposals."""
        masks = self.proposer.propose_for(sample).validate(sample.size)
        if self.texts is None:
            self.texts = TextCache(self.clip)
        return SceneFeatures(
            sample.image,
            masks,
            self.clip,
            parser=self.parser,
            captioner=self.captioner,
            batch_size=self.batch_size,
            preprocess=self.preprocess,
            texts=self.texts,
        )


def evaluate_image(sample: Sample, methods: Mapping[str, Method], evaluator: ImageEvaluator) -> list[dict[str, Any]]:
    """Return the rows of one image: for each expression one for each method and one for the chance baseline.

    The rows depend on the arguments only, so that images can be evaluated in any order and anywhere.

    Args:
        sample: Image with its references.
        methods: Methods by label.
        evaluator: Models and options.
    """
    pairs = list(sample.pairs())
    if not pairs:
        return []
    measured, keys = _known(sample, pairs, methods, evaluator)
    missing = {label: method for label, method in methods.items() if label not in measured}
    if missing or CHANCE not in measured:
        made = _measured(sample, pairs, missing, evaluator)
        for label in made:
            if evaluator.reuse is not None:
                evaluator.reuse.put(keys, label, made[label])
        measured |= made
    rows = []
    for number, (reference, expression) in enumerate(pairs):
        shared = _shared_columns(sample, reference, expression, evaluator)
        rows += [{**shared, "method": label, **measured[label][number]} for label in (*methods, CHANCE)]
    return rows


def _known(
    sample: Sample,
    pairs: Sequence[tuple[Reference, Expression]],
    methods: Mapping[str, Method],
    evaluator: ImageEvaluator,
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    """Return the stored columns by label, and the keys for the others."""
    if evaluator.reuse is not None:
        with contextlib.suppress(Exception):  # nothing is known about a damaged image
            return evaluator.reuse.get(sample, pairs, methods)
    return {}, {}


def _measured(
    sample: Sample,
    pairs: Sequence[tuple[Reference, Expression]],
    methods: Mapping[str, Method],
    evaluator: ImageEvaluator,
) -> dict[str, list[dict[str, Any]]]:
    """Return the measured columns, seconds and error of every expression, for each method and for chance."""
    failure, scene, matcher = None, None, ProposalMatcher(pairs)
    try:
        scene = evaluator.scene(sample)
        matcher.set_proposals(scene.masks, sample.instances, sample.instance_categories)
    except Exception as error:  # a damaged image must neither end the run nor be left out of the denominator
        failure = _describe(error)
    measured: dict[str, list[dict[str, Any]]] = {}
    for label, method in methods.items():
        start = time.perf_counter()
        outcomes: list[PredictionOrError] = [(None, failure)] * len(pairs)
        if scene is not None and failure is None:
            outcomes = _predict_all(method, scene, pairs, evaluator.parts)
            outcomes = [_rejected(outcome, threshold_of(evaluator.none_below, label)) for outcome in outcomes]
        seconds = (time.perf_counter() - start) / len(pairs)
        measured[label] = []
        for number, (prediction, reason) in enumerate(outcomes):
            reason = reason or pairs[number][1].error
            row = matcher.row(number, prediction, failed=reason is not None)
            measured[label].append({**row, "seconds": seconds, "error": reason})
    if scene is not None and evaluator.parser is None:
        evaluator.parser = scene.parser  # loaded by a method, and kept for the next image
    expected = [matcher.chance_row(number) for number in range(len(pairs))]
    errors = [failure or expression.error for _, expression in pairs]
    rows = zip(expected, errors, strict=True)
    return measured | {CHANCE: [{**row, "seconds": 0.0, "error": error} for row, error in rows]}


def _predict_all(
    method: Method, scene: SceneFeatures, pairs: Sequence[tuple[Reference, Expression]], parts: PartSource
) -> list[PredictionOrError]:
    """Return a prediction or an error for each expression; the failure of one does not affect the others."""
    expressions = [expression for _, expression in pairs]
    with contextlib.suppress(Exception):  # the expression is identified below
        return [(prediction, None) for prediction in method.predict_many(scene, expressions, parts=parts)]
    outcomes: list[PredictionOrError] = []
    for expression in expressions:
        try:
            outcomes.append((method.predict(scene, expression, parts=parts), None))
        except Exception as error:
            outcomes.append((None, _describe(error)))
    return outcomes


def threshold_of(none_below: float | Mapping[str, float] | None, label: str) -> float | None:
    """Return the threshold of a method.

    Args:
        none_below: One threshold for all methods, or thresholds by label.
        label: Label of the method.
    """
    return none_below.get(label) if isinstance(none_below, Mapping) else none_below


def _rejected(outcome: PredictionOrError, threshold: float | None) -> PredictionOrError:
    """Replace a ranking whose best score is below the threshold by an empty mask."""
    prediction, reason = outcome
    if threshold is None or not isinstance(prediction, Ranking) or prediction.chosen is None:
        return outcome
    if float(prediction.scores[prediction.chosen]) >= threshold:
        return outcome
    return dataclasses.replace(prediction, mask=torch.zeros_like(prediction.mask), chosen=None), reason


def _describe(error: Exception) -> str:
    """Return the error in one line; raise it if the image is not its cause, as for a missing model."""
    if isinstance(error, UnavailableError) and not isinstance(error, CorruptFileError):
        raise error
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]


def _shared_columns(
    sample: Sample, reference: Reference, expression: Expression, evaluator: ImageEvaluator
) -> dict[str, Any]:
    """Return the columns that do not depend on a method."""
    return {
        **evaluator.labels,
        "image_id": str(sample.image_id),
        "ref_id": str(reference.ref_id),
        "sentence_id": str(expression.sentence_id),
        "expression": expression.text,
        "kind": expression.kind,
        "distractors": reference.distractors,
    }
