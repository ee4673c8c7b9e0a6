"""Datasets of referring expressions, loaded by name: images, the objects referred to, and the expressions."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
