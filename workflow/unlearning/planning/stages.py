"""Estimate what each stage of an experiment takes: jobs, memory, FLOPs, generated tokens, disk."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil
from pathlib import Path

from unlearning import benchmark
from unlearning.config.experiment import Experiment
from unlearning.config.judged import assets_of
from unlearning.config.layout import UnlearnRun
from unlearning.methods.registry import DOWN_PROJECTIONS
from unlearning.planning.memory import (
    FLOAT,
    HALF,
    Pass,
    Step,
    host_bytes,
    largest_micro_batch,
    resume_bytes,
)
from unlearning.planning.shapes import Shape, target_shape
from unlearning.planning.texts import SEQUENCES
from unlearning.training.plan import Recipe, StepPlan

REFERENCE_TOKENS = 16384  # a batch of evaluation.likelihood
STATE_FILES = 3  # training/state.py keeps two and writes a third
HARNESS_TOKENS = 512  # a question with its choices
COPIES = 2  # for a hook that makes the unlearned model: of the trained model, and of the target


def _trained_share(shape: Shape, hooks: dict) -> float:
    """Share of a model's parameters that a method trains.

    RMU's published setting trains the down projections of three layers. With any other pattern of
    names it is counted as a method that trains all weights, which is the most it can take.
    """
    if "trains" in hooks and hooks["trains"]["hyper"]["trained"] == DOWN_PROJECTIONS:
        return 3 * shape.hidden * shape.feed_forward / shape.parameters
    return 1.0


@dataclass
class StageCost:
    """What all jobs of one kind take, such as the runs of one unlearning method.

    section: the section of the config that has their recipe.
    step: the training step that determines a job's memory; None if the jobs do not train.
    passes: batches without gradients, each of which may determine the memory instead.
    flops, steps, updates (forward and backward passes), decoded (forward passes that generate one
        token for each row of a batch), disk (bytes of model folders): sums over all jobs.
    state: bytes on disk from which one killed job resumes.
    timed: whether `flops` and `decoded` are known, so that hours can be estimated.
    adaptable: whether LoRA can train it.
    """

    rule: str
    name: str
    jobs: int
    section: str
    step: Step | None = None
    passes: list[Pass] = field(default_factory=list)
    flops: float = 0.0
    updates: int = 0
    steps: int = 0
    decoded: int = 0
    disk: float = 0.0
    state: float = 0.0
    timed: bool = True
    adaptable: bool = True

    def times(self, draws: int) -> "StageCost":
        totals = ("jobs", "flops", "updates", "steps", "decoded", "disk")
        return replace(self, **{name: draws * getattr(self, name) for name in totals})


class CostEstimate:
    """Estimates for the stages of an experiment, in the DAG's order.

    room: bytes of GPU memory that tensors may fill; it limits the micro-batch.
    """

    def __init__(self, experiment: Experiment, room: float):
        self.experiment, self.config, self.room = experiment, experiment.config, room
        self.shape: Shape = target_shape(self.config)
        self.texts = benchmark.room(experiment.benchmark.name, "sizes").sizes(experiment)
        self.half = self.config["model"]["precision"] == "bfloat16"
        self.pure = self.config["model"]["precision"] == "pure-bfloat16"
        # models that were trained in half precision are saved and evaluated in it
        self.weight_bytes = HALF if self.half or self.pure else FLOAT
        self.folder_bytes = self.weight_bytes * self.shape.parameters
        self.processes = max(1, self.config["resources"]["gpus"])

    @cached_property
    def stages(self) -> list[StageCost]:
        """Every kind of job that touches a model, in all draws: they differ in seeds alone."""
        stages = [self._pretrain()] if self.experiment.from_scratch else []
        stages += self._finetunes() + self._references()
        stages += [self._unlearn(method) for method in self.experiment.methods]
        stages += self._relearn() + self._evaluate() + self._harness()
        return [stage.times(len(self.experiment.draws)) for stage in stages]

    def _finetunes(self) -> list[StageCost]:
        """Fine-tuning of the target and of the retrained models, unless the config names them."""
        stages: list[StageCost] = []
        if self.experiment.fine_tunes:
            stages.append(self._finetune("finetune", [self._texts("finetune").full]))
        if self.experiment.retrains:
            rows_of = self._texts("finetune").retrained
            rows = [rows_of(split) for split, _ in self._retrained()]
            stages.append(self._finetune("retrain", rows))
        return stages

    def _retrained(self) -> list[tuple[str, str]]:
        """(split, run) of the retrained models that have weights, not only an evaluation log."""
        experiment = self.experiment
        return [run for run in experiment.retrained() if experiment.log_of(*run) is None]

    def host(self, stage: StageCost) -> float:
        """Bytes of host memory of a job on a GPU: a model is loaded there before it moves."""
        sizes = [host_bytes(self.shape, stage.step)] if stage.step else [0.0]
        for batch in stage.passes:
            sizes.append(batch.models * batch.weight_bytes * self.shape.parameters)
        return max(sizes)

    def host_advice(self, stage: StageCost) -> list[str]:
        """Which host memory to set for a job on a GPU, if the config sets less than it fills."""
        resources, size = self.config["resources"], self.host(stage)
        if not resources["gpus"] or resources["mem_mb"] * 1e6 >= size:
            return []
        # 4 GB for what is no tensor: Python and its libraries
        return [f"set resources.mem_mb: {ceil(size / 1e6) + 4000} (its host's memory)"]

    def jobs(self) -> dict[str, int]:
        """Jobs of each rule, as Snakemake counts them for an empty results folder."""
        draws = self.experiment.draws
        # draws that differ only in later seeds share the first one's tables
        with_tables = draws if self.experiment.draws_tables else draws[:1]
        folders: set[Path] = set()
        for draw in with_tables:
            folders |= draw.answers()
        counts = {
            "fetch": len(assets_of(self.experiment)),
            "data": len(with_tables),
            "answers": len(folders),
            "restore": int(self.experiment.restored),
            "import_log": len(self.experiment.log_splits()),
        }
        for stage in self.stages:
            counts[stage.rule] = counts.get(stage.rule, 0) + stage.jobs
        counts["report"] = 1
        return {rule: count for rule, count in counts.items() if count}

    def step(self, section: str, recipe: dict, settings: dict | None = None) -> Step:
        """The training step of a section's recipe. settings: those of the unlearning method, whose
        loss may need several roles, logits or a teacher."""
        fit, batch = self.experiment.fit(section), recipe["batch_size"]
        roles, hooks = 1, {}
        logits: dict[str, str] = {}
        teacher: list[str] = []
        if settings is not None:
            roles, hooks = len(settings["roles"]), settings["hooks"]
            logits, teacher = settings["needs"]["logits"], settings["needs"]["teacher"]
        # memory is estimated for the longest row that the recipe lets in
        text = self._texts(section).row
        width = min(recipe["max_length"], text.longest)
        labels = min(width, text.most_labels)
        micro = min(fit["micro_batch"] or 1, batch)
        step = Step.of(
            roles,
            logits,
            teacher,
            width,
            labels,
            micro_batch=micro,
            accumulates=batch > micro * self.processes,
            trained=_trained_share(self.shape, hooks),
            adapter=self.shape.adapter(recipe["lora"]),
            half=self.half,
            optimizer=recipe["optimizer"],
            checkpointing=fit["gradient_checkpointing"],
            processes=self.processes,
            sharded=self.processes > 1 and self.config["resources"]["sharding"] == "shard",
            pure=self.pure,
        )
        if fit["micro_batch"] is not None:
            return step
        # null: training takes the largest that fits, so the estimate does too
        micro = largest_micro_batch(self.shape, step, batch, self.room)
        return replace(step, micro_batch=micro, accumulates=batch > micro * self.processes)

    def add_run(
        self,
        stage: StageCost,
        step: Step,
        recipe: dict,
        rows: int,
        roles: int = 1,
        teacher_roles: int = 0,
        replayed: int = 0,
    ) -> None:
        """Add the work of one training run to its stage.

        step: the stage's. rows: of an epoch. roles: rows of a pair. teacher_roles: roles that the
        target model scores too. replayed: rows that are added to each batch.
        """
        steps, batch = StepPlan.of(Recipe(**recipe), rows).steps, recipe["batch_size"]
        # FLOPs of a token, for each parameter: 2 for the forward pass, 4 for the backward pass (of
        # activations and of weights), 2 more if the forward pass is computed again
        row_flops = 8 if step.checkpointing else 6
        if step.adapter:
            row_flops -= 2  # frozen weights have no gradients
        step_flops = row_flops * (batch * roles + replayed) + 2 * batch * teacher_roles
        length = self._texts(stage.section).row.mean
        stage.flops += self.shape.active * length * steps * step_flops
        passes = ceil((batch + replayed) / (step.micro_batch * self.processes))
        stage.updates += steps * passes
        stage.steps += steps
        state = resume_bytes(recipe["optimizer"], step.weight_bytes)
        stage.state = STATE_FILES * state * step.trained_parameters(self.shape)

    def _texts(self, section: str):
        """The texts, cut to the maximum length of a section's recipe."""
        return self.texts.cut(self.config[section]["max_length"])

    def _saved(self, recipe: dict) -> float:
        """Bytes of a trained model's folder: the weights, or only the adapter if it is kept."""
        lora = recipe["lora"]
        if lora is not None and lora["adapter"] == "keep":
            return FLOAT * self.shape.adapter(lora)
        return self.folder_bytes

    def _pretrain(self) -> StageCost:
        recipe = self.experiment.recipe("pretrain")
        step = self.step("pretrain", recipe)
        stage = StageCost("pretrain", "pretrain", 1, "pretrain", step, disk=self.folder_bytes)
        stage.adaptable = False
        self.add_run(stage, step, recipe, self._texts("pretrain").pretrain)
        return stage

    def _finetune(self, rule: str, rows: list[int]) -> StageCost:
        recipe = self.experiment.recipe("finetune")
        step, disk = self.step("finetune", recipe), self._saved(recipe) * len(rows)
        stage = StageCost(rule, rule, len(rows), "finetune", step, disk=disk)
        for count in rows:
            replayed = self.config["finetune"]["replay_rows"]
            self.add_run(stage, step, recipe, count, replayed=replayed)
        return stage

    def _references(self) -> list[StageCost]:
        """Scoring of the forget rows under reference models.

        These are the target, the models that MUSE's later requests start from, and references that
        a config names in place of the target.
        """
        layout, paths = self.experiment.layout, self.experiment.references()
        of_target: list[str] = []
        replaced: list[str] = []
        for split in self.experiment.splits:
            path = layout.reference(split, None)
            if path in paths:
                of_target.append(split)
            # scores under another reference lie in a folder of its name beside that file
            for reference_path in paths:
                if reference_path.parent.parent == path.parent:
                    replaced.append(split)
        # each run of a later request starts from a model of its own, which is its reference
        split_before = self.experiment.benchmark.split_before
        on_the_way = [cell.split for cell in self.experiment.cells() if split_before(cell.split)]
        rules = {"reference": of_target, "reference_on_the_way": on_the_way}
        rules["replaced_reference"] = replaced
        return [self._reference(rule, splits) for rule, splits in rules.items() if splits]

    def _reference(self, rule: str, splits: list[str]) -> StageCost:
        """One job for each entry of `splits`."""
        texts = self._texts("unlearn")
        tokens = sum(texts.forget(split) for split in splits) * texts.row.mean
        weight_bytes = HALF if self.pure else FLOAT
        batch_tokens = min(REFERENCE_TOKENS, round(tokens))
        batch = self._scored_batch(batch_tokens, weight_bytes, autocast=self.half)
        flops = 2 * self.shape.active * tokens
        return StageCost(rule, rule, len(splits), "", passes=[batch], flops=flops)

    def _unlearn(self, method: str) -> StageCost:
        """The runs of one method, over splits, variants and seeds."""
        cells = [cell for cell in self.experiment.cells() if cell.method == method]
        disk = self._saved(self.experiment.recipe("unlearn")) * len(cells)
        stage = StageCost("unlearn", f"unlearn {method}", len(cells), "unlearn", disk=disk)
        evaluated, models = False, 1
        for cell in cells:
            run = self.experiment.method_settings(method, cell.variant, cell.split)
            settings, recipe = run["method"], run["recipe"]
            # memory depends on the method, not on variant and seed: the last step stands for all
            step, models = self.step("unlearn", recipe, settings), self._models(cell)
            if "after" in settings["hooks"]:
                step = replace(step, copies=COPIES)
            stage.step = step
            roles, teacher_roles = len(settings["roles"]), len(settings["needs"]["teacher"])
            texts = self._texts("unlearn")
            rows = texts.forget if run["anchor"] == "forget" else texts.retrained
            self.add_run(stage, step, recipe, rows(cell.split), roles, teacher_roles)
            # the last epoch's evaluation is a stage of its own
            points = sum(epoch < recipe["epochs"] for epoch in run["trajectory"])
            if points:
                self._add_evaluation(stage, cell.split, points * models)
                evaluated = True
            stage.adaptable = not {"trains", "after"} & settings["hooks"].keys()
        if evaluated:
            # beside the model that is evaluated: the loss's second model, and, where a hook makes
            # the unlearned model of a copy, the model that training goes on with
            other_models = step.share if step.teacher else 0.0
            if step.copies:
                other_models += 1
            batch = self._evaluation_during(step, models=models, other_models=other_models)
            stage.passes.append(batch)
        return stage

    def _models(self, cell: UnlearnRun) -> int:
        """How many models answer as one where a run's unlearned model is evaluated."""
        return 2 if self.experiment.method(cell.method, dict(cell.hyper)).forget.combined else 1

    def _relearn(self) -> list[StageCost]:
        attacks = self.experiment.attacks()
        if not attacks:
            return []
        recipe = self.experiment.recipe("relearn")
        step = self.step("relearn", recipe)
        batch = self._evaluation_during(step, answers=False)
        stage = StageCost("relearn", "relearn", len(attacks), "relearn", step, [batch])
        for cell, attack in attacks:
            rows = self.texts.forget(cell.split)
            attacked_rows = max(1, round(self.experiment.fractions[attack] * rows))
            self.add_run(stage, step, recipe, attacked_rows)
            # forget rows are scored before the first and after each epoch
            scored = SEQUENCES * min(rows, self.config["evaluation"]["rows"] or rows)
            tokens = scored * self.texts.row.mean * (1 + ceil(recipe["epochs"]))
            stage.flops += 2 * self.shape.active * tokens
        return [stage]

    def _evaluate(self) -> list[StageCost]:
        if not self.experiment.benchmark.evaluates(self.config):
            return []
        # split of each job, and how many models answer as one
        jobs = [(split, 1) for split in self.experiment.own_splits]
        jobs += [(split, 1) for split, _ in self._retrained()]
        jobs += [(cell.split, self._models(cell)) for cell in self.experiment.cells()]
        gradients = "gradnorm" in self.config["evaluation"]["membership"]
        stage = StageCost("evaluate", "evaluate", len(jobs), "")
        for models in sorted({models for _, models in jobs}):
            batch = self._evaluation_batch(self.weight_bytes, gradients=gradients, models=models)
            stage.passes.append(batch)
        for split, models in jobs:
            self._add_evaluation(stage, split, models)
        return [stage]

    def _harness(self) -> list[StageCost]:
        if not self.experiment.tasks["tasks"]:
            return []
        tokens = self.config["harness"]["batch_size"] * HARNESS_TOKENS
        batch = Pass(tokens, tokens, self.weight_bytes)
        # the target, the retrained models and the unlearned ones
        jobs = 1 + len(self._retrained()) + len(self.experiment.cells())
        return [StageCost("harness", "harness", jobs, "harness", passes=[batch], timed=False)]

    def _add_evaluation(self, stage: StageCost, split: str, times: int) -> None:
        """Add the work of scoring and answering the sets of a split. times: evaluations, and for
        each the models that answer as one."""
        work = self.texts.evaluation(split, self.config["evaluation"])
        stage.flops += 2 * self.shape.active * (work.scored + work.answered) * times
        stage.decoded += work.decoded * times

    def _evaluation_during(
        self, step: Step, answers: bool = True, models: int = 1, other_models: float = 0
    ) -> Pass:
        """A batch of an evaluation between two steps, when the optimiser's states stay in memory.

        answers: whether it generates. models: how many answer as one. other_models: those beside
        them.
        """
        if step.sharded:  # a whole copy of the model is made for it
            other_models += step.share
        return self._evaluation_batch(
            step.weight_bytes,
            answers,
            optimizer=step.optimizer,
            trained=step.trained * step.share,
            adapter=step.adapter,
            autocast=step.adapter > 0 and self.half,
            models=models,
            other_models=other_models,
        )

    def _evaluation_batch(self, weight_bytes: int, answers: bool = True, **memory) -> Pass:
        """A batch of an evaluation. memory: further fields of Pass."""
        tokens = self.config["evaluation"]["batch_tokens"]
        cached = tokens if answers else 0
        return self._scored_batch(tokens, weight_bytes, cached=cached, **memory)

    def _scored_batch(self, tokens: int, weight_bytes: int, **memory) -> Pass:
        """A batch of scored sequences, of whose tokens as many are labels as in the longest row."""
        share = self.texts.row.most_labels / self.texts.row.longest
        return Pass(tokens, round(tokens * share), weight_bytes, **memory)
