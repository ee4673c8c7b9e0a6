"""Evaluation: one row for each expression and method, kept safely, and the tables that are made of the rows."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
