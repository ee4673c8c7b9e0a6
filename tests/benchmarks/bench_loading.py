"""Peak memory and CPU seconds of `load_clip`, in a fresh process for each format, beside the size of the weights.

    python tests/benchmarks/bench_loading.py

ViT-B/32 with random weights: as a TorchScript archive in fp16 (OpenAI's format), as a state dict in fp32, and as a
Hugging Face folder in fp32. The peak is the process's largest resident set less that after the imports. Nothing here is
a test: the figures depend on the machine.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write(form: str, path: Path) -> None:
    """Write the model in a format; in a process of its own, whose memory does not count."""
    import torch
    from open_clip.model import CLIP

    from tests.factories import FULL_SIZES, openai_model

    model = openai_model(0, **FULL_SIZES["ViT-B/32"])
    if form == "archive":
        inputs = {"encode_image": torch.zeros(1, 3, 224, 224), "encode_text": torch.zeros(1, 77, dtype=torch.long)}
        torch.jit.trace_module(model, inputs, check_trace=False).half().save(str(path))
    elif form == "state dict":
        torch.save(model.state_dict(), path)
    else:
        assert isinstance(model, CLIP)
        from transformers import CLIPModel

        from zsris_viz.models import load_clip

        clip: Any = load_clip(model.state_dict(), kind="openai", device="cpu")
        whole = CLIPModel(clip.model.config)
        whole.load_state_dict(clip.model.state_dict())
        whole.save_pretrained(path)


def load(path: Path) -> None:
    """Load the file and print what it took."""

    from zsris_viz.models import load_clip

    before, start = peak_mb(), time.process_time()
    clip: Any = load_clip(path, kind="openai" if path.is_file() else None, device="cpu")
    weights = sum(value.numel() * value.element_size() for value in clip.model.state_dict().values()) / 2**20
    figures = {"weights_mb": weights, "peak_mb": peak_mb() - before, "cpu_s": time.process_time() - start}
    print(json.dumps({name: round(value, 1) for name, value in figures.items()}))


def main() -> None:
    warnings.simplefilter("ignore")
    if len(sys.argv) == 4:
        write(sys.argv[2], Path(sys.argv[3]))
        return
    if len(sys.argv) == 3:
        load(Path(sys.argv[2]))
        return
    for form in ("archive", "state dict", "folder"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.pt"
            subprocess.run([sys.executable, __file__, "write", form, str(path)], check=True, capture_output=True)
            done = subprocess.run(
                [sys.executable, __file__, "load", str(path)], check=True, capture_output=True, text=True
            )
            print(f"{form}: {done.stdout.strip().splitlines()[-1]}")


if __name__ == "__main__":
    main()
