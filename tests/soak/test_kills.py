"""Random processes are killed at random moments, and no result changes."""

import pytest
from kill_stages import as_json, kill

TRAINING = ("pretrain", "finetune", "unlearn", "relearn")
FEW_KILLS = 20  # up to so many, a kind of kill may be missing by chance


@pytest.mark.short
def test_random_kills(tmp_path, pytestconfig):
    """Models, evaluations, trajectories and tables are those of an undisturbed run, byte for byte.
    Many of the kills of training meet it after its first state."""
    kills = pytestconfig.getoption("kills")
    tally = kill(kills, seed=1, folder=tmp_path)
    print(as_json(tally))
    assert tally["kills"] == kills
    if kills > FEW_KILLS:
        assert tally["snakemake SIGKILL"] >= 1
        assert {"SIGKILL", "SIGTERM"} <= {name.split()[-1] for name in tally if " " in name}
        training_kills = sum(count for name, count in tally.items() if name.startswith(TRAINING))
        assert training_kills >= kills / 3
        assert tally["resumed"] >= training_kills / 5
