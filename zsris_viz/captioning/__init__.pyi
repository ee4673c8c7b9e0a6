# The public names. lazy_loader reads this file when the package is imported; it knows relative imports only.
from .base import Captioner as Captioner
from .hub import HubCaptioner as HubCaptioner
from .loading import captioner_names as captioner_names
from .loading import load_captioner as load_captioner
from .loading import shared_captioner as shared_captioner
from .regions import region_images as region_images
