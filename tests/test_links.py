"""Every local link of the README and of the other pages leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("zsris_viz/miniature/weights/**/*.md")])
# Written while the book is built.
GENERATED = ("chapters/", "gallery/", "reference/generated/", "reference/subpackages/", "_build/")
GENERATED = tuple(f"docs/{folder}" for folder in GENERATED)
PAGES = [page for page in PAGES if not page.relative_to(ROOT).as_posix().startswith(GENERATED)]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ +(.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_local_links(page: Path) -> None:
    broken = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page if not name else (page.parent / name).resolve()
        generated = target.is_relative_to(ROOT) and target.relative_to(ROOT).as_posix().startswith(GENERATED)
        if generated or target == ROOT / "docs/reference/cli.md":
            continue
        if not target.exists():
            broken.append(f"{link}: there is no such file")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            broken.append(f"{link}: there is no such heading")
    assert not broken


def test_chapters_exist_as_notebooks() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    named = re.findall(r":link: chapters/(\w+)", index)
    assert named and all((ROOT / "notebooks" / f"{name}.ipynb").is_file() for name in named)
