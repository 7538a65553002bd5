# Retrained models: the base fine-tuned on the retain split only, the gold standard of forgetting.
# The second seed measures the noise floor of forget quality.


use rule finetune as retrain with:
    output:
        model=directory(f"{WORLD}/{{split}}/retrain/seed={{seed}}/model"),
    log:
        f"{LOGS}/retrain/{{split}}/seed={{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/retrain/{{split}}/seed={{seed}}.tsv"
