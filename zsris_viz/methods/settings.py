"""Settings of methods: frozen dataclasses that check their values and can contain nested groups."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform

import pydantic
from pydantic.dataclasses import dataclass as pydantic_dataclass

from zsris_viz.errors import InvalidInputError, InvalidTypeError

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def settings(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass whose values are checked against their annotations when it is created.

    Options are annotated with `Literal`, and ranges with `Annotated[float, pydantic.Field(ge=0, le=1)]`.

    Returns:
        The dataclass. Its constructor raises InvalidInputError for a value that a field does not accept, with a message
        that names the accepted values, and InvalidTypeError for an unknown field.

    Examples:
        >>> from zsris_viz.methods.crops import CropVariant  # decorated with `settings`
        >>> CropVariant("mean").fill
        'mean'
        >>> CropVariant(sigma=0)
        Traceback (most recent call last):
        zsris_viz.errors.InvalidInputError: sigma=0 is not accepted for CropVariant: Input should be greater than 0.
    """
    made: Any = pydantic_dataclass(cls, frozen=True, config=pydantic.ConfigDict(arbitrary_types_allowed=True))
    create: Callable[..., None] = made.__init__
    names = [entry.name for entry in dataclasses.fields(made)]

    def __init__(self: Any, *args: Any, **values: Any) -> None:
        _check_names(values, names, cls.__name__)
        try:
            create(self, *args, **values)
        except pydantic.ValidationError as error:
            raise InvalidInputError(_describe(error, cls.__name__)) from None

    made.__init__ = __init__
    return made


def build_settings(config: type[T], *layers: Mapping[str, Any], owner: str) -> T:
    """Create a configuration from its defaults and from layers of values, of which later ones take precedence.

    Args:
        config: The dataclass.
        *layers: Values by field. A mapping for a nested configuration changes single fields of it.
        owner: Name of the method or group, for error messages.

    Returns:
        The configuration.

    Raises:
        InvalidInputError: A field does not accept a value.
        InvalidTypeError: A field is unknown.
    """
    values: Mapping[str, Any] = {}
    names = [entry.name for entry in dataclasses.fields(config)]  # type: ignore[arg-type]
    for layer in layers:
        _check_names(layer, names, owner)
        values = merge_settings(values, layer)
    return update_settings(config(), values, owner=owner)


def merge_settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two layers of values, of which the second takes precedence; mappings under the same name are merged.

    >>> merge_settings({"a": 1, "crop": {"fill": "black"}}, {"crop": {"box": "tight"}})
    {'a': 1, 'crop': {'fill': 'black', 'box': 'tight'}}
    """
    merged = dict(first)
    for name, value in second.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = merge_settings(merged[name], value) if both else value
    return merged


def update_settings(current: T, values: Mapping[str, Any], *, owner: str) -> T:
    """Return a copy of a configuration with some values changed; errors are those of :func:`build_settings`."""
    _check_names(values, [entry.name for entry in dataclasses.fields(current)], owner)  # type: ignore[arg-type]
    changes: dict[str, Any] = {}
    for name, value in values.items():
        nested = getattr(current, name)
        if isinstance(value, Mapping) and dataclasses.is_dataclass(nested):
            value = update_settings(nested, value, owner=f"{owner}.{name}")
        changes[name] = value
    return dataclasses.replace(current, **changes)  # type: ignore[type-var]


def _check_names(values: Mapping[str, Any], names: list[str], owner: str) -> None:
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise InvalidTypeError(f"{owner!r} has no setting {', '.join(unknown)}; it has {', '.join(names) or 'none'}.")


def _describe(error: pydantic.ValidationError, owner: str) -> str:
    """Return the given value and the accepted values of every wrong field."""
    wrong = []
    for entry in error.errors(include_url=False):
        name = ".".join(str(part) for part in entry["loc"])
        reason = entry["msg"].removeprefix("Value error, ").rstrip(".")
        wrong.append(f"{name}={entry['input']!r} is not accepted for {owner}: {reason}." if name else f"{reason}.")
    return " ".join(wrong)
