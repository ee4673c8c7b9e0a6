"""All probes of a tower in one pass over the images, with their controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zsris_viz.datasets.types import Dataset, Sample
from zsris_viz.errors import InvalidInputError
from zsris_viz.models.layered import LayeredModel
from zsris_viz.probes.attention import ContextAttention
from zsris_viz.probes.caption_pairs import MinimalPairs
from zsris_viz.probes.controls import untrained_tower
from zsris_viz.probes.decoding import PositionDecodability
from zsris_viz.probes.inputs import ProbeInputs, prepare, views
from zsris_viz.probes.localising import Localisation
from zsris_viz.probes.masking import ContextMasking
from zsris_viz.probes.sensitivity import SpatialSensitivity
from zsris_viz.probes.table import RESAMPLES, Tally

if TYPE_CHECKING:
    import pandas as pd

IMAGE_PROBES: dict[str, Any] = {
    probe.name: probe
    for probe in (SpatialSensitivity, PositionDecodability, Localisation, MinimalPairs, ContextMasking)
}
TEXT_PROBES: dict[str, Any] = {ContextAttention.name: ContextAttention}
PROBES = (*IMAGE_PROBES, *TEXT_PROBES)
Images = Dataset | Sequence[Sample]


def run_probes(
    clip: LayeredModel,
    dataset: Images,
    probes: Sequence[str] = PROBES,
    *,
    limit: int | None = None,
    parts: str = "parser",
    layers: Sequence[int] | None = None,
    controls: Sequence[str] = ("untrained", "shuffled"),
    untrained_limit: int | None = 100,
    seed: int = 0,
    resamples: int = RESAMPLES,
    options: dict[str, dict[str, Any]] | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """The tidy table of one or more probes; every image, with its copies, passes each tower once for all of them.

    Args:
        clip: the tower. dataset: with references; or a list of samples. probes: names from :data:`PROBES`.
        limit: only the first `limit` images. parts: where noun phrases and context tokens come from, "parser" or
            "gold".
        layers: image layers to look at; default all. Text probes always take all.
        controls: "untrained" runs everything again with :func:`untrained_tower`; "shuffled" adds each probe's own.
        untrained_limit: only the first so many images for the untrained tower, whose intervals are narrow; None for
            all.
        seed: of shuffles, of the untrained tower and of the bootstrap. resamples: of the bootstrap.
        options: probe -> its own settings, e.g. {"localisation": {"threshold": 0.7}}.

    Returns:
        A frame with the columns :data:`zsris_viz.probes.COLUMNS`.

    Raises:
        InvalidInputError: an unknown probe or control, no image with an expression, or a layer that does not exist.
        UnavailableError: an image probe, or the untrained control, with an RN.
    """
    _check(probes, PROBES, "probe")
    _check(controls, ("untrained", "shuffled"), "control")
    inputs = prepare(dataset, clip, parts=parts, limit=limit, seed=seed)
    tally = Tally(len(inputs.samples))
    towers = {"model": clip}
    if "untrained" in controls:
        towers["untrained"] = untrained_tower(clip, seed)
    for control, tower in towers.items():
        shuffled = control == "model" and "shuffled" in controls
        made = {
            name: {**IMAGE_PROBES, **TEXT_PROBES}[name](
                tally, control, shuffled=shuffled, **_seeded(name, seed), **(options or {}).get(name, {})
            )
            for name in probes
        }
        _run(inputs, tower, made, layers, None if control == "model" else untrained_limit, seed, progress)
    return tally.table(resamples=resamples, seed=seed)


def _run(
    inputs: ProbeInputs,
    clip: LayeredModel,
    made: dict[str, Any],
    layers: Sequence[int] | None,
    limit: int | None,
    seed: int,
    progress: bool,
) -> None:
    from tqdm.auto import tqdm

    images = [probe for name, probe in made.items() if name in IMAGE_PROBES]
    if images:
        changes = SpatialSensitivity.name in made
        passing = views(inputs, clip, layers=layers, changes=changes, limit=limit, seed=seed)
        total = len(inputs.samples[:limit])
        for view in tqdm(passing, total=total, desc=clip.name, unit="image", disable=not progress):
            for probe in images:
                probe.add(view)
        for probe in images:
            probe.finish()
    for name in made:
        if name in TEXT_PROBES:
            made[name].run(inputs, clip, limit)


def _seeded(name: str, seed: int) -> dict[str, int]:
    """The seed, for the probes that draw."""
    return {} if name in (SpatialSensitivity.name, Localisation.name) else {"seed": seed}


def _check(given: Sequence[str], known: Sequence[str], what: str) -> None:
    wrong = [name for name in given if name not in known]
    if isinstance(given, str) or wrong:
        raise InvalidInputError(
            f"{what} {wrong[0] if wrong and not isinstance(given, str) else given!r} is unknown; give a list of "
            f"{', '.join(known)}."
        )


def spatial_sensitivity(clip: LayeredModel, dataset: Images, **options: Any) -> pd.DataFrame:
    """How much features move when content moves; see :class:`SpatialSensitivity`. Options as of :func:`run_probes`."""
    return run_probes(clip, dataset, [SpatialSensitivity.name], **options)


def position_decodability(clip: LayeredModel, dataset: Images, **options: Any) -> pd.DataFrame:
    """How well places can be read out; see :class:`PositionDecodability`. Options as of :func:`run_probes`."""
    return run_probes(clip, dataset, [PositionDecodability.name], **options)


def localisation(clip: LayeredModel, dataset: Images, **options: Any) -> pd.DataFrame:
    """Whether patch-text maps find objects; see :class:`Localisation`. Options as of :func:`run_probes`."""
    return run_probes(clip, dataset, [Localisation.name], **options)


def minimal_pairs(clip: LayeredModel, dataset: Images, **options: Any) -> pd.DataFrame:
    """Whether left and right are told apart; see :class:`MinimalPairs`. Options as of :func:`run_probes`."""
    return run_probes(clip, dataset, [MinimalPairs.name], **options)


def context_attention(clip: LayeredModel, dataset: Images, **options: Any) -> pd.DataFrame:
    """Where the end token looks; see :class:`ContextAttention`. Options as of :func:`run_probes`."""
    return run_probes(clip, dataset, [ContextAttention.name], **options)


def context_masking(clip: LayeredModel, dataset: Images, **options: Any) -> pd.DataFrame:
    """What hiding context tokens changes; see :class:`ContextMasking`. Options as of :func:`run_probes`."""
    return run_probes(clip, dataset, [ContextMasking.name], **options)
