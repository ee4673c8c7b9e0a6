"""What a run remembers of its captioner, so that it is not continued with another."""

from types import SimpleNamespace

import pytest

from zsris_viz.evaluation.settings import captioner_settings
from zsris_viz.methods import get_method


@pytest.fixture
def captioner():
    return SimpleNamespace(name="captioner", settings={"weights": "abc", "beams": 1})


def test_a_captioner_counts_only_where_one_is_asked(captioner):
    assert captioner_settings(captioner, {"a": get_method("cropping")}) is None
    for name in ("tas", "text-only"):
        methods = {"a": get_method("cropping"), "b": get_method(name)}
        assert captioner_settings(captioner, methods) == {"name": "captioner", "weights": "abc", "beams": 1}


def test_a_name_stands_for_the_model_itself(captioner, monkeypatch):
    import zsris_viz.captioning as captioning

    loaded = []
    monkeypatch.setattr(captioning, "shared_captioner", lambda name: loaded.append(name) or captioner)
    methods = {"tas": get_method("tas")}
    assert captioner_settings("git-base", methods) == captioner_settings(None, methods)
    assert captioner_settings(None, methods)["weights"] == "abc"
    assert loaded == ["git-base", "miniature", "miniature"]
