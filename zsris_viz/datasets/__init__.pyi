# The public names. lazy_loader reads this file when the package is imported; it knows relative imports only.
from .loading import dataset_class as dataset_class
from .loading import dataset_names as dataset_names
from .loading import load_dataset as load_dataset
from .loading import register_dataset as register_dataset
from .types import Dataset as Dataset
from .types import Expression as Expression
from .types import Reference as Reference
from .types import Sample as Sample
from .types import Subset as Subset
