"""Every error and warning that the package raises on purpose.

Each message says what was given, what is accepted, and the call that mends it. Catch :class:`ZsrisError` to catch them
all; each class is also the built-in error that a Python user would expect.
"""

from __future__ import annotations


class ZsrisError(Exception):
    """Base of all errors of the package."""


class InvalidInputError(ZsrisError, ValueError):
    """A value that cannot be used: an empty expression, a mask of another size, an unknown name."""


class InvalidTypeError(ZsrisError, TypeError):
    """An argument of the wrong type."""


class UnavailableError(ZsrisError, RuntimeError):
    """Something that is needed is missing, or a model cannot do what was asked."""


class CorruptFileError(UnavailableError):
    """A file is there but cannot be read: truncated, of another format, or with the wrong hash."""


class ZsrisWarning(UserWarning):
    """The work goes on, but not quite as asked: a truncated expression, a fallback model."""
