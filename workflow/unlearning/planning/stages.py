"""What each stage of an experiment takes: jobs, peak memory, FLOPs, generated tokens, disk."""

from dataclasses import dataclass, field, replace
from math import ceil

from unlearning import benchmark
from unlearning.config.experiment import Experiment
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
KEPT_STATES = 3  # training/state.py keeps two and writes a third
HARNESS_TOKENS = 512  # a question with its choices


def _trains_few(hooks: dict) -> bool:
    """Whether a method trains three matrices alone; of another pattern it might train them all."""
    return "trains" in hooks and hooks["trains"]["hyper"]["trained"] == DOWN_PROJECTIONS


@dataclass
class StageCost:
    """Jobs of one kind. section: the part of the config that its recipe is in. step, passes: what
    is in memory at once. Of all jobs: flops, updates (passes with gradients), steps, decoded
    (passes that generate one token of a batch), disk (bytes of model folders). state: bytes that
    one job resumes from. timed: their work is known. adaptable: LoRA can train it."""

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
        """The stage in several draws."""
        totals = ("jobs", "flops", "updates", "steps", "decoded", "disk")
        return replace(self, **{name: draws * getattr(self, name) for name in totals})


class CostEstimate:
    """The stages of an experiment, in the DAG's order. room: bytes of a GPU."""

    def __init__(self, experiment: Experiment, room: float):
        self.experiment, self.config, self.room = experiment, experiment.config, room
        self.shape: Shape = target_shape(self.config)
        self.texts = benchmark.room(experiment.benchmark.name, "sizes").sizes(experiment)
        self.half = self.config["model"]["precision"] == "bfloat16"
        self.pure = self.config["model"]["precision"] == "pure-bfloat16"
        self.number = HALF if self.half or self.pure else FLOAT
        self.folder = self.number * self.shape.parameters
        self.processes = max(1, self.config["resources"]["gpus"])

    def stages(self) -> list[StageCost]:
        """Every kind of job that touches a model, in all draws: they differ in seeds alone."""
        draws = len(self.experiment.draws)
        return [stage.times(draws) for stage in self._stages_of_a_draw()]

    def _stages_of_a_draw(self) -> list[StageCost]:
        first = [self._pretrain()] if self.experiment.from_scratch else []
        unlearnt = [self._unlearn(method) for method in self.experiment.methods]
        last = [*self._relearn(), *self._evaluate(), *self._harness()]
        return [*first, *self._learnt(), *self._references(), *unlearnt, *last]

    def _learnt(self) -> list[StageCost]:
        """The target and the retrained models, as far as they are trained here."""
        learnt, texts = [], self._texts("finetune") if self.config["finetune"] else None
        if self.experiment.fine_tunes:
            learnt.append(self._finetune("finetune", [texts.full]))
        if self.experiment.retrains:
            splits = [split for split, _ in self._retrained()]
            learnt.append(self._finetune("retrain", [texts.retrained(split) for split in splits]))
        return learnt

    def _retrained(self) -> list[tuple[str, str]]:
        """(split, run) of the retrained models, without those of which a log is all there is."""
        experiment = self.experiment
        return [run for run in experiment.retrained() if experiment.log_of(*run) is None]

    def host(self, stage: StageCost) -> float:
        """Bytes of host memory of a job on a GPU: models are loaded there."""
        loaded = [batch.weight_bytes * self.shape.parameters for batch in stage.passes]
        return max([*loaded, host_bytes(self.shape, stage.step) if stage.step else 0.0])

    def host_advice(self, stage: StageCost) -> list[str]:
        """What to ask the scheduler for, where a job on a GPU asks for less than it fills."""
        asked, needed = self.config["resources"], self.host(stage)
        if not asked["gpus"] or asked["mem_mb"] * 1e6 >= needed:
            return []
        return [f"set resources.mem_mb: {ceil(needed / 1e6) + 4000} (its host's memory)"]

    def jobs(self) -> dict[str, int]:
        """Jobs of each rule, as Snakemake counts them for an empty results folder."""
        fetched = len(self.experiment.assets)
        draws = self.experiment.draws
        worlds = draws if self.experiment.draws_tables else draws[:1]
        counts = {**({"fetch": fetched} if fetched else {}), "data": len(worlds)}
        if answers := len({folder for draw in worlds for folder in draw.answers()}):
            counts["answers"] = answers
        counts |= {"restore": 1} if self.experiment.restored else {}
        if logs := len(self.experiment.log_splits()):
            counts["import_log"] = logs
        for stage in self.stages():
            counts[stage.rule] = counts.get(stage.rule, 0) + stage.jobs
        return {**counts, "report": 1}

    def step(self, section: str, recipe: dict, settings: dict | None = None) -> Step:
        """What a pass of a section's recipe holds; settings: the unlearning method's."""
        fit, batch = self.experiment.fit(section), recipe["batch_size"]
        roles, needs, hooks = ["train"], {"logits": {}, "teacher": []}, {}
        if settings is not None:
            roles, needs, hooks = (settings[key] for key in ("roles", "needs", "hooks"))
        micro, text = min(fit["micro_batch"] or 1, batch), self._texts(section).row
        width = min(recipe["max_length"], text.longest)
        labels = min(width, text.most_labels)
        adapter = self.shape.adapter(recipe["lora"])
        few = 3 * self.shape.hidden * self.shape.feed_forward / self.shape.parameters
        step = Step.of(
            len(roles),
            needs["logits"],
            needs["teacher"],
            width,
            labels,
            micro_batch=micro,
            accumulates=batch > micro * self.processes,
            trained=few if _trains_few(hooks) else 1.0,
            adapter=adapter,
            half=self.half,
            optimizer=recipe["optimizer"],
            checkpointing=fit["gradient_checkpointing"],
            processes=self.processes,
            sharded=self.processes > 1 and self.config["resources"]["sharding"] == "shard",
            pure=self.pure,
        )
        if fit["micro_batch"] is not None:
            return step
        micro = largest_micro_batch(self.shape, step, batch, self.room)
        return replace(step, micro_batch=micro, accumulates=batch > micro * self.processes)

    def add_run(
        self, stage: StageCost, recipe: dict, rows: int, roles=1, taught=0, extra=0
    ) -> None:
        """Add a training run's work. taught: roles that the target model reads too. extra: rows
        replayed beside each batch."""
        steps, batch = StepPlan.of(Recipe(**recipe), rows).steps, recipe["batch_size"]
        each = (8 if stage.step.checkpointing else 6) - 2 * (stage.step.adapter > 0)
        worked = each * (batch * roles + extra) + 2 * batch * taught
        length = self._texts(stage.section).row.mean
        stage.flops += self.shape.parameters * length * steps * worked
        stage.updates += steps * -(-(batch + extra) // (stage.step.micro_batch * self.processes))
        stage.steps += steps
        state = resume_bytes(recipe["optimizer"], stage.step.weight_bytes)
        stage.state = KEPT_STATES * state * stage.step.trained_parameters(self.shape)

    def _texts(self, section: str):
        """The texts as a section's recipe cuts them."""
        return self.texts.cut(self.config[section]["max_length"])

    def _saved(self, recipe: dict) -> float:
        """Bytes of a trained model's folder."""
        lora = recipe["lora"]
        kept = lora is not None and lora["adapter"] == "keep"
        return FLOAT * self.shape.adapter(lora) if kept else self.folder

    def _pretrain(self) -> StageCost:
        recipe = self.experiment.recipe("pretrain")
        step = self.step("pretrain", recipe)
        stage = StageCost("pretrain", "pretrain", 1, "pretrain", step, disk=self.folder)
        stage.adaptable = False
        self.add_run(stage, recipe, self._texts("pretrain").pretrain)
        return stage

    def _finetune(self, rule: str, rows: list[int]) -> StageCost:
        recipe = self.experiment.recipe("finetune")
        disk = self._saved(recipe) * len(rows)
        stage = StageCost(
            rule, rule, len(rows), "finetune", self.step("finetune", recipe), disk=disk
        )
        for count in rows:
            self.add_run(stage, recipe, count, extra=self.config["finetune"]["replay_rows"])
        return stage

    def _references(self) -> list[StageCost]:
        """Scores under the target, under each model that a later request goes on from, and under
        each that replaces it."""
        layout, wanted = self.experiment.layout, self.experiment.references()
        splits, before = self.experiment.splits, self.experiment.benchmark.split_before
        rules = {
            "reference": [s for s in splits if layout.reference(s, None) in wanted],
            "reference_on_the_way": [
                cell.split for cell in self.experiment.cells() if before(cell.split)
            ],
            "replaced_reference": [
                split
                for split in splits
                for path in wanted
                if path.parent.parent == layout.reference(split, None).parent
            ],
        }
        return [self._reference(rule, splits) for rule, splits in rules.items() if splits]

    def _reference(self, rule: str, splits: list[str]) -> StageCost:
        texts = self._texts("unlearn")
        tokens = sum(texts.forget(split) for split in splits) * texts.row.mean
        number = HALF if self.pure else FLOAT
        held = self._scored(min(REFERENCE_TOKENS, round(tokens)), number, autocast=self.half)
        flops = 2 * self.shape.parameters * tokens
        return StageCost(rule, rule, len(splits), "", passes=[held], flops=flops)

    def _unlearn(self, method: str) -> StageCost:
        cells = [cell for cell in self.experiment.cells() if cell.method == method]
        disk = self._saved(self.experiment.recipe("unlearn")) * len(cells)
        stage = StageCost("unlearn", f"unlearn {method}", len(cells), "unlearn", disk=disk)
        evaluated = False
        for cell in cells:
            told = self.experiment.method_settings(method, cell.variant, cell.split)
            settings, recipe = told["method"], told["recipe"]
            stage.step = self.step("unlearn", recipe, settings)
            roles, taught = len(settings["roles"]), len(settings["needs"]["teacher"])
            texts = self._texts("unlearn")
            rows = texts.forget if told["anchor"] == "forget" else texts.retrained
            self.add_run(stage, recipe, rows(cell.split), roles, taught)
            points = sum(epoch < recipe["epochs"] for epoch in told["trajectory"])
            if points:
                self._add_evaluation(stage, cell.split, points)
            evaluated |= points > 0
            stage.adaptable = not {"trains", "after"} & settings["hooks"].keys()
        if evaluated:
            others = stage.step.teacher * stage.step.share + ("after" in settings["hooks"])
            stage.passes.append(self._on_the_way(stage.step, others=others))
        return stage

    def _relearn(self) -> list[StageCost]:
        attacks = self.experiment.attacks()
        if not attacks:
            return []
        recipe = self.experiment.recipe("relearn")
        step = self.step("relearn", recipe)
        held = self._on_the_way(step, answers=False)
        stage = StageCost("relearn", "relearn", len(attacks), "relearn", step, [held])
        for cell, attack in attacks:
            rows = self.texts.forget(cell.split)
            self.add_run(stage, recipe, max(1, round(self.experiment.fractions[attack] * rows)))
            scored = SEQUENCES * min(rows, self.config["evaluation"]["rows"] or rows)
            tokens = scored * self.texts.row.mean * (1 + int(recipe["epochs"]))
            stage.flops += 2 * self.shape.parameters * tokens
        return [stage]

    def _evaluate(self) -> list[StageCost]:
        if not self.experiment.benchmark.evaluates(self.config):
            return []
        splits = [*self.experiment.own_splits, *(split for split, _ in self._retrained())]
        splits += [cell.split for cell in self.experiment.cells()]
        gradients = "gradnorm" in self.config["evaluation"]["membership"]
        held = self._batch(self.number, gradients=gradients)
        stage = StageCost("evaluate", "evaluate", len(splits), "", passes=[held])
        for split in splits:
            self._add_evaluation(stage, split, 1)
        return [stage]

    def _harness(self) -> list[StageCost]:
        asked = self.config["harness"]
        if not self.experiment.tasks["tasks"]:
            return []
        models = 1 + len(self._retrained())
        tokens = asked["batch_size"] * HARNESS_TOKENS
        held = Pass(tokens, tokens, self.number)
        jobs = models + len(self.experiment.cells())
        return [StageCost("harness", "harness", jobs, "harness", passes=[held], timed=False)]

    def _add_evaluation(self, stage: StageCost, split: str, times: int) -> None:
        """Add the work of scoring and answering the sets of a split."""
        work = self.texts.evaluation(split, self.config["evaluation"])
        stage.flops += 2 * self.shape.parameters * (work.scored + work.answered) * times
        stage.decoded += work.decoded * times

    def _on_the_way(self, step: Step, others: float = 0, **more) -> Pass:
        """An evaluation between two steps; of a sharded model a whole copy is made for it."""
        others += step.share if step.sharded else 0
        own = {"optimizer": step.optimizer, "trained": step.trained * step.share}
        if step.adapter:
            own |= {"adapter": step.adapter, "autocast": self.half}
        return self._batch(step.weight_bytes, **own, other_models=others, **more)

    def _batch(self, number: int, answers: bool = True, **more) -> Pass:
        tokens = self.config["evaluation"]["batch_tokens"]
        return self._scored(tokens, number, cached=tokens if answers else 0, **more)

    def _scored(self, tokens: int, number: int, **more) -> Pass:
        share = self.texts.row.most_labels / self.texts.row.longest
        return Pass(tokens, round(tokens * share), number, **more)
