"""The package's imports as a graph, read from the syntax trees; `python -m tests.import_graph` prints it by floors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "zsris_viz"
# From the ground up; a module may import from its own floor and from those below.
FLOORS = (
    (
        "errors",
        "registry",
        "io",
        "masks",
        "mask_arrays",
        "mask_io",
        "images",
        "resampling",
        "latex",
        "notebook_display",
        "provenance",
    ),
    ("models", "language"),
    ("datasets", "proposals", "captioning"),
    ("methods", "probes"),
    ("figures",),
    ("outputs",),
    ("evaluation", "segmentation"),
    ("papers",),
    ("explorers", "reproduce", "testing", "doctor"),
    ("cli",),
)
# The miniature stands in for data and weights: its world is a dataset, its training uses everything.
INNER_FLOORS = {"miniature": 0, "miniature.world": 2, "miniature.training": 7}


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path], *, at_import: bool) -> Iterator[str]:
    """Yield the package's modules that a file imports, without those that only type checkers see.

    Args:
        path: The file.
        known: All modules.
        at_import: Only what is imported when the file is, not inside functions.
    """
    for node in _statements(ast.parse(path.read_text(encoding="utf-8")), at_import):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
            homes = lazy_names(node.module, known)
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield homes.get(alias.name) or (inner if inner in known else node.module)


def lazy_names(package: str, known: dict[str, Path]) -> dict[str, str]:
    """Return name -> module for the names that a package imports on first use, as its stub lists them."""
    stub = known[package].with_suffix(".pyi")
    if not stub.is_file():
        return {}
    steps = [node for node in ast.parse(stub.read_text()).body if isinstance(node, ast.ImportFrom)]
    found = {alias.name: f"{package}.{node.module}" for node in steps for alias in node.names}
    return {name: lazy_names(home, known).get(name, home) for name, home in found.items()}


def _statements(node: ast.AST, at_import: bool) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if at_import and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(child, ast.stmt):
            yield child
        yield from _statements(child, at_import)


def graph(*, at_import: bool) -> dict[str, set[str]]:
    """Return module -> modules that it imports."""
    known = modules()
    return {name: set(imports(path, known, at_import=at_import)) - {name} for name, path in known.items()}


def floor(module: str) -> int | None:
    """Return the floor of a module, from 0; None for the package itself."""
    inner = module.removeprefix(f"{PACKAGE}.")
    if inner == PACKAGE:
        return None
    if inner.startswith("miniature"):
        return INNER_FLOORS.get(".".join(inner.split(".")[:2]), INNER_FLOORS["miniature"])
    package = inner.split(".")[0]
    return next((number for number, packages in enumerate(FLOORS) if package in packages), None)


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Return the circles: strongly connected groups of more than one module, by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(edges[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = [stack.pop()]
            while group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def upward(edges: dict[str, set[str]]) -> list[str]:
    """Return the imports that lead from a floor to a higher one."""
    wrong = []
    for name, targets in sorted(edges.items()):
        here = floor(name)
        for target in sorted(targets):
            there = floor(target)
            if here is not None and there is not None and there > here:
                wrong.append(f"{name} (floor {here}) -> {target} (floor {there})")
    return wrong


def print_graph() -> None:
    """Print the floors with their subpackages, and how many imports lead from one to another."""
    counts: dict[tuple[str, str], int] = {}
    for name, targets in graph(at_import=False).items():
        for target in targets:
            packages = tuple((*part.split("."), "")[1] or PACKAGE for part in (name, target))
            if packages[0] != packages[1]:
                counts[packages[0], packages[1]] = counts.get((packages[0], packages[1]), 0) + 1
    for number, packages in reversed(list(enumerate(FLOORS))):
        print(f"floor {number}: {', '.join(packages)}")
    for (here, there), count in sorted(counts.items()):
        print(f"{here} -> {there}: {count}")


if __name__ == "__main__":
    print_graph()
