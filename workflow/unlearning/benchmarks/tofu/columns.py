"""Columns of the tables of a report on TOFU, and the note below them."""

from collections.abc import Iterable

from unlearning.benchmarks.tofu.formulas import PARTS  # of utility; a name of this room too
from unlearning.evaluation.membership import ATTACKS
from unlearning.evaluation.metrics import RELATIVE
from unlearning.evaluation.relative import SUFFIX
from unlearning.evaluation.summary import MEMORIZATION
from unlearning.reporting.frame import unit_of, units
from unlearning.reporting.inference import DRAW
from unlearning.reporting.labels import RETRAIN, SETS
from unlearning.reporting.labels import p_value as p_text
from unlearning.reporting.results import Results

_ONE_MINUS = ("one_minus_rouge", "one_minus_probability", "one_minus_extraction_strength")
_FLUENCY = ("perplexity", "repetition", "empty")
_DISTINCT = ("distinct_1", "distinct_2", "distinct_3")


def _of_sets(sets: Iterable[str], measures: Iterable[str]) -> list[str]:
    """Metrics of each set, measure by measure."""
    metrics = []
    for measure in measures:
        metrics += [f"{name}_{measure}" for name in sets]
    return metrics


MAIN = (
    *("forget_quality", "log10_forget_quality", "ks_statistic", "truth_ratio_shift"),
    "model_utility",
    *_of_sets(["forget"], ["rouge", "probability", "truth_ratio", "truth_ratio_median"]),
    *PARTS,
)
# As far as they are measured: attacks, paraphrases and perplexity are options of the config.
FURTHER = (
    *_of_sets(["forget"], [*MEMORIZATION, *_ONE_MINUS, *_FLUENCY, *_DISTINCT]),
    *_of_sets(["forget", "retain"], ["paraphrase_probability", "paraphrase_rouge"]),
    *_of_sets(SETS, ["perturbed_probability", "perturbed_rouge", "truth_share"]),
    *(f"mia_{attack}_auc" for attack in ATTACKS),
    "privleak",
    *(f"{name}{SUFFIX}" for name in RELATIVE),
    *_of_sets(["retain"], [*MEMORIZATION, *_FLUENCY]),
)
FURTHER_NOTE = (
    "ES extraction strength and EM exact memorisation of the true answers, given their beginnings; "
    "1−ROUGE-L, 1−prob. and 1−ES as in SimNPO's table; how varied the generated answers are and "
    "how likely under the target model: a high perplexity or repetition is gibberish, not "
    "forgetting. Truth share: probability of the truth against falsehoods; below 0.5 these are "
    "likelier. Membership: how well an attack separates forget rows from rows that no model saw "
    "(0.5 is chance); PrivLeak compares min-k with the retrained models, →0 is as private as "
    "retraining; differences from retraining are percent of the retrained models' number."
)
VARIED = ("log10_forget_quality", "ks_statistic", "model_utility", "forget_truth_ratio")
ANSWERS = SETS
CITED = ("tofu",)


def note(results: Results) -> str:
    """How forget quality is averaged, and its noise floor."""
    floors = []
    retrained = results.frame[results.frame["method"] == RETRAIN]
    qualities = retrained[retrained["metric"] == "log10_forget_quality"]
    for split in results.splits:
        # the geometric mean, as everywhere
        logs = units(qualities[qualities["split"] == split], ["label"])["value"]
        floor = p_text(10 ** logs.mean()) if len(logs) else "not known (one retrained model)"
        floors.append(f"{split} {floor}")
    # of models that the config names there is one for each split, whatever the seeds
    if len(results.experiment.retrain_runs()) == 1 and not results.experiment.config["retrained"]:
        floors.append("a second seed in retrain.seeds gives it")
    over = "draws, seeds" if unit_of(results.frame) == DRAW else "seeds"
    return (
        "Forget quality (FQ) is the p-value of a Kolmogorov–Smirnov test between the truth ratios "
        "of a model and of a retrained model on the forget set. Everywhere in this report it is "
        f"averaged over {over} and retrained models as 10 to the mean of its logarithm (a "
        "geometric mean, with its deviation as a factor), so that one lucky seed does not lift the "
        "mean. Compare it with the noise floor, which the row Retrained shows in place of "
        f"the 1 that a retrained model scores against itself: {', '.join(floors)}. Truth ratios, "
        "and probabilities among choices, follow the variant "
        f"“{results.experiment.config['evaluation']['variant']}”."
    )
