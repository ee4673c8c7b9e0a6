# The public names. lazy_loader reads this file when the package is imported; it knows relative imports only.
from .checkpoint import load_model as load_model
from .checkpoint import save_model as save_model
from .checkpoint import tower_hash as tower_hash
from .config import Architecture as Architecture
from .config import Data as Data
from .config import Steps as Steps
from .config import Training as Training
from .config import read_training as read_training
from .method import RisClip as RisClip
from .model import Grounding as Grounding
from .model import RisClipModel as RisClipModel
from .progress import Trained as Trained
from .train import train_risclip as train_risclip
