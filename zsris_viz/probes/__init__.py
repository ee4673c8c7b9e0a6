"""Probes: measurements of what the layers of CLIP's towers encode about places and about words for places.

Every probe returns a tidy table, one row for each number, with the columns of `COLUMNS`; `run_probes` computes any of
them in one pass over the images. `__init__.pyi` lists the public names with their modules.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
