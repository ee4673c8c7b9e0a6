"""Sources of class-agnostic mask proposals, by name. `__init__.pyi` lists the public names with their modules."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
