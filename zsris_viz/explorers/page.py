"""All explorers on one page, for people who do not code: what `zsris explore` shows."""

from __future__ import annotations

import html
import io
from collections.abc import Callable
from typing import Any

import ipywidgets
from PIL import Image

from zsris_viz.errors import ZsrisError
from zsris_viz.explorers.attention import AttentionExplorer
from zsris_viz.explorers.base import Explorer
from zsris_viz.explorers.compare import CompareExplorer
from zsris_viz.explorers.layers import LayerExplorer
from zsris_viz.explorers.methods import MethodExplorer
from zsris_viz.explorers.state import as_model, propose
from zsris_viz.images import ImageSource, open_image

TITLES = ("Layers", "Attention", "Methods", "Compare")


class ExplorerPage(ipywidgets.VBox):
    """The four explorers in tabs, over one image that can be replaced by an upload.

    An explorer is made when its tab is opened. What one of them cannot do (a layer explorer for an RN) is said in its
    tab, and the others work.

    Args:
        image: anything :func:`zsris_viz.images.open_image` takes. expression: the first text.
        clip: a model, or a name for `load_clip`.
        proposals: a name for `load_proposals`, a Proposer, or masks. For an uploaded image masks cannot be used any
            more: then it is `fallback`.
        truth: (H, W) bool, if it is known. fallback: a source of proposals by name.
    """

    def __init__(
        self,
        image: ImageSource,
        expression: str,
        clip: Any = "miniature",
        *,
        proposals: Any = "felzenszwalb",
        truth: Any = None,
        fallback: str = "felzenszwalb",
    ) -> None:
        self.clip = as_model(clip)
        self.proposals, self.fallback, self.truth = proposals, fallback, truth
        self.image, self.expression = open_image(image), expression
        self.upload = ipywidgets.FileUpload(accept="image/*", multiple=False, description="another image")
        self.message = ipywidgets.HTML()
        self.tabs = ipywidgets.Tab(
            [ipywidgets.VBox() for _ in TITLES], titles=TITLES, selected_index=0, layout={"min_height": "600px"}
        )
        super().__init__([ipywidgets.HBox([self.upload, self.message]), self.tabs])
        self._masks = propose(self.image, proposals)
        self.fill(0)
        self.tabs.observe(lambda change: self.fill(change["new"]), names="selected_index")
        self.upload.observe(self._uploaded, names="value")

    def explorer(self, tab: int) -> Explorer | None:
        """The explorer of a tab; None before it was opened, and where it could not be made."""
        held = self.tabs.children[tab].children
        return held[0] if held and isinstance(held[0], Explorer) else None

    def fill(self, tab: int | None) -> None:
        """Make the explorer of a tab, unless it is there."""
        if tab is None or self.tabs.children[tab].children:
            return
        box = self.tabs.children[tab]
        box.children = (ipywidgets.HTML("computing ..."),)
        try:
            box.children = (self._makers()[tab](),)
        except ZsrisError as error:
            box.children = (ipywidgets.Label(str(error)),)

    def _makers(self) -> tuple[Callable[[], Explorer], ...]:
        image, text, clip, masks, truth = self.image, self.expression, self.clip, self._masks, self.truth
        source = self.proposals if isinstance(self.proposals, str) else masks
        return (
            lambda: LayerExplorer(image, text, clip, masks=masks, truth=truth),
            lambda: AttentionExplorer(image, text, clip, proposals=masks, truth=truth),
            lambda: MethodExplorer(image, text, clip, proposals=source, truth=truth),
            lambda: CompareExplorer(image, text, clip=clip, proposals=masks, truth=truth, other_method="cropping"),
        )

    def show(self, image: ImageSource) -> None:
        """Take another image, without a truth and with the proposals of a source.

        Raises:
            ZsrisError: an image that cannot be opened, or in which no proposal is found; the page stays as it was.
        """
        picture = open_image(image)
        source = self.proposals if isinstance(self.proposals, str) else self.fallback
        masks = propose(picture, source)
        for tab in range(len(TITLES)):
            if (explorer := self.explorer(tab)) is not None:
                explorer.close()
        self.image, self.proposals, self.truth, self._masks = picture, source, None, masks
        for box in self.tabs.children:
            box.children = ()
        self.fill(self.tabs.selected_index)

    def _uploaded(self, change: Any) -> None:
        if not change["new"]:
            return
        content, name = change["new"][0]["content"], change["new"][0]["name"]
        self.message.value = "computing ..."
        try:
            self.show(Image.open(io.BytesIO(bytes(content))))
        except (ZsrisError, OSError, SyntaxError) as error:
            self.message.value = html.escape(f"{name} could not be used: {error}")
        else:
            self.message.value = html.escape(name)
