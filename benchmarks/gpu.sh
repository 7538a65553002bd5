#!/usr/bin/env bash
# All that needs a GPU, in steps of less than ten minutes each: short Markdown tables.
#
#   benchmarks/gpu.sh list                      the steps
#   benchmarks/gpu.sh all                       one after the other; a step that fails ends nothing
#   benchmarks/gpu.sh steps-7b                  one of them
#   REHEARSE=1 benchmarks/gpu.sh all            the same on the CPU with tiny shapes, in minutes
#
# TOFU_DIR    folder of TOFU's JSON files (default ../shared/tofu)
# MODEL       of the experiment: folder, GGUF file or hub id (default: the config's)
# SPLITS      of its unlearning runs (default: forget05 forget01 forget10)
# SEEDS       of its unlearning runs (default 1001 to 1003)
# OUT         folder that receives tables, and the experiment's results without weights, in parts of
#             15 MB (default: results/gpu)
# GPU         whose peak the MFU is of (default H100-80; `python -m unlearning plan --help` names all)
# JOBS        jobs of the experiment at once, on one GPU (default 6; each takes up to 15 GB of it)
# LIMIT       seconds of a step (default 590: such machines end a command after ten minutes)
#
# Needs torch and the packages of pyproject.toml's `dependencies`; the steps with paged states also
# bitsandbytes, the experiment snakemake, but not what makes its report. That is made elsewhere:
# `cat OUT/experiment.tar.xz.* | tar -xJ` there and run snakemake with --rerun-triggers mtime.
set -uo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD/workflow${PYTHONPATH:+:$PYTHONPATH} HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false

DATA=${TOFU_DIR:-../shared/tofu}
OUT=${OUT:-results/gpu}
LIMIT=${LIMIT:-590}
CONFIG=config/experiments/tofu-smollm2-135m.yaml
STEPS="device memory-1b memory-7b steps-135m steps-1b steps-1b-padded steps-7b steps-7b-paged
attention-1b attention-7b evaluation-135m evaluation-1b evaluation-7b experiment"

if [ -n "${REHEARSE:-}" ]; then # one tiny case of each; the CPU computes in float32
    export OMP_NUM_THREADS=1
    shape() { echo --device cpu --shape tiny; }
    PAGED=() ROUNDS=(--rounds 1) ROWS=(--rows 2) TAUGHT=(--rows 2 --train 2)
    ONE_STEP=(--steps 1 --micro-batch 8)
    SMALL=(--pairs 4 --batch-tokens 800)
    CASES_1B=(--device cpu --cases 0 1) CASES_7B=(--device cpu --cases 9 10)
    EXPERIMENT=(rehearsal=true) GPUS=0 WORLD=rehearsal-tofu-smollm2-135m
else
    shape() { echo --device cuda --shape "$1"; }
    PAGED=(--optimizer paged_adamw_32bit) ROUNDS=() ROWS=(--rows 16) TAUGHT=(--rows 100 --train 400 --lr 5e-4)
    ONE_STEP=(--gpu "${GPU:-H100-80}")
    SMALL=()
    CASES_1B=(--device cuda --cases 0 6) CASES_7B=(--device cuda --cases 6 11)
    EXPERIMENT=() GPUS=1 WORLD=tofu-smollm2-135m
fi

device() {
    python - "$DATA" <<'PYTHON'
import sys
from pathlib import Path

import torch
import transformers

print(f"torch {torch.__version__}, transformers {transformers.__version__}")
found = torch.cuda.is_available()
print(torch.cuda.get_device_name() if found else "no GPU: only REHEARSE=1 makes sense")
print("TOFU:", len(list(Path(sys.argv[1]).glob("*.json"))), "files")
PYTHON
}

# The experiment by its own rules: all that is trained before unlearning, then a forget split after
# the other. Call it again until nothing is left: what is made stays, a training goes on from its state.
experiment() {
    local split splits status=0
    splits=${SPLITS:-forget05 forget01 forget10}
    rules "${splits// /, }" finetune retrain || status=1
    for split in $splits; do
        rules "$split" evaluate relearn || status=1
        echo "$split: status $status after $SECONDS s"
    done
    return $status
}

