# The public names. lazy_loader reads this file when the package is imported; it knows relative imports only.
from .base import Probe as Probe
from .controls import untrained_tower as untrained_tower
from .inputs import ImageTexts as ImageTexts
from .inputs import ImageView as ImageView
from .perturbations import changed_copies as changed_copies
from .perturbations import content_copy as content_copy
from .perturbations import moved_patches as moved_patches
from .perturbations import recoloured_copy as recoloured_copy
from .run import PROBES as PROBES
from .run import probe_names as probe_names
from .run import register_probe as register_probe
from .run import run_probes as run_probes
from .table import COLUMNS as COLUMNS
from .tokens import end_token_attention as end_token_attention
from .tokens import token_groups as token_groups
