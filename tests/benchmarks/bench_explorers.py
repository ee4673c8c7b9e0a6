"""Milliseconds from an action in the browser to the picture that answers it.

    python tests/benchmarks/bench_explorers.py      # the miniature, and random weights in ViT-B/16's shape
    python tests/benchmarks/bench_explorers.py --models miniature --output bench.json

`zsris explore` serves the page, a headless Chromium shows a drawn scene with its objects as proposals. Sliders and the
mouse are answered in the page, a click on a patch and another expression by the kernel. Times are the browser's, from
the event to the frame in which everything is drawn; they contain the wait for the next frame, up to 17 ms at 60 Hz.
"Script" is the time of the page's own script for that event and that frame. "Scrubbing" moves the slider in every
frame and gives the time from one frame to the next, each with its new picture: 16.7 ms are 60 frames a second, which
the browser does not exceed. The first picture is measured from the start of the command, the start of the browser
included. Nothing here is a test: the figures depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.browser.servers import browser_page, explore

WORDS = ("red", "green", "blue", "black", "white", "yellow", "orange", "purple", "brown", "pink")
MODELS = {"miniature": "miniature", "b16": "random ViT-B/16"}
#: Waits for the frame in which the answer is drawn; returns the milliseconds since the action, and those of the script.
MEASURE = """async ([selector, action, step]) => {
    const board = document.querySelector(selector);
    const state = () => action === "click" ? board.dataset.version : board.dataset.frames;
    const before = state(), start = performance.now();
    let script = 0;
    if (action === "slider") {
        const input = board.querySelector("input[type=range]");
        input.value = Number(input.min) + (step % (Number(input.max) - Number(input.min) + 1));
        input.dispatchEvent(new Event("input"));
    } else {
        const frame = board.querySelector(".zsris-frame[role=application]:has(canvas:not([hidden]))");
        const box = frame.getBoundingClientRect();
        const place = {
            clientX: box.left + box.width * ((0.37 * step) % 1), clientY: box.top + box.height * ((0.61 * step) % 1)
        };
        frame.dispatchEvent(new PointerEvent(action === "hover" ? "pointermove" : "click", {bubbles: true, ...place}));
    }
    script = performance.now() - start;
    while (state() === before) await new Promise(requestAnimationFrame);
    script += Number(board.dataset.frame);
    await new Promise(requestAnimationFrame);
    return [performance.now() - start, script];
}"""

#: Moves the slider in each of `rounds` frames; returns the milliseconds between frames and the number of new pictures.
SCRUB = """async ([selector, rounds]) => {
    const board = document.querySelector(selector), input = board.querySelector("input[type=range]");
    const first = Number(input.min), count = Number(input.max) - first + 1;
    const drawn = () => Number(board.dataset.frames), before = drawn(), waits = [];
    let last = await new Promise(requestAnimationFrame);
    for (let step = 1; step <= rounds; step++) {
        input.value = first + (step % count);
        input.dispatchEvent(new Event("input"));
        const now = await new Promise(requestAnimationFrame);
        waits.push(now - last);
        last = now;
    }
    await new Promise(requestAnimationFrame);
    return [waits, drawn() - before];
}"""


def summary(values: list[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    return {"n": len(values), "median": statistics.median(values), "p95": statistics.quantiles(values, n=20)[-1]}


def typed(page: Any, board: str, text: str) -> float:
    """Milliseconds from Enter to the frame with the new expression."""
    box = page.locator(".zsris-layers input[type=text]").first
    box.fill(text)
    page.evaluate(
        """([selector, before]) => {
            window.answered = new Promise((resolve) => {
                let start = 0;
                addEventListener("keydown", () => (start = performance.now()), {once: true, capture: true});
                const look = () => document.querySelector(selector).dataset.version === before
                    ? requestAnimationFrame(look)
                    : requestAnimationFrame(() => resolve(performance.now() - start));
                look();
            });
        }""",
        [board, page.locator(board).get_attribute("data-version")],
    )
    box.press("Enter")
    return float(page.evaluate("window.answered"))


def measure(rounds: int, folder: Path, *words: str) -> dict[str, Any]:
    """All figures for one model."""
    found: dict[str, Any] = {}
    started = time.monotonic()
    with explore(folder, *words) as (address, _, _), browser_page(folder / "failed.png") as page:
        page.goto(address, wait_until="commit")
        page.locator(".zsris-layers .zsris-frame canvas").first.wait_for(state="attached")
        found["first picture, seconds"] = time.monotonic() - started
        page.wait_for_load_state("networkidle")
        layers, attention = ".zsris-layers .zsris-board", ".zsris-attention .zsris-board"
        texts = [f"the {WORDS[i % len(WORDS)]} thing {i}" for i in range(rounds)]

        def act(board: str, action: str) -> None:
            waits, scripts = zip(
                *(page.evaluate(MEASURE, [board, action, 1 + step]) for step in range(rounds)), strict=True
            )
            found[action] = summary(list(waits))
            if action != "click":  # whose answer comes from the kernel
                found[f"{action}, script"] = summary(list(scripts))

        act(layers, "slider")
        waits, drawn = page.evaluate(SCRUB, [layers, rounds])
        found["scrubbing, a frame"] = summary(waits) | {"drawn": drawn}
        found["new expression"] = summary([typed(page, layers, text) for text in texts])
        page.get_by_role("tab", name="Attention").click()
        page.locator(".zsris-attention .zsris-frame canvas").first.wait_for(state="attached")
        page.wait_for_load_state("networkidle")
        act(attention, "hover")
        act(attention, "click")
    return found


def save_b16(folder: Path) -> None:
    """Save a model of the size of CLIP ViT-B/16 with random weights, as a folder that `load_clip` reads."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    vision = {"patch_size": 16}  # everything else is the default of the library: a ViT-B with CLIP's text tower
    CLIPModel(CLIPConfig(vision_config=vision)).save_pretrained(folder)


def main() -> None:
    """Run everything, print it and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    parser.add_argument("--rounds", type=int, default=30, help="actions of each kind")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="towers to measure")
    options = parser.parse_args()
    report: dict[str, Any] = {}
    for model in options.models:
        clip = MODELS[model]
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "weights"
            if model == "b16":
                save_b16(weights)
            report[clip] = measure(options.rounds, Path(folder), "--clip", str(weights) if model == "b16" else clip)
        for name, row in report[clip].items():
            shown = f"{row:8.1f}" if isinstance(row, float) else f"median {row['median']:8.1f}   95 % {row['p95']:8.1f}"
            print(f"{clip:<24} {name:<24} {shown}", flush=True)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"load of the machine: {load:.1f} on {os.cpu_count()} cores")
    if options.output:
        options.output.write_text(json.dumps(report | {"load": load}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
