"""A photograph of 12 megapixels in every explorer, in a process of its own, whose peak of memory is measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.bench_photograph import photograph

SCRIPT = """
import resource, sys, warnings
from zsris_viz.explorers import ExplorerPage
from zsris_viz.explorers.base import Explorer
warnings.simplefilter("ignore")
page = ExplorerPage(sys.argv[1], "the red patch", proposals="felzenszwalb", addressed=True)
for tab in range(4):
    page.tabs.selected_index = tab
    explorer = page.explorer(tab)
    assert isinstance(explorer, Explorer), page.tabs.children[tab].children[0].value
    explorer.board.send_event("save", format="png")
print(len(explorer.state.scene), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.slow
def test_a_photograph_of_twelve_megapixels_in_every_explorer(tmp_path: Path) -> None:
    path = tmp_path / "photograph.jpg"
    photograph(path)
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=True)
    regions, megabytes = done.stdout.split()
    assert int(regions) == 80 and float(megabytes) < 1500, done.stdout
