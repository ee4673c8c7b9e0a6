"""RISCLIP (Kim et al., NAACL 2024), which trains CLIP's image-text alignment for referring image segmentation.

Each part has a module: `config`, `adapters` (Cross-modal Feature Extraction, CFE), `exploitation` (Shared-space
Knowledge Exploitation, SKE), `decoder`, `losses`, `model`, `train` and `checkpoint`. The module `method` makes a
trained model available in the registry, next to the zero-shot methods.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
