"""Membership inference by hand."""

import math
import zlib
from argparse import Namespace

import pytest
from unlearning.errors import UserError
from unlearning.evaluation import membership
from unlearning.evaluation.likelihood import TokenScores
from unlearning.stages.evaluate import non_members

LOGP = [-1.0, -4.0, -2.0, -3.0, -5.0, -9.0]  # the last is the end of sequence


def test_scores_of_a_row():
    mu, sigma = [-2.0] * 6, [2.0, 1.0, 2.0, 1.0, 4.0, 1.0]
    scores = membership.row_scores(1.5, TokenScores(LOGP, [True] * 6, mu, sigma), "aaaa")
    assert scores["loss"] == 1.5
    assert scores["zlib"] == pytest.approx(1.5 / len(zlib.compress(b"aaaa")))
    assert scores["min_k"] == pytest.approx((5 + 4) / 2)  # int(0.4 * 5) = 2 of five
    # (log p + 2) / sigma: 0.5, -2, 0, -1, -0.75
    assert scores["min_k_plus_plus"] == pytest.approx((2 + 1) / 2)


def test_at_least_one_token_counts_and_none_gives_zero():
    assert membership.min_k([-3.0, -1.0, -7.0]) == 3.0  # int(0.4 * 2) = 0
    assert membership.min_k([-7.0]) == 0.0


def test_auc_counts_pairs_and_halves_ties():
    # holdout 3 beats 1, 2 and ties 3; holdout 2 beats 1, ties 2, loses to 3
    assert membership.auc([1, 2, 3], [3, 2]) == pytest.approx((2.5 + 1.5) / 6)
    assert membership.auc([1, 2], [3, 4]) == 1.0
    assert membership.auc([3, 4], [1, 2]) == 0.0
    assert membership.auc([7, 7], [7, 7, 7]) == 0.5


def test_privleak_is_zero_at_the_retrained_model():
    assert membership.privleak(0.6, 0.6) == 0
    assert membership.privleak(1.0, 0.5) == pytest.approx(-100)
    assert membership.privleak(0.2, 0.5) == pytest.approx(60)


def evaluation(forget, holdout):
    """Two sets with the same values as losses and as min-k scores."""
    return {
        name: {
            "question": [f"{name} {i}" for i in range(len(values))],
            "answer_loss": values,
            "mia_min_k": values,
        }
        for name, values in (("forget", forget), ("holdout", holdout))
    }


def test_against_a_retrained_model():
    ours, retrained = evaluation([1.0, 2.0], [3.0, 4.0]), evaluation([2.0, 4.0], [3.0, 5.0])
    assert membership.membership_metrics(ours) == {"mia_min_k_auc": 1.0}
    assert membership.membership_metrics(retrained) == {"mia_min_k_auc": 0.75}
    metrics = membership.against_retrained(ours, retrained, ["min_k", "reference"])
    # loss minus the retrained loss: forget -1, -2; holdout 0, -1
    assert metrics["mia_reference_auc"] == pytest.approx((2 + 1.5) / 4)
    assert metrics["privleak"] == pytest.approx((0 - 0.25) / 0.25 * 100)
    assert "mia_reference_auc" not in membership.against_retrained(ours, retrained, ["min_k"])


def test_there_is_no_privleak_beside_a_retrained_model_that_is_told_apart_from_all():
    """1 - AUC is 0 then: PrivLeak would be 0 of the target, and 2.5e11 of an AUC of 0.75."""
    ours, retrained = evaluation([2.0, 4.0], [3.0, 5.0]), evaluation([1.0, 2.0], [3.0, 4.0])
    metrics = membership.against_retrained(ours, retrained, ["min_k"])
    assert "privleak" not in metrics
    assert metrics["mia_min_k_auc_relative"] == pytest.approx(-25)


def test_relative_differences_are_in_percent_of_the_retrained_model():
    """rel_diff of open-unlearning; AUC 1.0 against 0.75, memorisation 0.3 against 0.4."""
    ours, retrained = evaluation([1.0, 2.0], [3.0, 4.0]), evaluation([2.0, 4.0], [3.0, 5.0])
    memorised = {"extraction_strength": [0.2, 0.4], "exact_memorization": [0.5, 0.5]}
    ours["forget"] |= memorised
    retrained["forget"] |= {"extraction_strength": [0.4, 0.4], "exact_memorization": [0.0, 0.0]}
    metrics = membership.against_retrained(ours, retrained, [])
    assert metrics["mia_min_k_auc_relative"] == pytest.approx((1.0 - 0.75) / 0.75 * 100)
    assert metrics["forget_extraction_strength_relative"] == pytest.approx(-25)
    assert "forget_exact_memorization_relative" not in metrics  # of nothing there is no share
    probabilities = [(math.exp(-a) + math.exp(-b)) / 2 for a, b in ((1, 2), (2, 4))]
    expected = (probabilities[0] / probabilities[1] - 1) * 100
    assert metrics["forget_probability_relative"] == pytest.approx(expected)


def test_without_non_members_there_is_nothing_to_compare():
    ours = evaluation([1.0], [2.0])
    assert membership.membership_metrics({"forget": ours["forget"]}) == {}
    without_holdout = {"forget": ours["forget"]}
    metrics = membership.against_retrained(without_holdout, ours, ["reference"])
    assert metrics == {"forget_probability_relative": 0.0}


def test_reference_refuses_other_rows():
    with pytest.raises(UserError, match="holdout sets differ"):
        membership.against_retrained(
            evaluation([1.0], [2.0]), evaluation([1.0], [2.0, 3.0]), ["reference"]
        )


def test_min_k_of_a_collapsed_model_is_a_number():
    worst = membership.row_scores(
        1e4, TokenScores([-1e4] * 3, [False] * 3, [0.0] * 3, [1.0] * 3), ""
    )
    assert all(math.isfinite(value) for value in worst.values())


def test_the_users_non_members_are_read_in_any_format(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("prompt,answer\nWho?,Nobody.\n", encoding="utf-8")
    args = Namespace(holdout=path, settings={"columns": {"question": "prompt"}}, data=tmp_path)
    assert non_members(args) == [{"question": "Who?", "answer": "Nobody."}]
    # by hand, beside a config without such a table
    path.write_text("question,answer\nWho?,Nobody.\n", encoding="utf-8")
    args.settings = {}
    assert non_members(args) == [{"question": "Who?", "answer": "Nobody."}]
