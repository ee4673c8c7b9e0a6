# The public names. lazy_loader reads this file when the package is imported; it knows relative imports only.
from .captioning import load_captioner as load_captioner
from .datasets import load_dataset as load_dataset
from .errors import ZsrisError as ZsrisError
from .evaluation import EvaluationConfig as EvaluationConfig
from .evaluation import evaluate as evaluate
from .images import open_image as open_image
from .language import load_parser as load_parser
from .masks import Masks as Masks
from .methods import get_method as get_method
from .methods import list_methods as list_methods
from .methods import register_method as register_method
from .methods.features import SceneFeatures as SceneFeatures
from .models import load_clip as load_clip
from .proposals import load_proposals as load_proposals
from .segmentation import segment as segment

__version__: str
