"""Estimate the memory of a stage at its peak, from the model's shape and the batch.

The estimate adds up the tensors that autograd keeps for transformers' Llama under this project's
training loop: float32 weights and gradients, attention without a materialised T x T matrix, logits
at labelled positions only. docs/planning.md explains it; benchmarks/memory.py compares it with
measurements.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from unlearning.planning.shapes import Shape

FLOAT, HALF = 4, 2  # bytes of a number
GIB = 2**30
SAFE = 0.85  # usable part of the memory, for measurements differ from estimates by up to 15%
PAGED = "paged_adamw_32bit"
# bytes of a parameter's optimiser states on the GPU (8 bit: with a scale for each 256 of them);
# paged ones are on the host at the peak
STATES = {"adamw": 2 * FLOAT, "adamw8bit": 2 * (1 + FLOAT / 256), PAGED: 0}
HOST_STATES = {PAGED: 2 * FLOAT}


@dataclass(frozen=True)
class Step:
    """The properties of a training step that its memory depends on.

    micro_batch: pairs in one pass, each of `roles` rows. width, labels: tokens of the longest row,
    in all and labelled. full: positions of a pair at which the loss takes all logits. teacher:
    there is a second model. teacher_logits: the loss takes its logits too. accumulates: a batch
    needs more than one pass. trained: share of the parameters that is trained. adapter: parameters
    of a LoRA adapter, which are then the only trained ones. half: bfloat16 by autocast. pure:
    weights, gradients and states in bfloat16. processes: GPUs that share a batch. sharded: each
    process has only a share of the models. copies: whole models beside the trained one of which the
    method makes the unlearned model at the end.
    """

    micro_batch: int
    roles: int
    width: int
    labels: int
    full: int = 0
    teacher: bool = False
    teacher_logits: bool = False
    accumulates: bool = True
    trained: float = 1.0
    adapter: int = 0
    half: bool = True
    optimizer: str = "adamw"
    checkpointing: bool = False
    processes: int = 1
    sharded: bool = False
    pure: bool = False
    copies: int = 0

    @classmethod
    def of(
        cls,
        roles: int,
        logits: dict[str, str],
        teacher: Collection[str],
        width: int,
        labels: int,
        **layout,
    ) -> "Step":
        """The step of a loss that takes all logits of some roles and a teacher's logits of others.

        logits: role -> at which positions: "labels", or any other word for all. layout: the other
        fields.
        """
        positions = [labels if kind == "labels" else width for kind in logits.values()]
        return cls(
            roles=roles,
            width=width,
            labels=labels,
            full=sum(positions),
            teacher=bool(teacher),
            teacher_logits=not logits.keys().isdisjoint(teacher),
            **layout,
        )

    @property
    def tokens(self) -> int:
        """Tokens of one pass, padding included."""
        return self.micro_batch * self.roles * self.width

    def trained_parameters(self, shape: Shape) -> float:
        return self.adapter or self.trained * shape.parameters

    @property
    def weight_bytes(self) -> int:
        """Bytes of a trained weight, and of its gradient; an adapter's are float32."""
        return HALF if self.pure and not self.adapter else FLOAT

    @property
    def share(self) -> float:
        """Part of the model that each process has."""
        return 1 / self.processes if self.sharded else 1.0


def state_bytes(optimizer: str, weight_bytes: int) -> float:
    """Bytes of a parameter's optimiser states on the GPU; AdamW's have the weight's number type."""
    factor = weight_bytes / FLOAT if optimizer == "adamw" else 1
    return STATES[optimizer] * factor


def resume_bytes(optimizer: str, weight_bytes: int) -> float:
    """Bytes of a trained parameter and its states, from which a killed run resumes."""
    return weight_bytes + (HOST_STATES.get(optimizer) or state_bytes(optimizer, weight_bytes))


def model_bytes(shape: Shape, adapter: int, half: bool, pure: bool = False) -> float:
    """Bytes of the weights of a model in training.

    Weights are float32, except all but the adapter's under pure half precision, and the linear
    layers that an adapter leaves frozen under autocast.
    """
    halved = 0
    if pure:
        halved = shape.parameters
    elif adapter and half:
        halved = shape.parameters - shape.embedding
    return FLOAT * (shape.parameters - halved + adapter) + HALF * halved


