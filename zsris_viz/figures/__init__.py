"""Figures of one style: pictures with masks, rankings, maps, bars, curves, tables of numbers and marked texts.

Functions that take an Axes draw on it; all others return a matplotlib Figure, which a notebook shows when it is the
last thing in a cell and `Outputs.figure` writes. Colour scales are shared by what a figure compares.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
