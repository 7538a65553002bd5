"""What the tables of a report on TOFU hold, and what readers should know about them."""

from unlearning.benchmarks.tofu.formulas import PARTS
from unlearning.evaluation.membership import ATTACKS
from unlearning.evaluation.metrics import RELATIVE
from unlearning.evaluation.relative import SUFFIX
from unlearning.reporting.frame import unit_of
from unlearning.reporting.inference import DRAW
from unlearning.reporting.labels import RETRAIN, SETS
from unlearning.reporting.labels import p_value as p_text
from unlearning.reporting.results import Results

PARTS = PARTS  # of utility
_FORGET = ("rouge", "probability", "truth_ratio", "truth_ratio_median")
MAIN = ("forget_quality", "log10_forget_quality", "ks_statistic", "truth_ratio_shift")
MAIN += ("model_utility",)
MAIN += (*(f"forget_{name}" for name in _FORGET), *PARTS)
_MEMORIZATION = ("extraction_strength", "exact_memorization")
_FORGOTTEN = ("one_minus_rouge", "one_minus_probability", "one_minus_extraction_strength")
_FLUENCY = ("perplexity", "repetition", "empty")
_DISTINCT = ("distinct_1", "distinct_2", "distinct_3")
_OTHERS = ("probability", "rouge")  # of other answers than the true one
FURTHER = (
    *(f"forget_{name}" for name in (*_MEMORIZATION, *_FORGOTTEN, *_FLUENCY, *_DISTINCT)),
    *(f"{name}_paraphrase_{key}" for key in _OTHERS for name in ("forget", "retain")),
    *(f"{name}_perturbed_{key}" for key in _OTHERS for name in SETS),
    *(f"{name}_truth_share" for name in SETS),
    *(f"mia_{attack}_auc" for attack in ATTACKS),
    "privleak",
    *(f"{name}{SUFFIX}" for name in RELATIVE),
    *(f"retain_{name}" for name in (*_MEMORIZATION, *_FLUENCY)),
)
FURTHER_NOTE = (
    "ES extraction strength and EM exact memorisation of the true answers, given their beginnings; "
    "1−ROUGE-L, 1−prob. and 1−ES as in SimNPO's table; how varied and how likely under the target "
    "model the generated answers are: a high perplexity or repetition is gibberish, not "
    "forgetting. Truth share: probability of the truth against falsehoods; below 0.5 these are "
    "likelier. Membership: how well forget rows are told from rows that no model saw (0.5 is not "
    "at all); PrivLeak compares min-k with the retrained models, →0 is as private as retraining; "
    "differences from retraining are percent of the retrained models' number."
)
VARIED = ("log10_forget_quality", "ks_statistic", "model_utility", "forget_truth_ratio")
ANSWERS = SETS
CITED = ("tofu",)


def note(results: Results) -> str:
    """How forget quality is averaged, and its noise floor."""
    floors = []
    models = results.models
    further = results.frame[results.frame["method"] == RETRAIN]
    further = further[further["metric"] == "log10_forget_quality"]
    for split in results.splits:
        logs = further.loc[further["split"] == split, "value"]
        known = p_text(10 ** logs.mean()) if len(logs) else "not known (one retrained model)"
        floors.append(f"{split} {known}")
    if (models["method"] == RETRAIN).sum() == len(results.splits) and not results.experiment.config[
        "retrained"
    ]:
        floors.append("a second seed in retrain.seeds gives it")
    over = "draws, seeds" if unit_of(results.frame) == DRAW else "seeds"
    return (
        "Forget quality (FQ) is a p-value: that of a Kolmogorov–Smirnov test between the truth "
        "ratios of a model and of a retrained model on the forget set. Everywhere in this report "
        f"it is averaged over {over} and retrained models as 10 to the mean of its logarithm (a "
        "geometric mean, with its deviation as a factor), so that one lucky seed does not lift "
        "the others. Read it beside the noise floor, which the row Retrained shows in place of "
        f"the 1 that a retrained model scores against itself: {', '.join(floors)}. Truth ratios, "
        "and probabilities among choices, follow the variant "
        f"“{results.experiment.config['evaluation']['variant']}”."
    )
