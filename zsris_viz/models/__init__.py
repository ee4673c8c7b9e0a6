"""Image-text models with two interfaces: `ImageTextModel` embeds, `LayeredModel` also gives access to its layers.

`load_clip(name)` loads a model; `trace_image` and `trace_texts` of a `LayeredModel` return a `Trace`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
