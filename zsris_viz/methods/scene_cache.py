"""Caching of results that depend on an image and its proposals but not on the expression."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class HasResults(Protocol):
    """Protocol of objects with a dictionary of results, such as SceneFeatures."""

    results: dict[Hashable, Any]


S = TypeVar("S", bound=HasResults)


def once_per_scene(function: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Decorate a function of a scene so that the scene keeps its results.

    A later call with the same arguments, which must be hashable, returns the kept result.

    Examples:
        >>> from types import SimpleNamespace
        >>> @once_per_scene
        ... def area(scene, factor):
        ...     print("computed")
        ...     return factor * scene.side**2
        >>> scene = SimpleNamespace(side=3, results={})
        >>> area(scene, 2) + area(scene, 2)
        computed
        36
    """

    @functools.wraps(function)
    def wrapper(scene: S, *args: P.args, **kwargs: P.kwargs) -> T:
        key = (function, args, tuple(sorted(kwargs.items())))
        if key not in scene.results:
            scene.results[key] = function(scene, *args, **kwargs)
        return scene.results[key]

    return wrapper
