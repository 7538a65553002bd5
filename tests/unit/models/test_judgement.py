"""A base model is judged before any job: each way of being broken is named, and no other is."""

from pathlib import Path

import pytest
from broken_models import BROKEN, Broken, changed, good_model, use
from unlearning.errors import UserError
from unlearning.models.folder import load_model
from unlearning.models.judgement import judge


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    return good_model(tmp_path_factory.mktemp("good") / "model")


def test_a_good_model_has_no_problem(good):
    assert judge(good, use()) == []
    load_model(good)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_each_way_of_being_broken_is_named(good, tmp_path, broken: Broken):
    folder = changed(good, broken, tmp_path / "model")
    problems = judge(folder, use(**broken.use))
    if broken.says is None:
        assert problems == []
        load_model(folder)
        return
    if broken.late:
        assert problems == []  # the headers are in order
        with pytest.raises(UserError) as caught:
            load_model(folder)
        problems = [str(caught.value)]
    for part in broken.says:
        assert part in "\n".join(problems)
    assert "Traceback" not in "\n".join(problems)
