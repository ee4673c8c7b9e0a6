"""The interface of a source of mask proposals: a name, its settings, and `propose(image) -> Masks`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from zsris_viz.errors import InvalidInputError
from zsris_viz.images import ImageSource, open_image
from zsris_viz.masks import Masks

if TYPE_CHECKING:
    from zsris_viz.datasets.types import Sample

WORKING_SIDE = 1024  # longest side in pixels: about one megapixel at most


class Proposer(ABC):
    """Base class of sources of class-agnostic mask proposals.

    Attributes:
        name: Name in `load_proposals(name)`, also the `source` of its masks and the column `proposals` of result rows.
        settings: Everything that changes the masks, as plain values; `evaluate` resumes a run only with equal settings.
        argument: Name of the constructor argument whose value follows a colon in the name, as in "sam:FILE"; None if
            there is none.
        runs_model: Whether the source runs a model: the class accepts `device`, and its masks are cached on disk.
        reads_data_root: Whether the class accepts `data_root`, the folder of downloaded files.
    """

    name: str
    argument: ClassVar[str | None] = None
    runs_model: ClassVar[bool] = False
    reads_data_root: ClassVar[bool] = False

    @property
    def working_side(self) -> int:
        """Return the longest side in pixels at which masks are computed; masks of larger images are enlarged."""
        return WORKING_SIDE

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return everything that changes the masks: names to plain values (text, numbers, lists of these)."""

    @property
    def knows_samples(self) -> bool:
        """Return whether `propose_for` uses more of a sample than its image."""
        return False

    @abstractmethod
    def propose(self, image: ImageSource) -> Masks:
        """Return masks of the image's size in descending order of score, with `scores` and `source`, or no masks.

        Args:
            image: Anything that :func:`zsris_viz.images.open_image` accepts.
        """

    def propose_for(self, sample: Sample) -> Masks:
        """Return masks for a sample of a dataset: those of `propose` for its image, unless `knows_samples` is true."""
        return self.propose(sample.image)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f"{type(self).__name__}({settings})"


class GroundTruth(Proposer):
    """Return the masks of all annotated objects of a sample, as in Tables 2 and 3 of Global-Local CLIP."""

    name = "ground-truth"

    @property
    def settings(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    @property
    def knows_samples(self) -> bool:
        """Return True, since the masks belong to the sample."""
        return True

    def propose(self, image: ImageSource) -> Masks:
        """Raise an error, since an image without its sample has no annotations.

        Raises:
            InvalidInputError: This error is always raised.
        """
        raise InvalidInputError(
            "ground-truth proposals come with the samples of a dataset; a photograph has none. Use another source, "
            'e.g. proposals="felzenszwalb", or give masks.'
        )

    def propose_for(self, sample: Sample) -> Masks:
        """Return the sample's `instances`.

        Raises:
            InvalidInputError: The dataset has no instances.
        """
        if sample.instances is None:
            raise InvalidInputError(
                f"{sample!r} comes without the masks of its other objects; use another source of proposals, "
                'e.g. proposals="felzenszwalb".'
            )
        return sample.instances


class NoProposals(Proposer):
    """Propose no masks, for methods that need no proposals, such as RISCLIP."""

    name = "none"

    @property
    def settings(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    def propose(self, image: ImageSource) -> Masks:
        """Return zero masks of the image's size."""
        picture = open_image(image)
        return Masks.from_arrays([], size=(picture.height, picture.width), source=self.name)
