"""Rankings, part scores and difference maps, against plain computations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from tests.explorers.conftest import TEXT
from tests.factories import tiny_rn_clip, tiny_vit_clip
from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.explorers import CompareState, MethodState
from zsris_viz.explorers.compare import Side
from zsris_viz.explorers.method_state import methods_for, painted_scores, part_scores, source_names
from zsris_viz.masks import Masks
from zsris_viz.methods import SceneFeatures, get_method, method_names
from zsris_viz.methods.base import Ranking
from zsris_viz.proposals import proposal_names


@pytest.fixture
def state(vit, image, masks, parser):
    return MethodState(image, TEXT, vit, proposals=masks, truth=masks[0], parser=parser)


def ranking(scores: torch.Tensor, evidence: dict | None = None) -> Ranking:
    """Scores as a method returns them; the mask does not matter here."""
    mask = torch.zeros(1, 1, dtype=torch.bool)
    return Ranking(mask=mask, method="x", expression="y", evidence=evidence or {}, scores=scores, chosen=0)


def test_places_are_the_ranking_with_its_parts(vit, image, masks, parser, state):
    expected = get_method("global-local").predict(SceneFeatures(image, masks, vit, parser=parser), TEXT)
    places = state.places()
    assert [one.mask for one in places] == expected.order and [one.place for one in places] == [1, 2, 3, 4]
    assert places[0].score == pytest.approx(float(expected.scores.max()))
    assert set(places[0].parts) == {"global", "local", "by sentence", "by noun phrase"}
    for one in places:
        assert one.parts["local"] == pytest.approx(float(expected.evidence["local_scores"][one.mask]))
        assert one.iou == pytest.approx(float(masks.iou(masks[0])[one.mask, 0]))
    assert state.shown == frozenset() and state.chosen == expected.chosen


def test_candidates_selection_is_spread_over_the_proposals():
    evidence = {
        "base_scores": torch.tensor([1.0, 2.0, 3.0]),
        "candidates": [2, 0],
        "selection": torch.tensor([0.7, 0.4]),
        "text_feature": torch.zeros(3),  # as long as there are proposals, but no score
        "unrectified": torch.tensor([1, 2, 3]),  # no floats
    }
    parts = part_scores(ranking(torch.zeros(3), evidence))
    assert set(parts) == {"base", "selection"}
    assert parts["selection"].tolist()[0] == pytest.approx(0.4) and parts["selection"][1].isnan()


def test_each_ranking_is_computed_once(vit, state):
    vit.calls.reset()
    state.set(method="cropping")
    crops = vit.calls.crops
    state.set(method="global-local")
    state.set(method="cropping")
    assert vit.calls.crops == crops


def test_what_fails_leaves_everything_as_it_was(state, monkeypatch):
    from zsris_viz.methods.cropping import Cropping

    def fail(*_: object) -> None:
        raise UnavailableError("no captioner")

    monkeypatch.setattr(Cropping, "score", fail)
    held = (state.expression, state.method, state.preset, state.source, state.ranking, state.scene)
    for changes, error in (
        ({"method": "cropping"}, UnavailableError),
        ({"method": "guess"}, InvalidInputError),
        ({"preset": "guess"}, InvalidInputError),
        ({"source": "ground-truth"}, InvalidInputError),
        ({"source": "sam-vit-h"}, UnavailableError),
        ({"expression": "\n"}, InvalidInputError),
        ({"speed": 3}, InvalidInputError),
    ):
        with pytest.raises(error):
            state.set(**changes)
        assert held == (state.expression, state.method, state.preset, state.source, state.ranking, state.scene)


def test_another_method_starts_with_its_default(state):
    state.set(method="global-local", preset="official")
    assert state.preset == "official" and state.presets == ["default", "official"]
    state.set(method="cropping")
    assert state.preset == "default"


def test_another_source_finds_its_own_masks(state, vit):
    state.set(source="felzenszwalb")
    assert state.scene.masks.source == "felzenszwalb" and len(state.ranking.scores) == len(state.scene)
    assert state.scene.texts.clip is vit
    state.set(source="given masks")
    assert len(state.scene) == 4


def test_masks_are_shown_and_hidden(state):
    state.show([0, 1])
    state.toggle(1)
    state.toggle(3)
    assert state.shown == {0, 3}
    with pytest.raises(InvalidInputError, match="mask 4 does not exist; there are 0 to 3"):
        state.toggle(4)


def test_names_fit_what_there_is():
    vit, rn = methods_for(tiny_vit_clip()), methods_for(tiny_rn_clip())
    assert set(vit) <= set(method_names()) and "global-local" in rn
    assert "region-token" in vit and "region-token" not in rn
    assert set(source_names()) == set(proposal_names()) - {"ground-truth", "precomputed", "none"}


def test_painted_scores_are_means_of_standardised_ones(masks):
    scores = torch.tensor([2.0, -1.0, 5.0, -torch.inf])
    painted = painted_scores(ranking(scores), masks)
    kept = np.array([2.0, -1.0, 5.0])
    standard = (kept - kept.mean()) / kept.std()
    for row, column in ((40, 30), (50, 60), (20, 30), (0, 0)):
        covering = [standard[n] for n in range(3) if masks[n][row, column]]
        assert painted[row, column] == pytest.approx(np.mean(covering) if covering else 0.0, abs=1e-6)


@pytest.mark.parametrize("scores", [[0.3], [0.3, 0.3]])
def test_nothing_to_tell_apart_is_zero(masks, scores):
    few = Masks(masks.data[: len(scores)])
    assert not painted_scores(ranking(torch.tensor(scores)), few).any()


def test_comparison(vit, image, masks, parser):
    state = CompareState(image, TEXT, "a bus", vit, proposals=masks, parser=parser)
    assert (state.first, state.second) == (Side(TEXT, "global-local"), Side("a bus", "global-local"))
    there = state.difference()
    one, two = (ranking.scores[:3].numpy() for ranking in state.rankings)
    same, correlation = state.agreement()
    assert same == (one.argmax() == two.argmax()) and correlation == pytest.approx(spearmanr(one, two).statistic)
    state.set(first=state.second, second=state.first)
    np.testing.assert_allclose(state.difference(), -there, atol=1e-6)
    state.set(first=state.second)
    assert not state.difference().any() and state.agreement() == (True, pytest.approx(1.0))
    state.set(second=Side(state.first.expression, "cropping"))
    assert state.rankings[1].method == "cropping" and state.difference().any()
    with pytest.raises(InvalidInputError, match="empty"):
        state.set(second=Side(" ", "cropping"))
    assert state.second.method == "cropping"


def test_comparison_of_a_single_proposal(vit, image, masks, parser):
    state = CompareState(image, TEXT, "a bus", vit, proposals=masks.select([0]), parser=parser)
    assert state.agreement() == (True, 1.0) and not state.difference().any()


def test_methods_get_the_settings_of_a_dataset(vit, image, masks, parser):
    """Global-Local CLIP weighs the image 0.95, on RefCOCOg 0.85; its own cropping does not depend on it."""
    options = {"proposals": masks, "parser": parser}
    own = MethodState(image, TEXT, vit, **options)
    other = MethodState(image, TEXT, vit, dataset="refcocog", **options)
    kind = type(get_method("global-local"))
    expected = kind.for_dataset("refcocog").predict(SceneFeatures(image, masks, vit, parser=parser), TEXT)
    assert (
        other.ranking.evidence["alpha"] == 0.85
        and own.ranking.evidence["alpha"] == get_method("global-local").config.alpha
    )
    torch.testing.assert_close(other.ranking.scores, expected.scores)
    compared = CompareState(image, TEXT, None, vit, other_method="cropping", dataset="refcocog", **options)
    torch.testing.assert_close(compared.rankings[0].scores, expected.scores)
