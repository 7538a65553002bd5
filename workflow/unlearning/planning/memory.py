"""How much memory a stage takes at its peak, from the model's shape and what is in it at once.

The accounts follow the tensors that autograd keeps in transformers' Llama under this project's
training loop: float32 master weights and gradients, attention without a materialised T x T matrix,
logits at the labelled positions only. benchmarks/memory.py compares them with what is measured.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from unlearning.planning.shapes import Shape

FLOAT, HALF = 4, 2  # bytes of a number
GIB = 2**30
PAGED = "paged_adamw_32bit"
# bytes of states on the GPU (8 bit: scale per 256); paged ones lie on the host at the peak
STATES = {"adamw": 2 * FLOAT, "adamw8bit": 2 * (1 + FLOAT / 256), PAGED: 0}
HOST_STATES = {PAGED: 2 * FLOAT}


@dataclass(frozen=True)
class Step:
    """What one training pass holds.

    micro_batch: pairs in a pass, each of `roles` rows. width, labels: tokens of the longest row, in
    all and labelled. full: positions of a pair whose logits are kept whole. teacher: a second
    model. taught: its logits are kept too. accumulates: a batch is more than one pass. trained:
    share of the parameters that is trained. adapter: parameters of a LoRA adapter, which then is
    all that is trained. processes: GPUs that share a batch; sharded: each holds its share of the
    models only. pure: weights, gradients and states in half precision.
    """

    micro_batch: int
    roles: int
    width: int
    labels: int
    full: int = 0
    teacher: bool = False
    taught: bool = False
    accumulates: bool = True
    trained: float = 1.0
    adapter: int = 0
    half: bool = True
    optimizer: str = "adamw"
    checkpointing: bool = False
    processes: int = 1
    sharded: bool = False
    pure: bool = False

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
        """The step of a loss that asks for these logits (role -> labels or all) and for a teacher's
        logits of these roles. layout: the other fields."""
        positions = [labels if kind == "labels" else width for kind in logits.values()]
        taught = bool(set(teacher) & set(logits))
        return cls(
            roles=roles,
            width=width,
            labels=labels,
            full=sum(positions),
            teacher=bool(teacher),
            taught=taught,
            **layout,
        )

    @property
    def tokens(self) -> int:
        """Of one pass, padding included."""
        return self.micro_batch * self.roles * self.width

    def numbers(self, shape: Shape) -> float:
        """How many are trained."""
        return self.adapter or self.trained * shape.parameters

    @property
    def number(self) -> int:
        """Bytes of a weight and of its gradient; an adapter's are float32."""
        return HALF if self.pure and not self.adapter else FLOAT

    @property
    def share(self) -> float:
        """Part of the model that a process holds."""
        return 1 / self.processes if self.sharded else 1.0


def states(optimizer: str, number: int) -> float:
    """Bytes of a parameter's states; AdamW's are of the kind of its weight, of `number` bytes."""
    return STATES[optimizer] * (number / FLOAT if optimizer == "adamw" else 1)


def weights(shape: Shape, adapter: int, half: bool, pure: bool = False) -> float:
    """Bytes of a model in training: float32, but of the linear layers that an adapter leaves
    frozen under half precision, and of all but the adapter under pure half precision."""
    halved = shape.parameters - (0 if pure else shape.embedding)
    frozen = halved if pure or (adapter and half) else 0
    return FLOAT * (shape.parameters - frozen + adapter) + HALF * frozen


def layer_activations(shape: Shape, half: bool, adapted: bool = False, pure: bool = False) -> int:
    """Bytes a token that one layer keeps for its backward pass.

    float32: input, normalised input and its scaled copy of both norms; query, key, value and output
    of attention; gate, its activation, up and their product. Under autocast the residual stream and
    the norms stay float32, and every projection keeps a half-precision copy of its input. adapted:
    frozen norms need no normalised input; the adapter's matrices keep the inputs that frozen layers
    need not, the attention's output once more; what is as narrow as their rank is not counted. Pure
    half precision: all of it in half, but the norms' float32 inputs.
    """
    h, kv, f = shape.hidden, shape.key_value, shape.feed_forward
    wide = 4 * f if shape.gated else 2 * f
    if pure:
        return FLOAT * (2 * h + shape.heads) + HALF * (6 * h + 2 * kv + wide)
    if not half:
        return FLOAT * ((6 if adapted else 8) * h + 2 * kv + wide + shape.heads)
    copies = 5 * h if shape.gated else 4 * h  # inputs of query, key, value, gate and up
    copies += h * adapted
    norms = (4 * h if shape.gated else 3 * h) - 2 * h * adapted
    return FLOAT * (norms + shape.heads) + HALF * (copies + 2 * h + 2 * kv + wide)


def activations(shape: Shape, step: Step) -> float:
    """Bytes that the forward pass leaves for the backward pass, logits apart."""
    layer = FLOAT * shape.hidden
    if not step.checkpointing:
        layer = layer_activations(shape, step.half, step.adapter > 0, step.pure)
    return step.tokens * (shape.layers * layer + 3 * FLOAT * shape.hidden)


def logits(shape: Shape, step: Step) -> float:
    """Bytes of next-token logits when they are most.

    Labels: log-probabilities, their gradient, and that of the logits. Whole positions: values,
    log-probabilities and gradients, with the teacher's where the loss compares (methods/retain.py).
    """
    pair = FLOAT * step.micro_batch * shape.vocabulary
    label, full = pair * step.roles * step.labels, pair * step.full
    kept, most = (4, 7) if step.taught else (2, 5)
    return max(3 * label + kept * full, label + most * full)


