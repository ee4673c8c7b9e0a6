"""Running of several probes of a model in one pass over the images, with their controls."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zsris_viz.datasets.types import Dataset, Sample
from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.models.layered import LayeredModel
from zsris_viz.probes.base import Probe
from zsris_viz.probes.controls import untrained_tower
from zsris_viz.probes.inputs import ProbeInputs, prepare, texts_of_images, views
from zsris_viz.probes.table import RESAMPLES
from zsris_viz.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

    from zsris_viz.methods.expression_parts import PartSource

#: Every probe by name; plug-ins use the entry-point group `zsris_viz.probes`.
PROBES: Registry[type[Probe]] = Registry(
    "probe",
    "zsris_viz.probes",
    {
        "spatial sensitivity": "zsris_viz.probes.sensitivity:SpatialSensitivity",
        "position decodability": "zsris_viz.probes.decoding:PositionDecodability",
        "localisation": "zsris_viz.probes.localising:Localisation",
        "minimal pairs": "zsris_viz.probes.caption_pairs:MinimalPairs",
        "context masking": "zsris_viz.probes.masking:ContextMasking",
        "context-token attention": "zsris_viz.probes.attention:ContextAttention",
    },
)
Images = Dataset | Sequence[Sample]


def probe_names() -> list[str]:
    """Return the names that `run_probes` accepts, without importing a probe."""
    return PROBES.names()


def register_probe(name: str) -> Callable[[type[Probe]], type[Probe]]:
    """Return a decorator that registers a subclass of `Probe` under `name` in this process.

    Args:
        name: The name for `run_probes`, which no other probe may have.

    Raises:
        InvalidInputError: If the name exists already.
    """
    return PROBES.register(name)


def run_probes(
    clip: LayeredModel,
    dataset: Images,
    probes: Sequence[str] | None = None,
    *,
    limit: int | None = None,
    parts: PartSource = "parser",
    layers: Sequence[int] | None = None,
    controls: Sequence[str] = ("untrained", "shuffled", "positive"),
    untrained_limit: int | None = 100,
    seed: int = 0,
    resamples: int = RESAMPLES,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Return the tidy table of some probes; each tower encodes every image and its copies once for all of them.

    Args:
        clip: The model.
        dataset: A dataset with references, or a list of samples.
        probes: Names from :func:`probe_names`; None for all. A plug-in that cannot be imported is left out with a
            warning.
        limit: Only the first `limit` images.
        parts: Source of noun phrases and context tokens, "parser" or "gold".
        layers: Image layers to measure; by default all. Probes of texts always measure all.
        controls: "untrained" runs everything again with :func:`untrained_tower`; the others are added by the probes
            that declare them.
        untrained_limit: Number of images for the untrained tower, from the first on; None for all.
        seed: Seed of shuffles, of the untrained tower and of the bootstrap.
        resamples: Number of draws of the bootstrap over images.
        options: Settings of single probes, such as `{"localisation": {"threshold": 0.7}}`.
        progress: Whether to show a progress bar.

    Returns:
        A frame with the columns :data:`zsris_viz.probes.COLUMNS`.

    Raises:
        InvalidInputError: If a probe or control is unknown, no image has an expression, or a layer does not exist.
        InvalidTypeError: If a probe does not have a given setting.
        UnavailableError: If a probe of images or the untrained control is requested for a model other than a ViT CLIP,
            or a plug-in that `probes` names cannot be imported.
    """
    import pandas as pd

    _check(probe_names() if probes is None else probes, probe_names(), "probe")
    chosen = None if probes is None else {name: PROBES.load(name) for name in probes}
    available = dict(PROBES.items())
    classes = available if chosen is None else chosen
    declared = dict.fromkeys(control for cls in available.values() for control in cls.controls)
    _check(controls, list(declared), "control")
    inputs = prepare(dataset, clip, parts=parts, limit=limit, seed=seed)
    towers = {"model": clip}
    if "untrained" in controls:
        towers["untrained"] = untrained_tower(clip, seed)
    tables = []
    for control, tower in towers.items():
        made = [_make(cls, seed, (options or {}).get(name, {})) for name, cls in classes.items()]
        if control == "untrained":
            made = [probe for probe in made if "untrained" in probe.controls]
        for probe in made:
            probe.prepare(inputs, control=control, controls=tuple(controls))
        _update(inputs, tower, made, layers, None if control == "model" else untrained_limit, seed, progress)
        tables += [probe.result(resamples=resamples, seed=seed) for probe in made]
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def _make(cls: type[Probe], seed: int, options: Mapping[str, Any]) -> Probe:
    try:
        inspect.signature(cls).bind(seed=seed, **options)
    except TypeError as error:
        raise InvalidTypeError(f"the probe {cls.name!r} does not accept {', '.join(options)}: {error}.") from error
    return cls(seed=seed, **options)


def _update(
    inputs: ProbeInputs,
    clip: LayeredModel,
    probes: Sequence[Probe],
    layers: Sequence[int] | None,
    limit: int | None,
    seed: int,
    progress: bool,
) -> None:
    """Call `update` of every probe for every image."""
    from tqdm.auto import tqdm

    total = len(inputs.samples[:limit])
    of_images = [probe for probe in probes if probe.reads == "images"]
    if of_images:
        changes = any(probe.uses_changes for probe in of_images)
        passing = views(inputs, clip, layers=layers, changes=changes, limit=limit, seed=seed)
        for view in tqdm(passing, total=total, desc=clip.name, unit="image", disable=not progress):
            for probe in of_images:
                probe.update(view)
    for probe in probes:
        if probe.reads == "texts":
            for texts in texts_of_images(inputs, clip, limit=limit):
                probe.update(texts)


def _check(names: Sequence[str], known: Sequence[str], what: str) -> None:
    wrong = [name for name in names if name not in known]
    if isinstance(names, str) or wrong:
        raise InvalidInputError(
            f"{what} {wrong[0] if wrong and not isinstance(names, str) else names!r} is unknown; give a list of "
            f"{', '.join(known)}."
        )
