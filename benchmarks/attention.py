"""Attention of packed rows: our dense mask beside flex attention, varlen attention and padding.

    python benchmarks/attention.py --data path/to/tofu --device cuda --shape 7b

Forward and backward of one layer's attention, all heads with keys of their own, on random numbers
laid out as TOFU's rows are: a pass of NPO+RT, and a batch of an evaluation's answers, whose prompts
stand once. Varlen attention and padding repeat the prompts. On a GPU in bfloat16. The CPU, in
float32, is for rehearsals: it has no varlen attention, and of flex attention no backward pass. What
cannot run prints why.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from steps import SHAPES
from tofu_rows import SCORED, answers_of, encoder_of, evaluated, forget10, tokenizer_of, write
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from unlearning.data.encoding import Example
from unlearning.data.packing import Packed, group_by_prompt, pack

SIZES = {name: (shape.heads, shape.hidden // shape.heads) for name, shape in SHAPES.items()}
SIZES["tiny"] = (2, 16)  # heads, width of a head
HEAD = "| rows | kind | tokens | ms a layer | over ours |\n|---|---|---|---|---|"


def workloads(args: argparse.Namespace) -> dict[str, list[Example]]:
    """Name -> the sequences that go through a layer at once."""
    tokenizer = tokenizer_of(args.data, 8000)
    roles = forget10(args.data, tokenizer)
    pairs = [row for role in ("forget", "retain") for row in roles[role][: args.pairs]]
    encoder = encoder_of(tokenizer, SCORED)
    answers: list[Example] = []
    for row in evaluated(args.data)["forget"]:
        if sum(tree.tokens for tree in group_by_prompt(answers)) >= args.batch_tokens:
            break
        for texts in answers_of(row).values():
            answers += [encoder.encode(row["question"], text) for text in texts]
    return {f"training, {args.pairs} pairs": pairs, "likelihoods": list(dict.fromkeys(answers))}


def heads_of(shape: tuple[int, ...], device: torch.device) -> list[Tensor]:
    """Queries, keys and values of a shape."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    return [torch.randn(shape, device=device, dtype=dtype, requires_grad=True) for _ in range(3)]


def dense(packed: Packed, size: tuple[int, int], device: torch.device) -> Callable[[], Tensor]:
    """As ours runs: PyTorch's attention with a mask of all pairs of tokens of a row."""
    rows, width = packed.ids.shape
    mask = packed.mask if packed.mask is None else packed.mask.to(device)
    query, key, value = heads_of((rows, size[0], width, size[1]), device)
    causal = mask is None
    return lambda: scaled_dot_product_attention(query, key, value, mask, is_causal=causal)


def flex(packed: Packed, size: tuple[int, int], device: torch.device) -> Callable[[], Tensor]:
    """Flex attention: blocks of pairs that no token sees are skipped."""
    rows, width = packed.ids.shape
    seen = torch.ones(rows, 1, width, width, dtype=torch.bool).tril()
    seen = (seen if packed.mask is None else packed.mask).to(device)
    blocks = create_block_mask(
        lambda row, head, at, other: seen[row, 0, at, other], rows, None, width, width, device
    )
    query, key, value = heads_of((rows, size[0], width, size[1]), device)
    if device.type == "cuda":
        compiled = torch.compile(flex_attention)
        return lambda: compiled(query, key, value, block_mask=blocks)
    # on the CPU it has no backward pass: the forward pass alone rehearses the blocks
    inputs = [part.detach() for part in (query, key, value)]
    return lambda: flex_attention(*inputs, block_mask=blocks)


def varlen(packed: Packed, size: tuple[int, int], device: torch.device) -> Callable[[], Tensor]:
    """PyTorch's varlen attention: sequences end to end, no mask."""
    from torch.nn.attention.varlen import varlen_attn

    if device.type != "cuda":
        raise RuntimeError("needs CUDA")
    lengths = torch.tensor([len(example.ids) for example in packed.examples])
    ends = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
    ends = ends.to(device, torch.int32)
    longest, tokens = int(lengths.max()), int(lengths.sum())
    query, key, value = heads_of((tokens, *size), device)
    causal = {"window_size": (-1, 0)}
    return lambda: varlen_attn(query, key, value, ends, ends, longest, longest, **causal)


def padded(packed: Packed, size: tuple[int, int], device: torch.device) -> Callable[[], Tensor]:
    """One sequence a row, as wide as the longest, causal."""
    width = max(len(example.ids) for example in packed.examples)
    query, key, value = heads_of((len(packed.examples), size[0], width, size[1]), device)
    return lambda: scaled_dot_product_attention(query, key, value, is_causal=True)


KINDS = {"ours, dense mask": dense, "flex": flex, "varlen": varlen, "padded": padded}


def tokens_of(kind: str, packed: Packed) -> int:
    """Tokens, padding included, that a kind of attention processes."""
    lengths = [len(example.ids) for example in packed.examples]
    if kind == "varlen":
        return sum(lengths)
    return len(lengths) * max(lengths) if kind == "padded" else packed.ids.numel()


def milliseconds(call: Callable[[], Tensor], rounds: int, device: torch.device) -> float:
    """Of a forward and backward pass, the mean over rounds, the first left out."""

    def passes() -> None:
        output = call()
        if output.requires_grad:
            output.sum().backward()

    passes()
    if device.type == "cuda":
        torch.cuda.synchronize()
    since = time.perf_counter()
    for _ in range(rounds):
        passes()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - since) / rounds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of TOFU's JSON files")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--shape", choices=SIZES, default="tiny")
    parser.add_argument("--pairs", type=int, default=16, help="of a pass of training")
    parser.add_argument("--batch-tokens", type=int, default=16384, help="of a pass of evaluation")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path, help="file to write")
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.backends.cuda.enable_cudnn_sdp(False)  # as in the stages (training/session.py)
    print(HEAD, flush=True)
    results = []
    for name, examples in workloads(args).items():
        packed, ours = pack(examples), None
        for kind, prepare in KINDS.items():
            try:
                took = milliseconds(prepare(packed, SIZES[args.shape], device), args.rounds, device)
            except Exception as error:  # a kind that this build of PyTorch lacks
                print(f"| {name} | {kind} | | {type(error).__name__}: {str(error)[:60]} | |")
                continue
            ours = ours or took
            tokens = tokens_of(kind, packed)
            results.append({"rows": name, "kind": kind, "tokens": tokens, "ms": took})
            print(f"| {name} | {kind} | {tokens:,} | {took:.2f} | {took / ours:.2f} |", flush=True)
    write(args.json, {"shape": args.shape, "attention": results})


if __name__ == "__main__":
    main()
