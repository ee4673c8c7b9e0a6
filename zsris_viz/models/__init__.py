"""Image-text models behind two contracts: `ImageTextModel` embeds, `LayeredModel` also gives access to its layers.

`load_clip(name)` loads one; a traced run returns a `Trace`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
