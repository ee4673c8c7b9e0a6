"""Loading of the spaCy pipeline for the parser: an installed English pipeline, or the one in this package."""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsris_viz.errors import InvalidInputError, UnavailableError, ZsrisWarning
from zsris_viz.miniature import WEIGHTS

if TYPE_CHECKING:
    from spacy.language import Language

#: Installed pipelines that are preferred, best first.
PREFERRED = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")
BUILTIN = "builtin"
BUILTIN_FOLDER = WEIGHTS / "parser"


def available_models() -> list[str]:
    """Return the names that :func:`load_pipeline` accepts on this machine, in the order of preference."""
    import spacy.util

    return [name for name in PREFERRED if spacy.util.is_package(name)] + [BUILTIN]


@lru_cache(maxsize=4)
def load_pipeline(name: str | None = None) -> tuple[str, Language]:
    """Return the name of a spaCy pipeline that parses English, and the pipeline itself.

    Each pipeline is loaded once per process.

    Args:
        name: An installed `en_core_web_*` package, "builtin", or the folder of a pipeline; None for the first of
            en_core_web_lg, en_core_web_md, en_core_web_sm that is installed and fits the installed spaCy, else
            "builtin".

    Raises:
        InvalidInputError: If there is no such pipeline.
        UnavailableError: If the pipeline is not installed, was made for another version of spaCy, does not parse, or is
            damaged. With None, an installed pipeline of another version is skipped with a ZsrisWarning.
    """
    if name is None:
        for candidate in available_models():
            try:
                return candidate, _load(candidate)
            except UnavailableError as error:
                if candidate == BUILTIN:
                    raise
                warnings.warn(f"{error} Going on without it.", ZsrisWarning, stacklevel=2)
    if not isinstance(name, str) or not name.strip():
        raise InvalidInputError(
            f"parser model {name!r} is no name; give one of {', '.join((*PREFERRED, BUILTIN))}, or a pipeline's folder."
        )
    return name, _load(name)


def _load(name: str) -> Language:
    import spacy.util

    if name == BUILTIN:
        source: Any = BUILTIN_FOLDER
        if not (source / "meta.json").is_file():
            raise UnavailableError(
                f"the built-in parser is missing from {source}; install the package again, or train it: "
                "python -m zsris_viz.miniature train parser --treebank FOLDER"
            )
    elif Path(name, "meta.json").is_file():
        source = Path(name)
    elif spacy.util.is_package(name):
        source = name
    elif name in PREFERRED or name.startswith("en_core_web"):
        raise UnavailableError(
            f"the pipeline {name} is not installed; run: python -m spacy download {name}, or use "
            f"load_parser('{BUILTIN}'), which needs no download."
        )
    else:
        raise InvalidInputError(
            f"there is no parser model {name!r}; give one of {', '.join((*PREFERRED, BUILTIN))}, or the folder of a "
            "spaCy pipeline."
        )
    _check_version(name, source)
    return _read(name, source)


def _check_version(name: str, source: Any) -> None:
    """Check that a pipeline fits the installed spaCy, before its weights raise an error that is hard to understand."""
    import spacy
    import spacy.util

    folder = source if isinstance(source, Path) else spacy.util.get_package_path(source)
    found = sorted(Path(folder).glob("**/meta.json"))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\[W095\]")  # spaCy only warns; the version is checked below
        meta = spacy.util.load_meta(found[0]) if found else {}
    wanted = meta.get("spacy_version", "")
    if wanted and spacy.util.is_compatible_version(spacy.__version__, wanted) is False:
        remedy = (
            f"train it again: python -m zsris_viz.miniature train parser --treebank FOLDER, or install spacy{wanted}"
            if name == BUILTIN
            else f"run: python -m spacy download {Path(name).name}"
            if not isinstance(source, Path)
            else f"install spacy{wanted}, or give another folder"
        )
        raise UnavailableError(
            f"the parser model {name} was made for spaCy {wanted}, but spaCy {spacy.__version__} is installed; "
            f"{remedy}."
        )


def _read(name: str, source: Any) -> Language:
    import spacy

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"\[W095\]")  # checked before
            nlp = spacy.load(source, exclude=["ner", "senter"])
    except Exception as error:  # spaCy raises errors of many classes for a damaged folder
        raise UnavailableError(
            f"the parser model {name} cannot be read ({type(error).__name__}: {error}); install it again, or use "
            f"load_parser('{BUILTIN}')."
        ) from error
    if not nlp.has_pipe("parser"):
        raise UnavailableError(
            f"the pipeline {name} has no dependency parser; use one of {', '.join((*PREFERRED, BUILTIN))}."
        )
    return nlp