def layer_activations(shape: Shape, half: bool, adapted: bool = False, pure: bool = False) -> int:
    """Bytes for each token that one layer keeps for its backward pass.

    half: autocast. adapted: with a LoRA adapter; values as narrow as its rank are not counted.
    pure: half precision without autocast.
    """
    h, kv, f = shape.hidden, shape.key_value, shape.feed_forward
    attention = 2 * h + 2 * kv  # query and output, key and value
    feed_forward = 4 * f if shape.gated else 2 * f  # gate, its activation, up, their product
    if pure:
        # the inputs of both norms stay float32; normalised inputs and their scaled copies do not
        return FLOAT * (2 * h + shape.heads) + HALF * (4 * h + attention + feed_forward)
    if not half:
        # of both norms: input, normalised input (which a frozen norm does not need), scaled copy
        norms = 4 * h if adapted else 6 * h
        return FLOAT * (norms + attention + feed_forward + shape.heads)
    # under autocast the residual stream and the norms stay float32, and each projection keeps a
    # half-precision copy of its input: query, key, value, gate and up
    norms = 4 * h if shape.gated else 3 * h
    copies = 5 * h if shape.gated else 4 * h
    if adapted:
        norms -= 2 * h
        copies += h  # the adapter's matrices keep the attention's output once more
    return FLOAT * (norms + shape.heads) + HALF * (copies + attention + feed_forward)


def activation_bytes(shape: Shape, step: Step) -> float:
    """Bytes that the forward pass leaves for the backward pass, without logits."""
    layer = layer_activations(shape, step.half, step.adapter > 0, step.pure)
    if step.checkpointing:
        layer = FLOAT * shape.hidden  # only a layer's input is kept
    return step.tokens * (shape.layers * layer + 3 * FLOAT * shape.hidden)


def logit_bytes(shape: Shape, step: Step, forward_end: bool = False) -> float:
    """The most bytes that logits and what is computed from them take at once.

    At labels: logits and their exponentials in the forward pass, then these and the logits'
    gradient (models/log_probability.py). At positions of which the loss takes all logits: values,
    log-probabilities and gradients, and the teacher's if the loss compares them
    (methods/retain.py). forward_end: before there are gradients, with autocast's half-precision
    logits still there.
    """
    pair = FLOAT * step.micro_batch * shape.vocabulary
    labels: float = pair * step.roles * step.labels
    full: float = pair * step.full
    if forward_end:
        forward = 2 * FLOAT + (HALF if step.half else 0)
        labels, full = labels * forward / (2 * FLOAT), full * forward / (3 * FLOAT)
    # copies of the full logits while those at labels have their gradients, and at their own peak
    with_label_gradients, at_own_peak = (4, 7) if step.teacher_logits else (2, 5)
    return max(2 * labels + with_label_gradients * full, labels + at_own_peak * full)


def training(shape: Shape, step: Step) -> dict[str, float]:
    """Bytes by part at the peak of training, and their `total`.

    The peak is the largest of several moments: the start of the backward pass, its end, the
    optimiser's update; with gradient checkpointing also the end of the forward pass and the
    recomputing of a layer; after the last step the copies of which the unlearned model is made.
    """
    trained = step.trained_parameters(shape)
    activations, logits = activation_bytes(shape, step), logit_bytes(shape, step)

    # what is there all the time
    resident = {"weights": model_bytes(shape, step.adapter, step.half, step.pure) * step.share}
    if step.teacher:
        second_model = (HALF if step.pure else FLOAT) * shape.parameters
        resident["second model"] = second_model * step.share
    resident["optimiser"] = trained * state_bytes(step.optimizer, step.weight_bytes) * step.share
    if step.sharded:
        # FSDP gathers the embeddings and two layers of each model, with the trained one's gradients
        embeddings = shape.embedding * (1 if shape.tied else 2)
        layers = 2 * (shape.parameters - embeddings) / shape.layers
        copies = 3 if step.teacher else 2
        resident["gathered"] = step.weight_bytes * (embeddings + layers) * copies

    gradients = {"gradients": step.weight_bytes * trained * step.share}
    if step.processes > 1 and not step.sharded:
        gradients["gradients"] *= 2  # DDP has a copy of them in its buckets
    earlier_gradients = gradients if step.accumulates else {}

    # autocast copies the weights that it multiplies with to half precision
    autocast = {}
    if step.half:
        copied = shape.multiplied
        if step.adapter:  # frozen layers are in half precision already, but not a tied projection
            copied = step.adapter + (shape.embedding if shape.tied else 0)
        autocast["autocast copies"] = HALF * copied

    backward_start = {**earlier_gradients, "activations": activations, "logits": logits}
    if step.checkpointing:
        # the copies are freed after the forward pass, at whose end logits have no gradients yet
        without_gradients = logit_bytes(shape, step, forward_end=True)
        forward_end = {**backward_start, **autocast, "logits": without_gradients}
        layer = step.tokens * layer_activations(shape, step.half, step.adapter > 0, step.pure)
        recomputing = {**gradients, "activations": activations + layer}
        moments = [backward_start, forward_end, recomputing]
    else:
        moments = [{**backward_start, **autocast}]

    # the embedding's gradient comes last, and is added to that of the tied projection
    trains_all = step.trained == 1 and not step.adapter
    embedding = step.weight_bytes * shape.embedding if trains_all else 0
    moments.append({**gradients, "temporary": embedding})
    # the optimiser updates one tensor at a time, for which paged states come to the GPU
    largest = min(shape.largest * step.share, trained)
    moments.append({**gradients, "temporary": 2 * step.weight_bytes * largest})
    if not step.sharded:  # else they are on the host
        moments.append({"copies": step.copies * step.weight_bytes * shape.parameters})
    return _peak(resident, moments)


