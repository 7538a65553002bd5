"""Every family's scores, gradients and answers are those of transformers' own forward pass."""

import re

import pytest
import transformers
from families import FAMILIES, table, tried
from folders import ROOT

NATS, RELATIVE = 1e-5, 1e-5


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_scored_as_transformers_does(name):
    transformers.logging.set_verbosity_error()
    trial = tried(name)
    assert trial.logp <= NATS and trial.gradient <= RELATIVE and trial.same
    assert trial.rows in ("packed", "unpacked", "refused")
    listed = (ROOT / "docs" / "models.md").read_text()
    assert table({name: trial}).splitlines()[-1] in listed.splitlines()


def test_the_docs_list_these_families_alone():
    listed = (ROOT / "docs" / "models.md").read_text()
    rows = re.findall(r"^\| (.+?) \| \S+ \| (?:packed|unpacked|refused) \|", listed, re.M)
    assert rows == list(FAMILIES)
    assert len(rows) >= 25