rules() { # forget splits, then the last rules
    local layout='"micro_batch": 16'
    # a call that was cut at its limit leaves a lock, and nothing else runs here
    python -m snakemake --profile config/profiles/local --configfile $CONFIG --nolock \
        --cores "${JOBS:-6}" --resources gpu="${JOBS:-6}" --rerun-triggers mtime --until "${@:2}" \
        --config "forget_splits=[$1]" "world_splits=[forget05, forget01, forget10]" \
        "data={\"data_dir\": \"$DATA\"}" ${MODEL:+"model={\"path\": \"$MODEL\"}"} \
        "finetune={$layout}" "relearn={$layout}" \
        "unlearn={$layout, \"seeds\": [${SEEDS:-1001, 1002, 1003}]}" \
        keep_models=false "resources={\"cells_per_job\": 50, \"gpus\": $GPUS}" "${EXPERIMENT[@]}"
}

pack() { # results without what is large and can be made again
    tar -c --exclude='*.safetensors' --exclude=state "results/$WORLD" | xz -3 -T0 |
        split -b 15m -d - "$OUT/experiment.tar.xz."
}

run() { # the command of a step
    local arms=(--arms official open-unlearning)
    case $1 in
        device) device ;;
        memory-1b) python benchmarks/memory_cases.py "${CASES_1B[@]}" ;;
        memory-7b) python benchmarks/memory_cases.py "${CASES_7B[@]}" ;;
        steps-135m | steps-1b)
            python benchmarks/steps.py --data "$DATA" $(shape "${1#*-}") "${ONE_STEP[@]}" "${arms[@]}" ;;
        # what packing gains
        steps-1b-padded)
            python benchmarks/steps.py --data "$DATA" $(shape 1b) "${ONE_STEP[@]}" --padded --arms ;;
        # 7 B full-parameter; the other arms hold a reference model too and may not fit
        steps-7b) python benchmarks/steps.py --data "$DATA" $(shape 7b) "${ONE_STEP[@]}" "${arms[@]}" \
            --steps 3 --gradient-checkpointing "${PAGED[@]}" ;;
        # ours alone, within 80 GB: weights, gradients and activations on the GPU, states paged
        steps-7b-paged) python benchmarks/steps.py --data "$DATA" $(shape 7b) "${ONE_STEP[@]}" --arms \
            --steps 3 "${PAGED[@]}" ;;
        attention-*) python benchmarks/attention.py --data "$DATA" $(shape "${1#*-}") "${SMALL[@]}" \
            "${ROUNDS[@]}" ;;
        # a model that has learnt its rows ends its answers; one from random weights seldom does
        evaluation-135m) python benchmarks/evaluations.py --data "$DATA" $(shape 135m) "${TAUGHT[@]}" \
            --rounds 1 "${arms[@]}" ;;
        evaluation-*) python benchmarks/evaluations.py --data "$DATA" $(shape "${1#*-}") "${ROWS[@]}" \
            --rounds 1 "${arms[@]}" ;;
        experiment) experiment ;;
        *) echo "no step '$1'; steps: $STEPS" >&2; return 2 ;;
    esac
}

step() {
    local since=$SECONDS status
    mkdir -p "$OUT"
    echo "## $1"
    # a shell of its own, so that the limit ends all that the step has started
    timeout --kill-after=10 "$LIMIT" benchmarks/gpu.sh inside "$1" 2> "$OUT/$1.err" | tee "$OUT/$1.md"
    status=${PIPESTATUS[0]}
    [ "$1" != experiment ] || pack
    [ "$status" = 0 ] || { echo "failed with status $status:"; tail -n 5 "$OUT/$1.err"; }
    echo "($((SECONDS - since)) s)"
    return "$status"
}

case ${1:-list} in
    list) echo $STEPS ;;
    inside) run "$2" ;;
    all)
        failed=0
        for name in $STEPS; do step "$name" || failed=1; done
        exit $failed ;;
    *) step "$1" ;;
esac