@dataclass(frozen=True)
class Pass:
    """A batch without gradients, and what else is in memory with it.

    tokens: of the batch, with padding. labels: labelled ones. weight_bytes: bytes of a weight.
    cached: tokens whose keys and values generation keeps. autocast: whether the weights are also
    copied to half precision. gradients: whether gradients of single rows are taken. models: how
    many there are that answer as one (models/combined.py).

    In evaluations during a run: optimizer, whose states of the share `trained` of the parameters
    stay; adapter: parameters of a LoRA adapter; other_models: how many further models (or shares
    of them) there are.
    """

    tokens: int
    labels: int
    weight_bytes: int
    cached: int = 0
    autocast: bool = False
    gradients: bool = False
    models: int = 1
    optimizer: str | None = None
    trained: float = 1.0
    adapter: int = 0
    other_models: float = 0


def inference(shape: Shape, batch: Pass) -> dict[str, float]:
    """Bytes by part at the peak of scoring or answering a batch, and their `total`."""
    model = batch.weight_bytes * shape.parameters
    beside = batch.models - 1 + batch.other_models
    resident: dict[str, float] = {"weights": model, "second model": model * beside}
    if batch.adapter:
        resident["weights"] = model_bytes(shape, batch.adapter, batch.autocast)
    if batch.optimizer:
        trained = batch.adapter or batch.trained * shape.parameters
        resident["optimiser"] = trained * state_bytes(batch.optimizer, batch.weight_bytes)
    if batch.gradients:
        resident["gradients"] = model * batch.models

    half_logits = HALF if batch.weight_bytes == HALF or batch.autocast else 0
    widths = 3 * shape.hidden + 3 * shape.feed_forward
    scoring: dict[str, float] = {}
    if batch.autocast and not batch.adapter:
        scoring["autocast copies"] = HALF * shape.multiplied
    scoring["activations"] = batch.tokens * max(batch.weight_bytes, FLOAT) * widths
    # logits, in half precision first, and their log-probabilities
    logits = 2 * FLOAT + half_logits
    if batch.models > 1:
        # before: those of both models, and two steps of what combines them
        logits = max(logits, (batch.models + 2) * batch.weight_bytes)
    scoring["logits"] = logits * batch.labels * shape.vocabulary

    keys_and_values = 2 * shape.key_value * shape.layers * batch.weight_bytes
    answering: dict[str, float] = {
        "key-value cache": keys_and_values * batch.cached * batch.models,
        "activations": batch.cached * batch.weight_bytes * widths,
    }
    return _peak(resident, [scoring, answering])


def _peak(resident: dict[str, float], moments: list[dict[str, float]]) -> dict[str, float]:
    """The parts at the largest moment, without those of 0 bytes, and their total."""
    moment = max(moments, key=lambda parts: sum(parts.values()))
    parts = {name: size for name, size in {**resident, **moment}.items() if size}
    return {**parts, "total": sum(parts.values())}


def room(memory: float) -> float:
    """Bytes of a GPU's memory for tensors: the CUDA context and fragmentation take 1 GiB."""
    return memory - GIB


def largest_micro_batch(shape: Shape, step: Step, batch: int, room: float) -> int:
    """The largest micro-batch of a batch of `batch` pairs that fits into `room` bytes; 1 if none
    does."""
    for micro_batch in range(-(-batch // step.processes), 1, -1):
        accumulates = batch > micro_batch * step.processes
        candidate = replace(step, micro_batch=micro_batch, accumulates=accumulates)
        if training(shape, candidate)["total"] <= SAFE * room:
            return micro_batch
    return 1


def host_bytes(shape: Shape, step: Step) -> float:
    """Bytes of host memory that training on a GPU takes: models are loaded there in float32, the
    state to resume from is gathered there before it is written, and a sharded model's copies."""
    models = 2 if step.teacher else 1
    if step.sharded and step.copies:
        models = max(models, 1 + step.copies)
    state = resume_bytes(step.optimizer, step.weight_bytes) * step.trained_parameters(shape)
    return max(FLOAT * shape.parameters * models, state)
