"""Captioners of proposals and of whole images; each caption is computed once and cached on disk."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
