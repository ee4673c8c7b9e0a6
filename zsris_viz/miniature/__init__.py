"""Stand-ins for published data and weights: a drawn world, small models and their training."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from zsris_viz.errors import UnavailableError

#: The folder of the built-in models: "clip", "clip-rn", "git", "parser", "risclip" and "sam", each with its card.
WEIGHTS = Path(__file__).parent / "weights"


def import_training(module: str) -> ModuleType:
    """Import a module of `zsris_viz.miniature.training`, which an installed wheel leaves out.

    Args:
        module: Its name, for example "train_clip".

    Raises:
        UnavailableError: The package was installed from a wheel.
    """
    if find_spec(f"{__name__}.training") is None:
        raise UnavailableError(
            "Training and measuring the built-in models need the source of zsris_viz, which a wheel does not contain; "
            "clone the repository and run `make env` there."
        )
    return import_module(f"{__name__}.training.{module}")