def training(shape: Shape, step: Step) -> dict[str, float]:
    """Bytes by what they are for at the peak of training: `total` is their sum.

    Moments compete: the start of the backward pass, its end, the optimiser's step. Autocast's
    half-precision copies of the weights are gone with the forward pass if layers are recomputed;
    then its end and the recomputing of a layer are moments too.
    """
    trained = step.numbers(shape)
    entire = step.trained == 1 and not step.adapter
    share = step.share
    second = (HALF if step.pure else FLOAT) * shape.parameters
    held = {
        "weights": weights(shape, step.adapter, step.half, step.pure) * share,
        "second model": second * share * step.teacher,
        "optimiser": trained * states(step.optimizer, step.number) * share,
    }
    if step.sharded:  # embeddings and two layers of each model, with gradients of the trained one
        ends = shape.embedding * (1 if shape.tied else 2)
        layers = 2 * (shape.parameters - ends) / shape.layers
        held["gathered"] = step.number * (ends + layers) * (2 + step.teacher)
    buckets = 2 if step.processes > 1 and not step.sharded else 1  # DDP's
    gradients = {"gradients": step.number * trained * share * buckets}
    kept = {"activations": activations(shape, step)}
    earlier = gradients if step.accumulates else {}
    copied = shape.multiplied
    if step.adapter:  # the frozen layers are their own copies, but for a tied projection
        copied = step.adapter + shape.embedding * shape.tied
    copies = {"autocast copies": HALF * copied * step.half}
    moments = [{**earlier, **kept, "logits": logits(shape, step)}]
    if step.checkpointing:
        layer = step.tokens * layer_activations(shape, step.half, step.adapter > 0, step.pure)
        moments += [
            {**moments[0], **copies},
            {**gradients, "activations": kept["activations"] + layer},
        ]
        moments[1]["logits"] *= (2 * FLOAT + HALF * step.half) / (3 * FLOAT)  # before gradients
    else:
        moments[0] |= copies
    # the gradient of the embedding, beside the one that it is added to
    moments.append({**gradients, "temporary": step.number * shape.embedding * entire})
    largest = min(shape.largest * share, trained)  # one tensor's update, or its paged states
    moments.append({**gradients, "temporary": 2 * step.number * largest})
    return _largest([{**held, **moment} for moment in moments])


@dataclass(frozen=True)
class Pass:
    """A batch without gradients. tokens: with padding. labels: labelled ones. number: bytes of a
    weight. cached: tokens whose keys and values are kept, in generation. autocast: see training.
    gradients: a row's are taken too. What a run that is evaluated on the way keeps: the states of
    an optimiser over the share `trained`, `others` models, shares of sharded ones too, and the
    weights beside an `adapter`."""

    tokens: int
    labels: int
    number: int
    cached: int = 0
    autocast: bool = False
    gradients: bool = False
    optimizer: str | None = None
    trained: float = 1.0
    adapter: int = 0
    others: float = 0


SAFE = 0.85  # of the room: what is predicted lies within 15% of what is measured


def room(memory: float) -> float:
    """Bytes for tensors of a GPU's memory: a CUDA context and the allocator's waste take 1 GiB."""
    return memory - GIB


def most_pairs(shape: Shape, step: Step, batch: int, room: float) -> int:
    """The largest micro-batch of a global batch of `batch` pairs that fits into `room` bytes; one
    if none does."""
    for micro_batch in range(-(-batch // step.processes), 1, -1):
        accumulates = batch > micro_batch * step.processes
        tried = replace(step, micro_batch=micro_batch, accumulates=accumulates)
        if training(shape, tried)["total"] <= SAFE * room:
            return micro_batch
    return 1


def inference(shape: Shape, batch: Pass) -> dict[str, float]:
    """Bytes by what they are for when a batch is scored or continued: `total` is their sum."""
    whole = batch.number * shape.parameters
    own = weights(shape, batch.adapter, batch.autocast) if batch.adapter else whole
    held = {"weights": own, "second model": whole * batch.others}
    if batch.optimizer:
        trained = batch.adapter or batch.trained * shape.parameters
        held["optimiser"] = trained * states(batch.optimizer, batch.number)
    held["gradients"] = whole * batch.gradients
    copies = HALF * shape.multiplied * batch.autocast * (not batch.adapter)
    h, f = shape.hidden, shape.feed_forward
    # half-precision logits, their float32 copy and its log-probabilities
    logit = 2 * FLOAT + (HALF if batch.number == HALF or batch.autocast else 0)
    scoring = {
        "autocast copies": copies,
        "activations": batch.tokens * max(batch.number, FLOAT) * (3 * h + 3 * f),
        "logits": logit * batch.labels * shape.vocabulary,
    }
    stored = 2 * shape.key_value * shape.layers * batch.number * batch.cached
    answering = {
        "key-value cache": stored,
        "activations": batch.cached * batch.number * (3 * h + 3 * f),
    }
    return _largest([{**held, **moment} for moment in (scoring, answering)])


def host(shape: Shape, step: Step) -> float:
    """Bytes that training takes of a GPU's host: models are loaded there, in float32; what a killed
    run goes on from, trained weights and their states, is gathered there to be written."""
    loaded = FLOAT * shape.parameters * (2 if step.teacher else 1)
    return max(loaded, resumable(step.optimizer, step.number) * step.numbers(shape))


def resumable(optimizer: str, number: int) -> float:
    """Bytes that a killed run needs of each trained number of `number` bytes: it and its states."""
    return number + (HOST_STATES.get(optimizer) or states(optimizer, number))


def _largest(moments: list[dict[str, float]]) -> dict[str, float]:
    peak = max(moments, key=lambda moment: sum(moment.values()))
    return {**{k: v for k, v in peak.items() if v}, "total": sum(peak.values())}
