"""One Markdown table of what the computations cost: CPU and wall seconds and peak memory, beside the plain ones.

    python -m tests.benchmarks.table                      # all cases, about five minutes on two quiet cores
    python -m tests.benchmarks.table resnet many-images   # some of them
    python -m tests.benchmarks.table --threads 1
    python -m tests.benchmarks.table --small              # few images and small models: whether every case runs
    python -m tests.benchmarks.table --before ../older    # beside the figures of another checkout of the repository

Each case runs in a process of its own, so that its peak memory is its own. Weights are random and of the published
shapes, pictures are drawn. "Plain" is the flow of the authors, or the computation written out, measured in the same
process; "before" is the same case with the package of another checkout, measured directly before. Times are the
smallest of the rounds. Nothing here is a test: the figures depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SMALL = bool(os.environ.get("SMALL_BENCHMARKS"))
Row = dict[str, Any]
HEAD = (
    "| computation | plain CPU s | before CPU s | CPU s | wall s | before MB | peak MB | plain / now | before / now "
    "| case |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---|"
)


def best(work: Callable[[], Any], rounds: int = 3, *, warm_up: bool = True) -> tuple[float, float]:
    """Return the smallest CPU seconds and the smallest wall seconds, by default after a run to warm up."""
    if warm_up:
        work()
    cpu, wall = [], []
    for _ in range(1 if SMALL else rounds):
        start, began = time.process_time(), time.perf_counter()
        work()
        cpu.append(time.process_time() - start)
        wall.append(time.perf_counter() - began)
    return min(cpu), min(wall)


def row(name: str, found: tuple[float, float], plain: float | None = None) -> Row:
    """Return a row of the table for a computation that took `found` CPU and wall seconds."""
    return {"name": name, "plain": plain, "cpu": found[0], "wall": found[1]}


def resnet() -> Iterator[Row]:
    """RN50: 50 crops, one after the other through open_clip's model as the authors do, and here."""
    import torch

    from tests.factories import FULL_SIZES, openai_model
    from zsris_viz.models import load_clip

    model = openai_model(0, **FULL_SIZES["RN50"])
    crops = 2 if SMALL else 50
    pixels = torch.randn(crops, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    plain, _ = best(lambda: [model.encode_image(crop[None]).detach() for crop in pixels], 1, warm_up=False)
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        clip = load_clip(model.state_dict(), kind="openai", device="cpu", dtype=dtype)
        yield row(f"RN50, {crops} crops, {name}", best(lambda clip=clip: clip.embed_images(pixels)), plain)


def global_local() -> Iterator[Row]:
    """Global-Local CLIP with ViT-B/32, 50 masks and 3 expressions of three references."""
    from tests.benchmarks import bench_methods as bench

    model = bench.openai_model(0, **bench.SHAPE)
    image, masks = bench.scene_of(0, masks=2 if SMALL else 50, size=(480, 640))
    pairs = bench.EXPRESSIONS[:3]
    clips = {
        name: bench.load_clip(model.state_dict(), kind="openai", device="cpu", dtype=dtype)
        for name, dtype in bench.DTYPES.items()
    }

    def tokenize(text: str) -> Any:
        return clips["fp32"].tokenize(text, length=77).ids  # type: ignore[attr-defined]

    plain, _ = best(
        lambda: bench.rank_references(model, tokenize, image, masks, [[pair] for pair in pairs]), 1, warm_up=False
    )
    for name, clip in clips.items():
        found = best(lambda clip=clip: bench.ours(clip, image, masks, pairs))
        yield row(f"Global-Local CLIP, ViT-B/32, {len(masks)} masks, 3 expressions, {name}", found, plain)


def memory(masks: int) -> Iterator[Row]:
    """The same from a file of weights, in a process that imports nothing else."""
    import numpy as np
    import torch
    from PIL import Image

    start, began = time.process_time(), time.perf_counter()
    import zsris_viz.methods.base  # noqa: F401 - the floor of the memory: what is imported

    floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    from zsris_viz.methods import SceneFeatures, get_method
    from zsris_viz.models import load_clip

    clip = load_clip(os.environ["WEIGHTS"], kind="openai", device="cpu")
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:480, :640]
    regions = torch.zeros(2 if SMALL else masks, 480, 640, dtype=torch.bool)
    for region in regions:  # ellipses
        x, y, a, b = rng.uniform((64, 48, 40, 30), (576, 432, 256, 192))
        region[:] = torch.from_numpy(((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 < 1)
    picture = Image.fromarray(rng.integers(0, 256, (480, 640, 3), dtype=np.uint8))
    scene, method = SceneFeatures(picture, regions, clip), get_method("global-local", "official")
    for sentence, phrase in (("the left cat", "the left cat"), ("man in red", "man"), ("second zebra", "second zebra")):
        method.predict(scene, sentence, noun_phrase=phrase)
    found = (time.process_time() - start, time.perf_counter() - began)
    name = f"Global-Local CLIP, ViT-B/32, {len(regions)} masks, from a file of fp32 weights"
    yield row(f"{name} (imports alone: {floor:.0f} MB)", found)


def gem() -> Iterator[Row]:
    """GEM's attention of unit vectors to themselves: the softmax written out, and here."""
    import torch
    import torch.nn.functional as F

    from zsris_viz.models.products import unit_attention

    unit = F.normalize(torch.randn(1, 12, 785, 64, generator=torch.Generator().manual_seed(0)), dim=-1)
    scale = torch.full((1, 1, 1, 1), 3.0)

    def written_out() -> None:
        (unit * scale @ unit.transpose(-1, -2)).softmax(dim=-1) @ unit

    def fused_kernel() -> None:
        F.scaled_dot_product_attention(unit * scale, unit, unit, scale=1.0)

    with torch.inference_mode():
        plain, _ = best(written_out, 10)
        fused, _ = best(fused_kernel, 10)
        found = best(lambda: unit_attention(unit, unit, scale), 10)
    yield row("self-self attention, 785 tokens, 12 heads; plain: softmax written out", found, plain)
    yield row("the same; plain: torch's fused kernel", found, fused)


def per_image(images: int = 10) -> Iterator[Row]:
    """CoPatch, HybridGL and TAS on drawn scenes with their objects as proposals, for one image."""
    from zsris_viz.evaluation import evaluate
    from zsris_viz.models import load_clip

    images = 2 if SMALL else images
    scenes, options = _scenes(images)
    for name in ("copatch", "hybridgl", "tas"):
        cpu, wall = best(lambda name=name: evaluate(scenes, name, **options))
        yield row(f"{name} on the miniature, one image", (cpu / images, wall / images))
    options["clip"] = load_clip("miniature", dtype="bfloat16")
    cpu, wall = best(lambda: evaluate(scenes, "copatch", **options))
    yield row("copatch on the miniature, one image, bf16", (cpu / images, wall / images))


def many_images(images: int = 100) -> Iterator[Row]:
    """All methods that the miniature serves on 100 drawn scenes."""
    from zsris_viz.evaluation import evaluate
    from zsris_viz.methods import method_class, method_names

    images = 2 if SMALL else images
    scenes, options = _scenes(images)
    names = [name for name in method_names() if method_class(name).info.accepts(options["clip"])]
    evaluate("scenes", names, limit=1, **options)  # loads weights and the parser
    start, began = time.process_time(), time.perf_counter()
    evaluate(scenes, names, **options)
    found = (time.process_time() - start, time.perf_counter() - began)
    yield row(f"{len(names)} methods on {images} scenes", found)


def _scenes(images: int) -> tuple[Any, dict[str, Any]]:
    from zsris_viz.datasets import load_dataset
    from zsris_viz.models import load_clip
    from zsris_viz.proposals import load_proposals

    options = {"clip": load_clip("miniature"), "proposals": load_proposals("ground-truth")}
    return load_dataset("scenes", "val", limit=images), options | {"progress": False, "reuse": False}


def overlap_filter() -> Iterator[Row]:
    """The overlap filter on a photograph of 12 megapixels with 200 masks, objects and their parts."""
    import numpy as np
    from PIL import Image

    from zsris_viz.masks import Masks
    from zsris_viz.proposals.base import Proposer
    from zsris_viz.proposals.filtered import Filtered

    class Boxes(Proposer):
        """Propose 20 boxes with nine parts each."""

        name = "boxes"
        settings: dict[str, Any] = {}  # noqa: RUF012

        def propose(self, image: Any) -> Masks:
            data = np.zeros((200, image.height, image.width), dtype=bool)
            for number, mask in enumerate(data):
                height, width = image.height // 4, image.width // 5
                top, left = number // 10 // 5 * height, number // 10 % 5 * width
                share = 1 if number % 10 == 0 else 2 + number % 3
                mask[top : top + height // share, left : left + width // share] = True
            return Masks.from_arrays(data)

    start, began = time.process_time(), time.perf_counter()
    kept = Filtered(Boxes()).propose(Image.new("RGB", (4000, 3000)))
    found = (time.process_time() - start, time.perf_counter() - began)
    yield row(f"overlap filter, 12 MP, {len(kept)} of 200 masks kept", found)


def start_up() -> Iterator[Row]:
    """Processes from their start to their end; what `zsris segment` adds to its floor is its own."""
    commands = {
        "import zsris_viz": "import zsris_viz",
        "zsris --help": "import sys; sys.argv = ['zsris', '--help']; from zsris_viz.cli import main; main()",
        "floor: torch and CLIPModel": "import torch; from transformers import CLIPModel",
        "zsris segment": "import sys; sys.argv = ['zsris', 'segment', sys.argv[1], 'the red car']\n"
        "from zsris_viz.cli import main; main()",
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.png"
        subprocess.run([sys.executable, "-c", DRAW, str(path)], check=True)
        for name, script in commands.items():
            found = [_process([sys.executable, "-c", script, str(path)]) for _ in range(1 if SMALL else 3)]
            cpu, wall, peak = (min(values) for values in zip(*found, strict=True))
            yield row(name, (cpu, wall)) | {"peak": peak}


DRAW = "import sys; from zsris_viz import load_dataset; load_dataset('scenes', 'val')[0].image.save(sys.argv[1])"
CASES: dict[str, Callable[[], Iterator[Row]]] = {
    "resnet": resnet,
    "global-local": global_local,
    "memory-50": lambda: memory(50),
    "memory-200": lambda: memory(200),
    "gem": gem,
    "per-image": per_image,
    "many-images": many_images,
    "overlap-filter": overlap_filter,
    "start": start_up,
}


def _process(command: list[str], **options: Any) -> tuple[float, float, float]:
    """Return CPU seconds, wall seconds and peak MB of a process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)[:200]} ended with status {status}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - began, usage.ru_maxrss / 1024


def run_case(name: str, threads: int | None) -> None:
    """Run one case in this process and print a row of JSON for each figure."""
    if name != "start":
        import torch

        if threads:
            torch.set_num_threads(threads)
    for found in CASES[name]():
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"peak": peak} | found), flush=True)


def rows_of(name: str, root: Path, threads: int | None, environment: dict[str, str]) -> list[Row] | str:
    """Return the rows of a case in a process with the package of a checkout, or the last line of its error."""
    command = [sys.executable, "-W", "ignore", str(Path(__file__).resolve()), name, "--here"]
    command += ["--threads", str(threads)] if threads else []
    # The figures of `start` are processes of their own, which take the package from PYTHONPATH too.
    shared = environment | {"PYTHONPATH": str(root)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=shared)
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def markdown(found: Row, before: Row | None, case: str) -> str:
    """Return a row of the table."""
    old = before or {}
    cells = [
        found["name"],
        *(_cell(value, ".3f") for value in (found["plain"], old.get("cpu"), found["cpu"], found["wall"])),
        *(_cell(value, ".0f") for value in (old.get("peak"), found["peak"])),
        *(_cell(value and value / found["cpu"], ".1f") for value in (found["plain"], old.get("cpu"))),
        case,
    ]
    return f"| {' | '.join(cells)} |"


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def save_weights(path: Path) -> None:
    """Save a ViT-B/32 with random weights in OpenAI's layout, in a process of its own."""
    script = (
        "import sys, torch; from tests.benchmarks.bench_methods import SHAPE, openai_model\n"
        "torch.save(openai_model(0, **SHAPE).state_dict(), sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, cwd=ROOT)


def main() -> None:
    """Run the cases one after the other and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"some of {', '.join(CASES)}; none stands for all")
    parser.add_argument("--threads", type=int, help="torch threads; default: torch's own choice")
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="another checkout, to compare with")
    parser.add_argument("--small", action="store_true", help="run every case with little work, to see that it runs")
    parser.add_argument("--here", action="store_true", help="run one case in this process and print JSON")
    options = parser.parse_args()
    unknown = [name for name in options.cases if name not in CASES]
    if unknown:
        parser.error(f"{', '.join(unknown)} is unknown; use some of {', '.join(CASES)}")
    if options.here:
        run_case(options.cases[0], options.threads)
        return
    print(HEAD, flush=True)
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pt"
        environment = os.environ | {"WEIGHTS": str(weights)} | ({"SMALL_BENCHMARKS": "1"} if options.small else {})
        for name in options.cases or CASES:
            if name.startswith("memory") and not weights.exists():
                save_weights(weights)
            earlier = rows_of(name, options.before.resolve(), options.threads, environment) if options.before else []
            before = {} if isinstance(earlier, str) else {found["name"]: found for found in earlier}
            rows = rows_of(name, ROOT, options.threads, environment)
            if isinstance(rows, str):
                failed.append(name)
                print(f"| {name} failed: {rows} {'| ' * 9}|", flush=True)
                continue
            for number, found in enumerate(rows):
                same = before.get(found["name"], earlier[number] if len(earlier) == len(rows) else None)
                print(markdown(found, same if isinstance(same, dict) else None, name), flush=True)
    print("\nOne case: python -m tests.benchmarks.table CASE")
    if hasattr(os, "getloadavg"):
        print(f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    if failed:
        raise SystemExit(f"These cases failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
