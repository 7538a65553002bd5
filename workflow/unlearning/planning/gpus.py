"""A table of GPUs, and the estimate of a stage's GPU-hours."""

from dataclasses import dataclass, replace

from unlearning.planning.memory import FLOAT, HALF, HOST_STATES, PAGED, room, training
from unlearning.planning.shapes import Shape
from unlearning.planning.stages import StageCost

MIB = 2**20


@dataclass(frozen=True)
class Gpu:
    """A GPU's memory and speed.

    memory: bytes that nvidia-smi shows. half, single: dense FLOP/s of bfloat16 with float32 sums,
    and of float32 without TF32. bandwidth: bytes per second. None: not known.
    """

    memory: float
    half: float | None = None
    single: float | None = None
    bandwidth: float | None = None

    @property
    def room(self) -> float:
        """Bytes for tensors."""
        return room(self.memory)


# Speeds from NVIDIA's data sheets (A100: nvidia-a100-datasheet-us-nvidia-1758950; H100: SXM5,
# dense; H200; L40S; RTX 4090: the Ada whitepaper, float32 accumulate), without sparsity.
GPUS = {
    "A100-40": Gpu(40960 * MIB, 312e12, 19.5e12, 1.555e12),
    "A100-80": Gpu(81920 * MIB, 312e12, 19.5e12, 2.039e12),
    "H100-80": Gpu(81559 * MIB, 989e12, 67e12, 3.35e12),
    "H200-141": Gpu(143771 * MIB, 989e12, 67e12, 4.8e12),
    "L40S-48": Gpu(46068 * MIB, 362e12, 91.6e12, 0.864e12),
    "RTX4090-24": Gpu(24564 * MIB, 165e12, 82.6e12, 1.008e12),
}
# Model FLOP/s utilisation, low for rows as short as TOFU's. Measured on an H200: 0.19 of a step of
# 7 B, 0.13 of 1 B (reports/benchmarks/gpu.md); a GPU of a lower peak comes closer to its own.
MFU = 0.2
LINK = 25e9  # bytes per second each way between host and GPU: PCIe 4.0, 16 lanes
LAUNCH = 1e-3  # seconds to start one layer's kernels, three times in a pass with gradients
ASSUMPTIONS = (
    f"{MFU:.0%} of the GPU's dense peak FLOP/s; 6 FLOPs a parameter and token in training (8 with "
    "gradient checkpointing, 2 less with LoRA, 2 more for the target model's pass), 2 in "
    "evaluation; at least "
    f"{1000 * LAUNCH:g} ms a layer for each generated token and {3000 * LAUNCH:g} ms for each "
    f"training pass; {LINK / 1e9:g} GB/s between host and GPU for states that are paged; loading "
    "and saving are not counted; rows as long as TOFU's, MUSE's texts as published, yours as they "
    "are, 4.2 bytes a token",
    "several GPUs share a job's time, not its memory: each holds the whole model (DDP), unless "
    "resources.sharding is shard",
)


def hours(gpu: Gpu, shape: Shape, stage: StageCost, half: bool) -> float | None:
    """GPU-hours of all jobs of a stage; None if the GPU's speed or the stage's work is not
    known."""
    speed = gpu.half if half else gpu.single
    if speed is None or gpu.bandwidth is None or not stage.timed:
        return None
    # arithmetic is shared out over a job's GPUs; what each waits for counts once for each
    gpus = stage.step.processes if stage.step else 1
    # small models wait for kernels to start, large ones for the arithmetic
    launch = shape.layers * LAUNCH
    computing = max(stage.flops / (MFU * speed), 3 * launch * stage.updates * gpus)
    # a token takes a pass over all weights
    read_weights = (HALF if half else FLOAT) * shape.parameters / gpu.bandwidth
    decoding = stage.decoded * max(launch, read_weights)
    # paged states for which the GPU has no room move there and back in each step
    paging = 0.0
    if stage.step and stage.step.optimizer == PAGED:
        resident = replace(stage.step, optimizer="adamw")
        if training(shape, resident)["total"] > gpu.room:
            states = HOST_STATES[PAGED] * stage.step.trained_parameters(shape)
            paging = 2 * states * stage.steps * gpus / LINK
    return (computing + paging + decoding) / 3600
