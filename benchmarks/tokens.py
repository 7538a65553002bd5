"""Tokens processed and tokens needed on real TOFU, ours and the official arm's, as a table.

    python benchmarks/tokens.py --data path/to/tofu

Needed: of training each sequence once, of evaluation each question once and each answer once. The
tokenizers are trained on TOFU. Generation is counted by benchmarks/evaluations.py, on a model.
"""

import argparse
from pathlib import Path

from tofu_rows import (
    OBJECTIVE,
    SCORED,
    TRAINED,
    answers_of,
    encoder_of,
    evaluated,
    forget10,
    recipe_of,
    source_of,
    tokenizer_of,
    write,
)
from unlearning.data.encoding import Example
from unlearning.data.packing import group_by_prompt, pack
from unlearning.evaluation.likelihood import BATCH_TOKENS, CPU_TOKENS, batches_by_length
from unlearning.training.loop import micro_batches

FORMATS = {"plain": 3000, "llama2": 8000}  # prompt format, vocabulary


def unlearning(examples: dict[str, list[Example]], micro_batch: int) -> dict[str, int]:
    """Of all steps of NPO+RT; the official arm runs forget rows through the reference as well."""
    source = source_of(examples, recipe_of())
    found = {"needed": 0, "ours": 0, "official": 0}
    for step in range(source.plan.steps):
        pairs = source.step(step)
        found["official"] += 3 * TRAINED * len(pairs)
        for part, _ in micro_batches(pairs, 0, 1, micro_batch):
            batch = [pair[role] for role in OBJECTIVE.roles for pair in part]
            found["needed"] += sum(len(example.ids) for example in batch)
            found["ours"] += pack(batch).ids.numel()
    return found


def likelihoods(examples: list[Example], official: int, batch_tokens: int) -> dict[str, int]:
    """Of one pass over sequences; the official arm scores `official` of them."""
    trees = group_by_prompt(examples)
    processed = 0
    for batch in batches_by_length([tree.tokens for tree in trees], batch_tokens):
        own = [examples[i] for place in batch for i in trees[place].branches]
        processed += pack(own).ids.numel()
    needed = sum(tree.tokens for tree in trees)
    return {"needed": needed, "ours": processed, "official": SCORED * official}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of TOFU's JSON files")
    parser.add_argument("--json", type=Path, help="file to write")
    args = parser.parse_args()
    print("| prompt, vocabulary | work | needed | ours | ratio | official arm | ratio |")
    print("|---|---|---|---|---|---|---|", flush=True)
    record = []
    for prompt, vocabulary in FORMATS.items():
        tokenizer = tokenizer_of(args.data, vocabulary)
        examples = forget10(args.data, tokenizer, prompt)
        scored = encoder_of(tokenizer, SCORED, prompt)
        asked = [row for rows in evaluated(args.data).values() for row in rows]
        texts = [[text for own in answers_of(row).values() for text in own] for row in asked]
        distinct = [
            scored.encode(row["question"], text)
            for row, own in zip(asked, texts, strict=True)
            for text in dict.fromkeys(own)
        ]
        cases = {f"NPO+RT, {m} pairs a pass": unlearning(examples, m) for m in (4, 16, 32)}
        for batch in (CPU_TOKENS, BATCH_TOKENS):
            cases[f"likelihoods, {batch} tokens a batch"] = likelihoods(
                distinct, sum(map(len, texts)), batch
            )
        for work, found in cases.items():
            record.append({"prompt": prompt, "vocabulary": vocabulary, "work": work, **found})
            ours, theirs = found["ours"] / found["needed"], found["official"] / found["needed"]
            print(
                f"| {prompt}, {vocabulary} | {work} | {found['needed']:,} | {found['ours']:,} "
                f"| {ours:.3f} | {found['official']:,} | {theirs:.2f} |",
                flush=True,
            )
    write(args.json, {"tokens": record})


if __name__ == "__main__":
    main()
