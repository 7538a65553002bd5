"""Random processes are killed at random moments, and no result changes."""

import pytest
from kill_stages import kill, told_of

TRAINING = ("pretrain", "finetune", "unlearn", "relearn")
FEW = 20  # kills, of which too little can be said about their kinds


@pytest.mark.short
def test_random_kills(tmp_path, pytestconfig):
    """Models, evaluations, trajectories and tables are those of an undisturbed run, byte for byte.
    Many of the kills of training meet it after its first state."""
    kills = pytestconfig.getoption("kills")
    counted = kill(kills, seed=1, folder=tmp_path)
    print(told_of(counted))
    assert counted["kills"] == kills
    if kills > FEW:
        assert counted["snakemake SIGKILL"] >= 1
        assert {"SIGKILL", "SIGTERM"} <= {name.split()[-1] for name in counted if " " in name}
        of_training = sum(count for name, count in counted.items() if name.startswith(TRAINING))
        assert of_training >= kills / 3
        assert counted["resumed"] >= of_training / 5
