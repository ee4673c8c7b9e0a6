"""The log of a training: a CSV file and event files for TensorBoard."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from zsris_viz.io.atomic import translate_os_errors
from zsris_viz.io.training_state import write_checkpoint

COLUMNS = (
    "step", "stage", "loss", "contrast", "bce", "rate", "expressions", "seconds", "val_map_miou", "val_miou",
)  # fmt: skip
CONTINUE = "Run the same command again: it continues from the last checkpoint."


class TrainingLog:
    """Rows of a training, written to `training.csv` and to `tensorboard/`.

    A resumed run keeps the rows up to its checkpoint. Later rows are replaced when their steps are repeated.

    Args:
        folder: Folder of the run.
        rows: Rows in the checkpoint, one mapping of column names to values for each; None for a new run.
        tensorboard: Whether event files are written too.
        write: Whether files are written at all; of several processes only the first one writes.
    """

    def __init__(
        self, folder: Path, rows: list[dict[str, Any]] | None = None, *, tensorboard: bool = True, write: bool = True
    ) -> None:
        self.path = folder / "training.csv"
        self.rows: list[dict[str, Any]] = list(rows or [])
        self._write = write
        self._events: Any = None
        if not write:
            return
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fieldnames=COLUMNS)
        writer.writeheader()
        writer.writerows(self.rows)
        write_checkpoint(self.path, text.getvalue().encode(), "The training log")
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            after = self.rows[-1]["step"] + 1 if self.rows else 0
            self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=after)

    def add(self, row: dict[str, Any]) -> None:
        """Append a row to the log.

        Args:
            row: Values by column name. "step" and "stage" are required; every other column may be missing, and names
                that are not columns are ignored.

        Raises:
            UnavailableError: The file cannot be written.
        """
        known = {name: row[name] for name in COLUMNS if name in row}
        self.rows.append(known)
        if not self._write:
            return
        with (
            translate_os_errors(f"The training log {self.path} could not be continued", CONTINUE),
            self.path.open("a", newline="") as file,
        ):
            csv.DictWriter(file, fieldnames=COLUMNS).writerow(known)
        if self._events is not None:
            for name, value in known.items():
                if name not in ("step", "stage", "seconds"):
                    self._events.add_scalar(name, value, known["step"])

    def close(self) -> None:
        """Write the remaining events and close the event file."""
        if self._events is not None:
            self._events.close()
