"""A hash of code that changes when what the code does may change, and not when a comment or a docstring does."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def code_hash(folder: Path = PACKAGE, *, exclude: Iterable[str] = (), exclude_suffixes: Iterable[str] = ()) -> str:
    """Return a hash over all files below a folder: Python files by their syntax tree, others by their bytes.

    Hidden files and `__pycache__` do not count. Files are read in the order of their names.

    Args:
        folder: Folder to read; by default this package.
        exclude: Files and folders below `folder` that do not count, such as "cli" or "miniature/training".
        exclude_suffixes: Endings of files that do not count, such as ".pt".

    Returns:
        64 hexadecimal digits, which may differ between versions of Python.
    """
    digest = hashlib.sha256()
    excluded = [tuple(name.split("/")) for name in exclude]
    suffixes = tuple(exclude_suffixes)
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if hidden or path.suffix in suffixes or any(parts[: len(name)] == name for name in excluded):
            continue
        if path.is_file():
            content = file_content(path)
            digest.update(f"{'/'.join(parts)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def file_content(path: Path) -> bytes:
    """Return the bytes of a file, or for Python its syntax tree without docstrings, comments and layout."""
    content = path.read_bytes()
    if path.suffix != ".py":
        return content
    try:
        return syntax(content.decode())
    except (SyntaxError, UnicodeDecodeError, ValueError):
        return content


def syntax(source: str) -> bytes:
    """Return the syntax tree of Python source as text, without statements that are only a string.

    Example:
        >>> syntax('def f():\\n    "Return 1."\\n    return 1  # one') == syntax("def f(): return 1")
        True
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [step for step in body if not _is_string(step)]  # type: ignore[attr-defined]
    return ast.dump(tree).encode()


def _is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
