"""The miniature captioner as it is shipped: small, unchanged since its card, and of use on held-out scenes."""

import pytest

from zsris_viz.captioning import load_captioner
from zsris_viz.io.hashing import file_hash
from zsris_viz.miniature import WEIGHTS
from zsris_viz.miniature.training.git_model import tokens
from zsris_viz.miniature.training.measure_git import measure

FOLDER = WEIGHTS / "git"


def test_files():
    assert {"config.json", "model.safetensors", "vocab.txt", "processor_config.json", "README.md", "training.csv"} <= {
        path.name for path in FOLDER.iterdir()
    }
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2_000_000
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in FOLDER.iterdir())
    assert file_hash(FOLDER / "model.safetensors") in (FOLDER / "README.md").read_text()
    assert (FOLDER / "vocab.txt").read_text().split("\n")[:-1] == tokens()


@pytest.fixture(scope="module")
def captioner():
    return load_captioner("miniature", cache=False, device="cpu")


def test_it_names_what_it_sees(captioner):
    """A few scenes of a split that the card is not measured on; the card's own figures need hundreds."""
    figures = measure(captioner, count=10, splits=("testA",))["splits"]["testA"]
    assert figures["blur noun"] >= 80 and figures["blur colour"] >= 85


def test_it_is_git(captioner):
    assert captioner.kind == "git" and captioner.name == "miniature"
    assert type(captioner.model).__name__ == "GitForCausalLM"
