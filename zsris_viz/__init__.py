"""Zero-shot referring image segmentation on CLIP, step by step.

`segment` is the shortest way to a mask; the notebooks tell the story. The public names are imported on first use, so
that `import zsris_viz` is cheap; `__init__.pyi` lists them with their modules.

Example::

    import zsris_viz

    zsris_viz.segment("photo.jpg", "the dog on the left").plot()
"""

import os

import lazy_loader

# Threads of OpenMP that wait should sleep: by default they spin, which is several times slower as soon as another
# program runs on the same cores. The variable is read when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
