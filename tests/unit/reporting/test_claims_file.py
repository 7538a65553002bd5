"""The file of claims: what is read, and errors."""

import pytest
import yaml
from unlearning.benchmarks.tofu.metrics import STUDIES
from unlearning.errors import UserError
from unlearning.evaluation.metrics import Metric
from unlearning.methods.own import own_methods
from unlearning.methods.registry import FORGET_LOSSES
from unlearning.reporting.claims.file import Selection, load_claims, unknown_methods

GOOD = {
    "id": "good",
    "statement": "s",
    "source": "p",
    "metric": "model_utility",
    "of": {"method": "NPO+RT", "beta": 0.1},
    "relation": ">",
    "value": 0.5,
}
KINDS = {"methods": ["config.yaml"], "splits": ["experiments/mini-splits.yaml"]}


def load(tmp_path, *entries):
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump({"experiments": KINDS, "claims": list(entries)}))
    return load_claims(path)


def test_a_good_file(tmp_path):
    (claim,) = load(tmp_path, GOOD)
    assert claim.of == Selection("NPO+RT", (("beta", 0.1),))
    assert claim.seeds_at_least == 3


def test_a_claim_names_any_key_of_the_recipe_that_a_variant_may_set(tmp_path):
    """Epochs and learning rate alone were taken."""
    hyper = {"epochs": 5, "lr": 1e-5, "max_steps": 9, "schedule": "constant"}
    (claim,) = load(tmp_path, {**GOOD, "of": {"method": "NPO+RT", **hyper}})
    assert dict(claim.of.hyper) == hyper
    assert unknown_methods([claim], FORGET_LOSSES) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"metric": "model_utilty"},
            "unknown metric 'model_utilty'; did you mean 'model_utility'?",
        ),
        ({"of": 5}, "of: must be text or a mapping, found 5"),
        ({"of": {"beta": 1}}, "of: 'method' is missing"),
        ({"of": {"method": "GA", "beta": 1}}, "unknown hyper-parameter 'beta' of GA"),
        ({"of": {"method": "target", "beta": 1}}, "'beta' of target. Allowed: none"),
        ({"relation": ">="}, "relation: must be one of .*<.*>.*, found '>='"),
        ({"than": "GA"}, "exactly one of value, than and than_metric"),
        ({"factor": 2}, "factor and margin apply to `than`"),
        ({"seeds_at_least": 1}, "seeds_at_least: must be at least 2, found 1"),
        ({"scale": "log10", "value": 0}, "value must be positive on scale log10"),
        ({"metric": "forget_quality"}, "forget_quality.*state `scale: log10`, found 'linear'"),
        ({"metric": "forget_quality@short", "scale": "absolute"}, "`scale: log10`.*'absolute'"),
        ({"value": "high"}, "value: must be a number, found 'high'"),
        ({"reason": "?"}, "unknown key 'reason'"),
        ({"study": "markof"}, "unknown study 'markof'; did you mean 'markov'?"),
        ({"study": "markov"}, "unknown metric 'model_utility'.*Allowed: forget_gap"),
        ({"study": "markov", "of": "target"}, "of: unknown method 'target'.*Allowed: GA, GA"),
        (
            {"study": "markov", "of": {"method": "GA", "lr": 1}},
            "unknown hyper-parameter 'lr' of GA",
        ),
        ({"experiment": "muse"}, "unknown experiment 'muse'.*Allowed: methods, splits"),
        ({"splits": ["forget100"]}, "'forget100' is no forget split"),
        ({"of": {"method": "GA", "at": "best"}}, "of.at: must be one of last, peak, found 'best'"),
        ({"of": {"method": "NPO+RT", "lr": "1e-5"}}, "of: lr must be a number, found '1e-5'"),
        ({"of": {"method": "NPO+RT", "beta": "0.1"}}, "of: beta must be a number, found '0.1'"),
        ({"of": {"method": "NPO+RT", "beta": -1}}, "of: beta must be greater than 0, found -1"),
        ({"of": {"method": "GA", "attack": "random"}}, "attack does not go with the metric"),
        ({"of": {"method": "target", "at": "peak"}}, "'at' of target. Allowed: none"),
    ],
)
def test_errors_name_the_claim_the_value_and_what_is_allowed(tmp_path, change, message):
    with pytest.raises(UserError, match=f"(?s)claim good.*{message}"):
        load(tmp_path, {**GOOD, **change})


