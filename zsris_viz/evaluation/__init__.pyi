# The public names. lazy_loader reads this file when the package is imported; it knows relative imports only.
from .config import EvaluationConfig as EvaluationConfig
from .dask_engine import DaskEngine as DaskEngine
from .error_analysis import example_page as example_page
from .error_analysis import outcome_table as outcome_table
from .matching import OUTCOMES as OUTCOMES
from .metrics import METRICS as METRICS
from .metrics import Metric as Metric
from .metrics import mask_iou as mask_iou
from .metrics import measure as measure
from .per_image import ImageEvaluator as ImageEvaluator
from .per_image import evaluate_image as evaluate_image
from .results import Evaluation as Evaluation
from .runner import evaluate as evaluate
from .statistics import Comparison as Comparison
from .statistics import compare_methods as compare_methods
from .tables import metric_table as metric_table
