"""The conformance tests accept what the package brings and name the promise that a plug-in breaks."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from zsris_viz.datasets.types import Expression, Reference, Sample
from zsris_viz.errors import InvalidInputError
from zsris_viz.masks import Masks
from zsris_viz.methods import method_class, method_names
from zsris_viz.methods.base import Method, MethodInfo, RankingMethod
from zsris_viz.methods.expression_parts import ExpressionParts
from zsris_viz.methods.features import SceneFeatures
from zsris_viz.miniature.world.dataset import Scenes
from zsris_viz.proposals import load_proposals
from zsris_viz.proposals.base import Proposer
from zsris_viz.testing import check_dataset, check_method, check_proposer


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in method_names()])
def test_built_in_methods_conform(name: str) -> None:
    check_method(method_class(name))


def test_built_in_datasets_and_proposals_conform() -> None:
    check_dataset(Scenes)
    check_proposer(load_proposals("felzenszwalb"))


class Largest(RankingMethod):
    """Choose the proposal with most pixels."""

    info = MethodInfo("largest", "Largest mask", "", (), "The proposal with most pixels.", needs=frozenset())

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Return the areas."""
        return scene.masks.areas.float(), {}


class DrawsItsOwn(Method):
    """Predict the left half of the picture."""

    info = MethodInfo("left-half", "Left half", "", (), "The left half.", needs=frozenset())

    def predict_parts(self, scene: SceneFeatures, text: ExpressionParts) -> Any:
        """Return the left half."""
        from zsris_viz.methods.prediction import Prediction

        mask = torch.zeros(scene.size, dtype=torch.bool)
        mask[:, : scene.size[1] // 2] = True
        return Prediction(mask=mask, method=self.name, expression=text.text)


class WrongName(Largest):
    """A name that no command line takes."""

    info = dataclasses.replace(Largest.info, name="Largest Mask")


class WrongPresets(Largest):
    """Presets that the description does not have."""

    presets: ClassVar[dict[str, Any]] = {"default": {}, "official": {}}


class ChangesItsMind(Largest):
    """Scores that depend on the number of calls."""

    calls = 0

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Return other scores for each call."""
        type(self).calls += 1
        return torch.arange(len(scene)).float() * (-1) ** self.calls, {}


class WritesIntoTheScene(Largest):
    """A method that changes the proposals."""

    def score(self, scene: SceneFeatures, text: ExpressionParts) -> tuple[Tensor, dict[str, Any]]:
        """Clear a pixel."""
        scene.masks.data[4, 0, 0] = False
        return super().score(scene, text)


class WrongSize(DrawsItsOwn):
    """A mask of another size."""

    def predict_parts(self, scene: SceneFeatures, text: ExpressionParts) -> Any:
        """Return a mask with one row too few."""
        prediction = super().predict_parts(scene, text)
        return dataclasses.replace(prediction, mask=prediction.mask[1:])


@pytest.mark.parametrize("method", [Largest, DrawsItsOwn])
def test_a_method_that_keeps_the_contract_passes(method: type[Method], tiny_clip: Any) -> None:
    check_method(method, clip=tiny_clip)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (WrongName, "info.name is 'Largest Mask'"),
        (WrongPresets, "info.presets"),
        (ChangesItsMind, "differently"),
        (WritesIntoTheScene, "changed the proposals"),
        (WrongSize, "the mask is"),
        (int, "does not derive|derives from Method"),
    ],
)
def test_a_method_that_breaks_a_promise_fails_with_its_name(method: Any, words: str, tiny_clip: Any) -> None:
    with pytest.raises(AssertionError, match=words):
        check_method(method, clip=tiny_clip)


@pytest.fixture(scope="module")
def tiny_clip() -> Any:
    from tests.factories import tiny_vit_clip

    return tiny_vit_clip()


class Squares:
    """Two pictures of one square."""

    name, split_by = "squares", ""
    mask_shape = (20, 30)
    second_id = "1"

    def __init__(self, split: str, *, limit: int | None = None) -> None:
        if split != "val":
            raise InvalidInputError(f"split={split!r} is unknown; use val.")
        if limit is not None and limit < 1:
            raise InvalidInputError(f"limit={limit} was given; 1 or more is accepted.")
        self.split = split
        self.count = min(2, limit or 2)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        number = range(self.count)[index]
        mask = np.zeros(self.mask_shape, bool)
        mask[5:10, 5:10] = True
        identity = self.second_id if number else "0"
        reference = Reference(f"r{number}", (Expression("the square", f"s{number}"),), mask, "square")
        return Sample(identity, [reference], Image.new("RGB", (30, 20), "white"))


class WrongMask(Squares):
    """Masks with the axes exchanged."""

    mask_shape = (30, 20)


class SameId(Squares):
    """Two pictures with one name."""

    second_id = "0"


class AnySplit(Squares):
    """Every split exists."""

    def __init__(self, split: str, *, limit: int | None = None) -> None:
        super().__init__("val", limit=limit)
        self.split = split


def test_a_dataset_that_keeps_the_contract_passes() -> None:
    check_dataset(Squares)


@pytest.mark.parametrize(("dataset", "words"), [(WrongMask, "mask is"), (SameId, "image_id 0"), (AnySplit, "no-such")])
def test_a_dataset_that_breaks_a_promise_fails_with_its_name(dataset: type[Squares], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_dataset(dataset)


class Halves(Proposer):
    """The left and the right half."""

    name = "halves"
    scores: tuple[float, float] = (0.9, 0.1)

    @property
    def settings(self) -> dict[str, Any]:
        return {"scores": list(self.scores)}

    def propose(self, image: Any) -> Masks:
        from zsris_viz.images import open_image

        picture = open_image(image)
        halves = np.zeros((2, picture.height, picture.width), bool)
        halves[0, :, : picture.width // 2] = True
        halves[1] = ~halves[0]
        return Masks.from_arrays(halves, scores=torch.tensor(self.scores), source=self.name)


class WrongOrder(Halves):
    """The worst mask first."""

    scores = (0.1, 0.9)


class SettingsThatJsonChanges(Halves):
    """Settings that are a tuple."""

    @property
    def settings(self) -> dict[str, Any]:
        return {"scores": self.scores}


def test_a_proposer_that_keeps_the_contract_passes() -> None:
    check_proposer(Halves())


@pytest.mark.parametrize(
    ("proposer", "words"), [(WrongOrder, "ordered by score"), (SettingsThatJsonChanges, "from JSON")]
)
def test_a_proposer_that_breaks_a_promise_fails_with_its_name(proposer: type[Halves], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_proposer(proposer())
