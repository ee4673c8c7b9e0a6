"""Command-line options that every training with the shared loop has."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_loop_options(
    parser: argparse.ArgumentParser, *, run: Path | None, unit: str, total: int, decay: int, batch: int, threads: int
) -> None:
    """Add the options of :class:`~zsris_viz.miniature.training.training_loop.TrainingLoop` to a command.

    Args:
        parser: The command.
        run: Default folder of the run; None for `runs/` and the name of the model.
        unit: What a batch consists of, in the plural; it names the option for the length of the training.
        total: Default number of examples of the whole training.
        decay: Default length of the decay in per cent of the training.
        batch: Default number of examples in a batch.
        threads: Default number of threads of PyTorch.
    """
    default = "runs/<model>" if run is None else str(run)
    parser.add_argument("--run", type=Path, default=run, help=f"folder for weights, checkpoint and log ({default})")
    parser.add_argument(f"--{unit}", type=int, default=total, help=f"{unit} of the whole training ({total:,})")
    parser.add_argument("--decay", type=int, help=f"{unit} of the decay at the end ({decay} %% of all)")
    parser.add_argument("--batch", type=int, default=batch, help=f"{unit} in a batch ({batch})")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights and of the batches (0)")
    parser.add_argument("--peak", type=float, default=8e-4, help="constant learning rate (8e-4)")
    parser.add_argument("--bf16", action="store_true", help="bfloat16; for GPUs, and CPUs with avx512_bf16 or AMX")
    parser.add_argument("--threads", type=int, default=threads, help=f"threads of PyTorch ({threads})")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw batches (1)")
    parser.set_defaults(unit=unit, decay_percent=decay)


def loop_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the parsed options as arguments of a function `train`, with the default length of the decay."""
    total = getattr(arguments, arguments.unit)
    return {
        arguments.unit: total,
        "decay": total * arguments.decay_percent // 100 if arguments.decay is None else arguments.decay,
        "batch_size": arguments.batch,
        "seed": arguments.seed,
        "peak": arguments.peak,
        "bf16": arguments.bf16,
        "threads": arguments.threads,
        "workers": arguments.workers,
    }
