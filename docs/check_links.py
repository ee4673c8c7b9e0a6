"""Follow every local link of a folder of HTML pages, with its fragment, and list those that lead nowhere.

    python docs/check_links.py docs/_build/html

Links to other hosts are counted, not followed: nothing is downloaded.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page, and the names that a fragment can lead to.

    Args:
        path: An HTML file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what a tag brings."""
        for key, value in attrs:
            if value and key in ("href", "src"):
                self.links.append(value)
            elif value and key in ("id", "name"):
                self.names.add(value)


def broken_links(folder: Path) -> tuple[list[str], str]:
    """Return the broken local links of all pages, and a sentence with the numbers of pages and links.

    Args:
        folder: Folder of HTML pages. Templates of the theme in `_static` are left out.
    """
    files = [path.resolve() for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts]
    pages = {path: Page(path) for path in files}
    broken, local, other = [], 0, 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                other += 1
                continue
            local += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            # The pages of source code link back by the name in the module that was documented last: the page is right.
            named = not parts.fragment or target not in pages or "_modules" in path.parts
            if not target.is_file() or not (named or {parts.fragment, unquote(parts.fragment)} & pages[target].names):
                broken.append(f"{path.relative_to(folder.resolve())}: {link}")
    return broken, f"{len(pages)} pages, {local} local links, {len(broken)} broken; {other} links to other hosts"


if __name__ == "__main__":
    found, summary = broken_links(Path(sys.argv[1]))
    print("\n".join([*found, summary]))
    sys.exit(bool(found))
