"""All explorers on one page, which `zsris explore` serves to people who do not program."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import ipywidgets
import numpy as np

from zsris_viz.errors import InvalidInputError, ZsrisError
from zsris_viz.explorers.attention import AttentionExplorer
from zsris_viz.explorers.base import Explorer, message_of
from zsris_viz.explorers.compare import CompareExplorer
from zsris_viz.explorers.examples import example_names, load_example
from zsris_viz.explorers.jobs import Cancelled, Job, in_kernel, run_job
from zsris_viz.explorers.layers import LayerExplorer
from zsris_viz.explorers.methods import MethodExplorer
from zsris_viz.explorers.page_bar import PageBar
from zsris_viz.explorers.state import BATCH, as_model, propose, shrink
from zsris_viz.explorers.uploads import read_upload
from zsris_viz.images import ImageSource
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.miniature.world.render import DRAWN
from zsris_viz.models import load_clip
from zsris_viz.models.base import ImageTextModel

Kind = type[LayerExplorer] | type[AttentionExplorer] | type[MethodExplorer] | type[CompareExplorer]
EXPLORERS: tuple[tuple[str, Kind], ...] = (
    ("Layers", LayerExplorer),
    ("Attention", AttentionExplorer),
    ("Methods", MethodExplorer),
    ("Compare", CompareExplorer),
)
#: Source of proposals for images whose masks are not known.
FALLBACK = "felzenszwalb"
DEFAULTS: Mapping[str, Mapping[str, Any]] = {"compare": {"other_method": "cropping"}}


class ExplorerPage(ipywidgets.VBox):
    """Show the four explorers in tabs, over one shared image, expression and model.

    An explorer is made when its tab is opened. If one of them cannot be made (layers of a ResNet), its tab says so, and
    the others work. Another image keeps the expression; an example brings its own.

    Args:
        image: Anything :func:`zsris_viz.images.open_image` takes, or the name of an example.
        expression: The first text; None for the example's.
        clip: A model, or its name for `load_clip`.
        proposals: A name for `load_proposals`, a Proposer, or masks; None for the example's masks, or `FALLBACK`.
        truth: (H, W) bool, the ground truth; None if it is not known.
        addressed: Whether the state is written into the page's address, so that a view can be shared.

    Raises:
        InvalidInputError: An image, an expression or proposals that cannot be used.
        UnavailableError: A model or a source of proposals that is not there.
    """

    def __init__(
        self,
        image: ImageSource,
        expression: str | None = None,
        clip: str | ImageTextModel = "miniature",
        *,
        proposals: Any = None,
        truth: Any = None,
        addressed: bool = False,
    ) -> None:
        # bf16 where the machine is fast at it: an explorer has to answer soon
        self.clip = load_clip(clip, dtype="auto") if isinstance(clip, str) else as_model(clip)
        self.proposals = proposals
        self.expression, self.truth, self.example = "", truth, ""
        self._truth_expression = ""  # the text whose object the ground truth is
        self._scene: SceneFeatures
        self._job: Job | None = None
        # In a served page, widgets that are made before the browser listens would never reach it.
        self._deferred = addressed and in_kernel()
        self.bar = PageBar(self._event, addressed=addressed)
        boxes = [ipywidgets.VBox(layout={"min_height": "600px"}) for _ in EXPLORERS]
        self.tabs = ipywidgets.Tab(boxes, titles=[title for title, _ in EXPLORERS], selected_index=0)
        super().__init__([self.bar, self.tabs])
        self.show(image, expression=expression, proposals=proposals, truth=truth)
        self.tabs.observe(lambda change: self._opened(change["new"]), names="selected_index")

    def explorer(self, tab: int) -> Explorer | None:
        """Return the explorer of a tab; None before it was opened, and where it could not be made."""
        children = self.tabs.children[tab].children
        return children[0] if children and isinstance(children[0], Explorer) else None

    def show(
        self, image: ImageSource, *, expression: str | None = None, proposals: Any = None, truth: Any = None
    ) -> None:
        """Take another image; the page stays as it was if that fails.

        Args:
            image: An image, or the name of an example.
            expression: A text; None for the example's, or the one that is shown.
            proposals: Masks or a source; None for the example's masks, or the page's source.
            truth: (H, W) bool; None for the example's, or unknown.

        Raises:
            InvalidInputError: An image that cannot be opened, or in which no proposal is found.
        """
        name = image if isinstance(image, str) and image in example_names() else ""
        if name or (isinstance(image, str) and image.startswith("scene-")):
            example = load_example(str(image))
            name = example.name
            image, text = example.image, example.expression
            source = example.proposals if proposals is None else proposals
            truth = example.truth if truth is None and source is example.proposals else truth
        else:
            text, source = self.expression or "the object", proposals
        picture = shrink(image) if truth is None and (source is None or isinstance(source, str)) else image
        source = source if source is not None else self.proposals if isinstance(self.proposals, str) else FALLBACK
        masks = propose(picture, source)
        self._close_explorers()
        self.example, self.truth, self.expression = name, truth, expression or text
        self._truth_expression = text if name else self.expression
        texts = self._scene.texts if hasattr(self, "_scene") else None
        self._scene = SceneFeatures(picture, masks, self.clip, batch_size=BATCH, texts=texts)
        if self._deferred:
            run_job(Job("", self._report), lambda job: self._prepare())
        else:
            self._fill(self.tabs.selected_index or 0)
        self._write_address()

    def _prepare(self) -> None:
        """Import and compute what the first explorer needs, before the browser asks for it."""
        with warnings.catch_warnings(), contextlib.suppress(ZsrisError):  # they are shown when it is made
            warnings.simplefilter("ignore")
            EXPLORERS[0][1](self._scene, self.expression, clip=self.clip, truth=self.truth).close()

    def _close_explorers(self) -> None:
        for tab in range(len(EXPLORERS)):
            if (explorer := self.explorer(tab)) is not None:
                explorer.close()
        for box in self.tabs.children:
            box.children = ()

    def _fill(self, tab: int, settings: Mapping[str, Any] | None = None) -> None:
        """Make the explorer of a tab, or explain in its place why that cannot be done."""
        title, kind = EXPLORERS[tab]
        chosen = {**DEFAULTS.get(kind.name, {}), **(settings or {})}
        if kind in (MethodExplorer, CompareExplorer) and self._scene.image.info.get("source") == DRAWN:
            chosen["dataset"] = "scenes"
        job = Job(f"preparing {title}", self._report)

        def work(job: Job) -> None:
            box = self.tabs.children[tab]
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    self._scene.progress = job.advance
                    job.advance(job.text, 0, 0)
                    explorer = kind(self._scene, self.expression, clip=self.clip, truth=self.truth, **chosen)
                except Cancelled:
                    box.children = (ipywidgets.Label(f"{title} was cancelled; open the tab again to start it."),)
                except ZsrisError as error:
                    box.children = (ipywidgets.Label(str(error)),)
                except Exception as error:  # a callback's traceback would only go to a log
                    box.children = (ipywidgets.Label(f"{type(error).__name__}: {error}"),)
                else:
                    explorer.on_change = self._changed
                    explorer.image_source = self.example or self._scene.image
                    box.children = (explorer,)
                    explorer.board.show_message(*message_of(caught))
                    self._write_address()
                finally:
                    self.bar.progress = {}

        self._job = job
        run_job(job, work)

    def _report(self, text: str, done: int, total: int) -> None:
        self.bar.progress = {"text": text, "done": done, "total": total}

    def _opened(self, tab: int | None) -> None:
        if tab is None:
            return
        explorer = self.explorer(tab)
        if explorer is None:
            self._fill(tab)
        else:
            explorer.set_expression(self.expression)
        self._write_address()

    def _changed(self, explorer: Explorer) -> None:
        self.expression = str(explorer.settings()["expression"])
        if self.truth is not None:
            self.bar.message = self._truth_note()
        self._write_address()

    def _truth_note(self) -> str:
        """Return a reminder for another expression than the ground truth's, in quotation marks; else an empty text."""
        if self.truth is None or self.expression == self._truth_expression:
            return ""
        explorer = self.explorer(self.tabs.selected_index or 0)
        shown = None if explorer is None else explorer.state.truth
        if shown is not None and not np.array_equal(shown, self.truth):  # a mask was clicked
            return ""
        return f"Ground truth and IoU belong to the object of “{self._truth_expression}”."

    # -- the address

    def _write_address(self) -> None:
        tab = self.tabs.selected_index or 0
        explorer = self.explorer(tab)
        values: dict[str, Any] = {"tab": EXPLORERS[tab][1].name, "expression": self.expression}
        if self.example:
            values["example"] = self.example
        if explorer is not None:
            values |= {name: value for name, value in explorer.settings().items() if value is not None}
        self.bar.address = urlencode({name: json.dumps(value, ensure_ascii=False) for name, value in values.items()})

    def restore(self, address: str) -> None:
        """Show what an address says: tab, example, expression and the settings of the explorer.

        Settings that the explorer does not have are left out; a view of an uploaded image has its expression only.

        Args:
            address: The part of the page's address after "#".

        Raises:
            InvalidInputError: The address cannot be read.
        """
        try:
            values = {name: json.loads(value) for name, value in parse_qsl(address)}
        except ValueError as error:
            raise InvalidInputError(f"the address cannot be read: {error}.") from error
        names = [kind.name for _, kind in EXPLORERS]
        tab = names.index(values["tab"]) if values.get("tab") in names else 0
        kind = EXPLORERS[tab][1]
        expression = values.get("expression")
        if isinstance(values.get("example"), str) and values["example"] != self.example:
            self.show(values["example"], expression=expression if isinstance(expression, str) else None)
        elif isinstance(expression, str) and expression.strip():
            self.expression = expression
        plain = {name: value for name, value in values.items() if isinstance(value, str | int | list)}
        explorer = self.explorer(tab)
        if explorer is not None:
            explorer.close()
        for box in self.tabs.children:
            if box is self.tabs.children[tab]:
                box.children = ()
        self._fill(tab, {name: value for name, value in plain.items() if name in kind.restorable})
        if self.tabs.selected_index != tab:
            self.tabs.selected_index = tab

    # -- events of the bar

    def _event(self, event: str, content: Mapping[str, Any], buffer: bytes | None) -> None:
        name = str(content.get("name", ""))
        if event == "ready" and self._deferred:
            self._deferred = False
            self._fill(self.tabs.selected_index or 0)
        elif event == "cancel" and self._job is not None:
            self._job.cancel()
        elif event == "upload" and buffer is not None:
            note = str(content.get("note") or "")
            self._attempt(lambda: self.show(read_upload(buffer)), f"{name} {note}".strip(), name)
        elif event == "example":
            self._attempt(lambda: self.show(name), "", name)
        elif event == "examples":
            self._attempt(self._show_examples, "", "examples")
        elif event == "address":
            self._attempt(lambda: self.restore(str(content.get("text", ""))), "", "the address")

    def _show_examples(self) -> None:
        self.bar.show_examples([load_example(name) for name in example_names()])

    def _attempt(self, change: Callable[[], Any], done: str, what: str) -> None:
        def work(job: Job) -> None:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    job.advance(job.text, 0, 0)
                    change()
                except Cancelled:
                    self.bar.message = f"{what} was cancelled."
                except ZsrisError as error:
                    self.bar.message = f"{what} could not be used: {error}"
                except Exception as error:  # a callback's traceback would only go to a log
                    self.bar.message = f"{what} could not be used: {type(error).__name__}: {error}"
                else:
                    self.bar.message = " ".join(filter(None, [done, message_of(caught)[0], self._truth_note()]))
                finally:
                    self.bar.progress = {}

        run_job(Job(f"preparing {what}", self._report), work)