@pytest.mark.parametrize(
    ("bound", "message"),
    [
        ({"than": "GA", "scale": "log10", "factor": 0}, "positive bounds.*factor above 0"),
        ({"than": "GA", "scale": "log10", "margin": -0.1}, "positive bounds.*no margin below 0"),
        ({"than": GOOD["of"], "factor": 0.5}, "both sides are the same"),
        ({"than_metric": "model_utility"}, "both sides are the same"),
    ],
)
def test_a_bound_that_would_always_hold_is_named(tmp_path, bound, message):
    entry = {key: value for key, value in GOOD.items() if key != "value"}
    with pytest.raises(UserError, match=f"claim good: .*{message}"):
        load(tmp_path, {**entry, **bound})


def test_a_kind_of_experiment_whose_file_there_is_not_is_named(tmp_path):
    path = tmp_path / "claims.yaml"
    kinds = {"methods": ["experiments/nowhere.yaml"]}
    path.write_text(yaml.safe_dump({"experiments": kinds, "claims": [GOOD]}))
    with pytest.raises(UserError, match="experiments.methods: no file .*nowhere.yaml"):
        load_claims(path)


def own_losses(tmp_path):
    """The registry with a method of one's own, which has a hyper-parameter."""
    (tmp_path / "mine.py").write_text("def loss(batch, floor=2.0):\n    return batch.forget.nll\n")
    losses, problems = own_methods({"mine": {"function": f"{tmp_path}/mine.py:loss"}})
    assert problems == []
    return losses


def test_a_method_of_ones_own_is_known_where_a_config_has_it(tmp_path):
    claims = load(tmp_path, {**GOOD, "of": {"method": "mine+RT", "floor": 1.0, "retain_coeff": 2}})
    (line,) = unknown_methods(claims, FORGET_LOSSES)
    assert "claim good: not run here: no method 'mine+RT' in the registry or the config" in line
    assert unknown_methods(claims, own_losses(tmp_path)) == []


def test_a_misspelt_method_or_value_is_named_and_stops_nothing(tmp_path):
    typo = {**GOOD, "of": "NPO+TR"}
    other = {**GOOD, "id": "other", "of": {"method": "mine", "flor": 1.0}}
    than = {**GOOD, "id": "than", "than": "miin"}
    del than["value"]
    lines = unknown_methods(load(tmp_path, typo, other, than), own_losses(tmp_path))
    assert lines == [
        "claim good: not run here: no method 'NPO+TR' in the registry or the config; did you mean "
        "'NPO+RT'?",
        "claim other: not run here: mine has no hyper-parameter 'flor'; did you mean 'floor'?",
        "claim than: not run here: no method 'miin' in the registry or the config; did you mean "
        "'mine'?",
    ]


def test_a_claim_that_states_a_key_twice_is_refused(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text(
        yaml.safe_dump({"experiments": KINDS, "claims": [GOOD]}, sort_keys=False) + "  value: 0.7\n"
    )
    with pytest.raises(UserError, match="the key 'value' stands in line"):
        load_claims(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"claims": []}, "'experiments' is missing"),
        ({"experiments": {"methods": 5}, "claims": []}, "experiments.methods: must be a list"),
        ({"experiments": [], "claims": {}}, "(?s)claims: must be a list.*experiments: must be a m"),
        ({"experiments": KINDS, "claims": [], "clams": []}, "unknown key 'clams'"),
    ],
)
def test_the_file_itself_is_checked(tmp_path, content, message):
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=message):
        load_claims(path)


def test_all_problems_come_at_once(tmp_path):
    with pytest.raises(UserError) as error:
        load(tmp_path, {**GOOD, "metric": "model_utilty"}, {**GOOD, "relation": "="}, "text")
    assert "unknown metric" in str(error.value)
    assert "relation: must be" in str(error.value)
    assert "the id is used 2 times" in str(error.value)
    assert "must be a mapping" in str(error.value)


def test_a_claim_on_a_metric_of_ones_own_is_judged_where_a_config_has_it(tmp_path, monkeypatch):
    claims = load(tmp_path, {**GOOD, "metric": "answer_words"})
    (line,) = unknown_methods(claims, FORGET_LOSSES)
    assert "claim good: not run here: the config has no metric 'answer_words'" in line
    monkeypatch.setitem(STUDIES[None], "answer_words", Metric("answer_words", "higher", "mine"))
    assert unknown_methods(claims, FORGET_LOSSES) == []
    with pytest.raises(UserError, match="unknown metric 'Answer words'"):
        load(tmp_path, {**GOOD, "metric": "Answer words"})
