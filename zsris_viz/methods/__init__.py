"""Methods of zero-shot referring image segmentation: each predicts the mask of an expression."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
