"""Checks of what the package needs: versions, models, WordNet, a browser and disk, with advice for each problem."""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from zsris_viz.io.hashing import file_hash

PACKAGE = Path(__file__).resolve().parent
CONSTRAINTS = PACKAGE.parent / "constraints.txt"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "microsoft-edge", "firefox", "open", "xdg-open")
FREE_GB = 2.0
OK, WARNING, PROBLEM = "ok", "warning", "problem"


@dataclass(frozen=True)
class Diagnosis:
    """Hold the result of one check: `status` is "ok", "warning" (works with restrictions, or untested) or "problem"."""

    name: str
    status: str
    found: str
    remedy: str | None = None


def examine() -> list[Diagnosis]:
    """Run all checks; a failed check does not stop the others, and none uses the network."""
    checks: list[Diagnosis] = []
    for check in CHECKS:
        try:
            checks += check()
        except Exception as error:
            name = check.__name__.strip("_")
            checks.append(Diagnosis(name, PROBLEM, f"{type(error).__name__}: {error}", "reinstall: make clean env"))
    return checks


def measure_models() -> Iterator[Diagnosis]:
    """Measure the built-in models on a few held-out scenes.

    Yields:
        A Diagnosis for every row; a warning if even the upper end of the interval is below the required value.

    Raises:
        UnavailableError: The package was installed from a wheel, which has no trainings and measurements.
    """
    from zsris_viz.miniature import import_training

    for effect in import_training("measure_effects").measure(splits=("val",), quick=True):
        highest = effect.value if effect.high is None else effect.high
        short = effect.reached is False and (effect.least is None or highest < effect.least)
        remedy = f"see the model's card; on more scenes: {effect.command.rpartition(' --scenes')[0]}" if short else None
        yield Diagnosis("model quality", WARNING if short else OK, effect.text(), remedy)


def _python() -> Iterator[Diagnosis]:
    yield Diagnosis("python", OK, f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _packages() -> Iterator[Diagnosis]:
    """Compare the installed versions of the package's dependencies with those that were tested together."""
    tested = tested_versions()
    wanted = {_normal(re.split(r"[^\w.-]", line)[0]) for line in requires("zsris-viz") or [] if "extra ==" not in line}
    missing, other, same = [], [], 0
    for name in sorted(wanted):
        try:
            installed = version(name)
        except PackageNotFoundError:
            missing.append(name)
            continue
        if installed == tested.get(name, installed):
            same += 1
        else:
            other.append(f"{name} {installed} (tested: {tested[name]})")
    if missing:
        yield Diagnosis("packages", PROBLEM, f"missing: {', '.join(missing)}", "pip install -c constraints.txt -e .")
    elif other:
        yield Diagnosis(
            "packages", WARNING, f"not as tested: {', '.join(other)}", "pip install -c constraints.txt -e ."
        )
    elif not tested:
        yield Diagnosis("packages", OK, f"{same} installed; no constraints.txt to compare them with outside a clone")
    else:
        yield Diagnosis("packages", OK, f"{same} installed, all in the versions that were tested together")


def tested_versions() -> dict[str, str]:
    """Return name and version of each line of constraints.txt; empty outside a clone."""
    if not CONSTRAINTS.is_file():
        return {}
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", CONSTRAINTS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {_normal(name): pinned for name, pinned in pins}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _torch() -> Iterator[Diagnosis]:
    """Import torch and torchvision, and call one operator that torchvision has compiled against torch."""
    import torch
    import torchvision

    boxes, scores = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0]]), torch.tensor([0.1, 0.9])
    kept = torchvision.ops.nms(boxes, scores, 0.5).tolist()
    found = f"torch {torch.__version__} with torchvision {torchvision.__version__}, {torch.get_num_threads()} threads"
    if kept == [1]:
        yield Diagnosis("torch", OK, found)
    else:
        remedy = "install versions that belong together: make clean env"
        yield Diagnosis("torch", PROBLEM, f"{found}: torchvision's operators give a wrong result", remedy)
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        yield Diagnosis("cuda", OK, names)
    else:
        yield Diagnosis("cuda", OK, "none; everything runs on the CPU")
    devices = importlib.import_module("zsris_viz.models.devices")
    yield Diagnosis("dtype=auto", OK, devices.choose_dtype().reason)


def _parser() -> Iterator[Diagnosis]:
    """Parse one expression with the default pipeline."""
    language = importlib.import_module("zsris_viz.language")
    models = language.available_models()
    try:
        parser = language.load_parser()
        phrase = parser.parse("the small dog left of the bus").noun_phrase
    except Exception as error:
        yield Diagnosis("parser", PROBLEM, str(error))
        return
    found = f"{parser.name} in use; found: {', '.join(models)}"
    if phrase == "the small dog":
        yield Diagnosis("parser", OK, found)
    else:
        remedy = 'take the other parser: zsris parse --model builtin "..."'
        yield Diagnosis("parser", WARNING, f'{found}; it reads "the small dog left of the bus" as "{phrase}"', remedy)


