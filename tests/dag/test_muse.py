"""What Snakemake plans for MUSE's requests."""

from folders import EXPERIMENTS

MINI = EXPERIMENTS / "mini-muse.yaml"


def test_each_request_goes_on_from_the_run_before(fresh):
    """sust3 needs sust2, which needs forget, each with scores under the model it starts from."""
    run = "NPO+RT/default/seed=1"
    target = f"results/mini-muse/sust3/unlearn/{run}/trajectory.json"
    done = fresh.dry_run(MINI, target)
    jobs = fresh.job_stats(done.stdout)
    assert jobs["unlearn"] == 3 and jobs["reference_on_the_way"] == 2 and jobs["reference"] == 1
    assert jobs["finetune"] == 1 and not jobs["retrain"]
    chain = {
        "sust3": (f"sust2/unlearn/{run}/model", f"sust3/reference/{run}/forget.json"),
        "sust2": (f"forget/unlearn/{run}/model", f"sust2/reference/{run}/forget.json"),
        "forget": ("finetune/seed=42/model", "forget/reference/forget.json"),
    }
    inputs = [line for line in done.stdout.splitlines() if line.strip().startswith("input:")]
    for start, scores in chain.values():
        both = (f"results/mini-muse/{start}", f"results/mini-muse/{scores}")
        assert sum(all(f"{path}" in line for path in both) for line in inputs) == 1, both
