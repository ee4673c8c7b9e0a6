"""Explorers for notebooks: an image, an expression, and everything that changes with them.

Each shows itself as the last value of a cell, and `explorer.static()` draws the same view as a figure; what it computes
is in a state without widgets. They run on ipywidgets and anywidget and need no extension of their own for JupyterLab,
Notebook 7, VS Code or Voila. Without a kernel sliders, hovering, pins and tables still answer; new expressions do not.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
