"""Thirty kills of random processes change no result, and what was trained is not trained again."""

from kill_stages import kill, told_of

TRAINING = ("pretrain", "finetune", "unlearn", "relearn")
KILLS = 30


def test_thirty_kills(tmp_path):
    """Models, evaluations, trajectories and tables are those of an undisturbed run, byte for byte;
    many of the kills of training meet it after its first state."""
    counted = kill(KILLS, seed=1, folder=tmp_path)
    print(told_of(counted))
    assert counted["kills"] == KILLS
    assert counted["snakemake SIGKILL"] >= 1
    assert {"SIGKILL", "SIGTERM"} <= {name.split()[-1] for name in counted if " " in name}
    of_training = sum(count for name, count in counted.items() if name.startswith(TRAINING))
    assert of_training >= KILLS / 3
    assert counted["resumed"] >= of_training / 5
