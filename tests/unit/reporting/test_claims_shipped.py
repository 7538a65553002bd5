"""The shipped claims, and the experiments that they name."""

import pytest
import yaml
from claim_cases import claim_of
from unlearning.errors import UserError
from unlearning.reporting.claims.file import CONFIG, Claim, experiments_with, load_claims


@pytest.fixture(scope="module")
def shipped() -> list[Claim]:
    return load_claims(CONFIG / "claims.yaml")


def test_advice_names_configs_that_exist_and_have_the_split(shipped):
    for claim in (claim for claim in shipped if claim.study is None):
        fitting = experiments_with(claim)
        assert fitting, f"{claim.id} is judged in no shipped experiment"
        for name in fitting:
            content = yaml.safe_load((CONFIG.parent / name).read_text("utf-8"))
            if claim.splits:
                assert set(claim.splits) & set(content["forget_splits"])


def test_advice_leaves_out_configs_without_the_split(shipped):
    (of_splits,) = {c.configs for c in shipped if c.experiment == "splits"}
    (of_methods,) = {c.configs for c in shipped if c.experiment == "methods"}
    claim = claim_of(of="GA", value=0.5, splits=("forget01",), configs=of_splits)
    assert experiments_with(claim) == ["config/experiments/tofu-llama2-7b.yaml"]
    claim = claim_of(of="GA", value=0.5, splits=("forget90",), configs=of_methods)
    assert experiments_with(claim) == []


def test_p_values_of_the_shipped_claims_are_compared_on_the_log_scale(shipped, tmp_path):
    quality = [claim for claim in shipped if claim.metric.startswith("forget_quality")]
    assert quality and {claim.scale for claim in quality} == {"log10"}
    text = (CONFIG / "claims.yaml").read_text("utf-8")
    path = tmp_path / "claims.yaml"
    path.write_text(text.replace("    scale: log10\n", "", 1))
    with pytest.raises(UserError, match="target-remembers: forget_quality.*`scale: log10`"):
        load_claims(path)