def _wordnet() -> Iterator[Diagnosis]:
    """Read the first available source of WordNet, and look up a noun."""
    wordnet = importlib.import_module("zsris_viz.language.wordnet")
    sources = wordnet.available_sources()
    senses = len(wordnet.load_wordnet().synsets("dog", "n"))
    yield Diagnosis("wordnet", OK if senses else PROBLEM, f"{sources[0]} in use; found: {', '.join(sources)}")


def _miniature() -> Iterator[Diagnosis]:
    """Compare each file of weights in the package with the SHA-256 in a card (.md or .json) beside it."""
    weights = sorted(PACKAGE.glob("miniature/*/*.safetensors"))
    if not weights:
        yield Diagnosis("miniature", PROBLEM, "no weights in the package", "reinstall the package")
    for path in weights:
        name = f"{path.parent.name}/{path.name}"
        cards = [p for p in path.parent.iterdir() if p.suffix in (".md", ".json")]
        stated = {digest for card in cards for digest in re.findall(r"\b[0-9a-f]{64}\b", card.read_text("utf-8"))}
        digest = file_hash(path)
        found = f"{path.stat().st_size / 1e6:.1f} MB, sha256 {digest[:12]}"
        if digest in stated:
            yield Diagnosis(f"miniature {name}", OK, found)
        elif stated:
            remedy = "reinstall the package, or: git checkout zsris_viz/miniature"
            yield Diagnosis(f"miniature {name}", PROBLEM, f"{found} is not the hash in its card", remedy)
        else:
            yield Diagnosis(f"miniature {name}", WARNING, f"{found}; no card beside it states a hash")


def _proposals() -> Iterator[Diagnosis]:
    """Report published SAM checkpoints below ./data, and the folder in which proposals and captions are kept."""
    checkpoints = importlib.import_module("zsris_viz.proposals.sam_checkpoint")
    present = [name for name, file in checkpoints.published().items() if (Path("data") / file.path).is_file()]
    found = (
        f"below ./data: {', '.join(present)}"
        if present
        else "none below ./data; the miniature is for drawn scenes only"
    )
    yield Diagnosis("sam", OK, f"published checkpoints {found}")
    cache = importlib.import_module("zsris_viz.io.cache")
    folder = cache.cache_folder()
    if folder is None:
        yield Diagnosis("cache", OK, f"off ({cache.VARIABLE})")
        return
    size = sum(path.stat().st_size for path in folder.rglob("*.json.gz")) if folder.is_dir() else 0
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK):
        yield Diagnosis("cache", OK, f"{size / 1e6:.1f} MB in {folder}")
    else:
        remedy = f"set {cache.VARIABLE} to a folder that can be written, or to off"
        yield Diagnosis("cache", WARNING, f"{folder} cannot be written: proposals are computed again each time", remedy)


def _kernel() -> Iterator[Diagnosis]:
    from jupyter_client.kernelspec import KernelSpecManager

    argv = KernelSpecManager().get_kernel_spec("python3").argv
    # Jupyter takes a bare "python" for the interpreter that it runs in itself.
    if Path(argv[0]).name == argv[0] or Path(argv[0]) == Path(sys.executable):
        yield Diagnosis("jupyter kernel", OK, "python3 is this interpreter")
    else:
        remedy = (
            f"{sys.executable} -m ipykernel install --sys-prefix (`zsris reproduce` uses this interpreter in any case)"
        )
        yield Diagnosis("jupyter kernel", WARNING, f"python3 is {argv[0]}", remedy)


def _browser() -> Iterator[Diagnosis]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found:
        yield Diagnosis("browser", OK, found)
    else:
        yield Diagnosis("browser", OK, "none here; open JupyterLab's address from another machine")


def _disk() -> Iterator[Diagnosis]:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    if free >= FREE_GB:
        yield Diagnosis("disk", OK, f"{free:.1f} GB free here")
    else:
        remedy = f"free some space: results of a benchmark need {FREE_GB:.0f} GB"
        yield Diagnosis("disk", WARNING, f"{free:.1f} GB free here", remedy)


CHECKS: tuple[Callable[[], Iterator[Diagnosis]], ...] = (
    _python, _packages, _torch, _parser, _wordnet, _miniature, _proposals, _kernel, _browser, _disk,
)  # fmt: skip
