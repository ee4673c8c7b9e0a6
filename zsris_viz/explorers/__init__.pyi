# The public names. lazy_loader reads this file when the package is imported; it knows relative imports only.
from .attention import AttentionExplorer as AttentionExplorer
from .attention_state import AttentionState as AttentionState
from .compare import CompareExplorer as CompareExplorer
from .compare_state import CompareState as CompareState
from .examples import example_names as example_names
from .examples import load_example as load_example
from .export import image_from_text as image_from_text
from .export import masks_from_text as masks_from_text
from .figure_controls import figure_with_controls as figure_with_controls
from .layer_state import LayerState as LayerState
from .layers import LayerExplorer as LayerExplorer
from .method_state import MethodState as MethodState
from .methods import MethodExplorer as MethodExplorer
from .page import ExplorerPage as ExplorerPage
