"""Many sequences as few rows of tokens: prompts in common once, hardly any padding.

The answers to one question (true, paraphrased, perturbed) share its prompt: a tree, with the prompt
as trunk and a branch for each answer. Trees stand one behind the other in a row. Attention lets a
token see what comes before it in its own sequence and nothing else, and positions count within
each sequence, so that each is scored as if it stood alone.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from os.path import commonprefix

import torch
from torch import Tensor

from unlearning.data.encoding import Example

LONGEST = 1024  # tokens of a row of several sequences: attention's cost grows with their square
PADDED = 1.05  # tokens of all rows, over those of their trees
Places = tuple[Tensor, Tensor]  # rows and columns of tokens, both (N,)
Span = tuple[int, int, int]  # a sequence, its first token and the token after its last


@dataclass(frozen=True)
class Tree:
    """branches: indices of the examples. trunk: tokens that all of them begin with. tokens: the
    trunk's and all branches'."""

    branches: tuple[int, ...]
    trunk: int
    tokens: int


def group_by_prompt(examples: list[Example], shared: bool = True) -> list[Tree]:
    """The examples in trees, by their prompts; one without its like is a tree of its own, and so
    is each unless `shared`."""
    if not shared:
        return [Tree((index,), e.start, len(e.ids)) for index, e in enumerate(examples)]
    alike: dict[tuple, list[int]] = {}
    for index, example in enumerate(examples):
        # a tokenizer may join the prompt's last character with the answer's first
        prompt = example.ids[: example.start - 1] or (-index,)
        alike.setdefault(prompt, []).append(index)
    return [tree for indices in alike.values() for tree in _split(examples, indices)]


def _split(examples: list[Example], indices: list[int]) -> list[Tree]:
    """Trees of at most LONGEST tokens, or of one branch."""
    trunk = len(commonprefix([examples[i].ids for i in indices]))
    trunk = min(trunk, *(examples[i].start for i in indices))
    found, branches, tokens = [], [], trunk
    for index in indices:
        own = len(examples[index].ids) - trunk
        if branches and tokens + own > LONGEST:
            found.append(Tree(tuple(branches), trunk, tokens))
            branches, tokens = [], trunk
        branches.append(index)
        tokens += own
    return [*found, Tree(tuple(branches), trunk, tokens)]


def pack_rows(lengths: list[int]) -> list[list[int]]:
    """Indices of the things of these lengths, row by row: the shortest rows that pad at most
    PADDED, or those of at most LONGEST tokens that pad least; one in a row where they are long."""
    total, longest = sum(lengths), max(lengths)
    least, best = len(lengths) * longest, [[index] for index in range(len(lengths))]
    for count in range(total // longest, -(-total // LONGEST) - 1, -1):
        rows, width = _first_fit(lengths, count)
        if width <= LONGEST and count * width < least:
            least, best = count * width, rows
        if least <= PADDED * total:
            break
    return best


def _first_fit(lengths: list[int], count: int) -> tuple[list[list[int]], int]:
    """`count` rows, each length dealt to the emptiest, the longest first; and the fullest's."""
    rows: list[list[int]] = [[] for _ in range(count)]
    filled = [(0, row) for row in range(count)]
    for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        tokens, row = heapq.heappop(filled)
        rows[row].append(index)
        heapq.heappush(filled, (tokens + lengths[index], row))
    return rows, max(filled)[0]


@dataclass(frozen=True)
class Packed:
    """S sequences in B rows of T tokens.

    ids: (B, T). positions: (B, T) of each token in its sequence. mask: (B, 1, T, T) bool, what each
    token sees; None where every row is one sequence, for which causal attention is enough.
    examples: the sequences. spots: row, column of the first token, tokens in the trunk and column
    of the first token after it, of each sequence.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor | None
    examples: list[Example]
    spots: list[tuple[int, int, int, int]]

    def places(self, spans: Iterable[Span]) -> Places:
        """Where tokens stand: (sequence, first token, token after the last) in the order given."""
        rows: list[int] = []
        columns: list[int] = []
        for sequence, first, end in spans:
            row, start, trunk, branch = self.spots[sequence]
            rows += [row] * (end - first)
            columns += range(start + first, start + min(trunk, end))
            columns += range(branch + max(first, trunk) - trunk, branch + end - trunk)
        return torch.tensor(rows), torch.tensor(columns)

    def labels(self) -> tuple[Places, Tensor, Tensor]:
        """Of the N labels of all sequences, in order: where the token before each stands, which
        predicts it; the labels (N,); their sequences (N,)."""
        spans = [(i, e.start - 1, len(e.ids) - 1) for i, e in enumerate(self.examples)]
        own = [token for e in self.examples for token in e.ids[e.start :]]
        counts = torch.tensor([end - first for _, first, end in spans])
        sequence = torch.arange(len(counts)).repeat_interleave(counts)
        return self.places(spans), torch.tensor(own), sequence


def pack(examples: list[Example], shared: bool = True) -> Packed:
    """The examples in rows of trees; one in each row unless `shared`."""
    trees = group_by_prompt(examples, shared)
    rows = pack_rows([t.tokens for t in trees]) if shared else [[k] for k in range(len(trees))]
    shape = len(rows), max(sum(trees[k].tokens for k in row) for row in rows)
    ids, positions, tree_of, branch_of = (torch.zeros(shape, dtype=torch.long) for _ in range(4))
    spots = [(0, 0, 0, 0)] * len(examples)
    for place, row in enumerate(rows):
        end = 0
        for number, tree in enumerate((trees[k] for k in row), start=1):  # 0 is padding
            first, trunk = end, tree.trunk
            tree_of[place, first : first + tree.tokens] = number
            ids[place, first : first + trunk] = _long(examples[tree.branches[0]].ids[:trunk])
            positions[place, first : first + trunk] = torch.arange(trunk)
            end = first + trunk
            for branch, index in enumerate(tree.branches, start=1):  # 0 is the trunk
                own = _long(examples[index].ids[trunk:])
                here = slice(end, end + len(own))
                ids[place, here], branch_of[place, here] = own, branch
                positions[place, here] = torch.arange(trunk, trunk + len(own))
                spots[index] = place, first, trunk, end
                end = here.stop
    mask = None if len(rows) == len(examples) else _mask(tree_of, branch_of)
    if mask is None:  # padding that counts on: else transformers takes it for further sequences
        positions = torch.arange(shape[1]).expand(shape)
    return Packed(ids, positions, mask, examples, spots)


def _long(ids: tuple[int, ...]) -> Tensor:
    return torch.tensor(ids, dtype=torch.long)


def _mask(tree: Tensor, branch: Tensor) -> Tensor:
    """(B, 1, T, T) of (B, T) trees and branches."""
    same = tree[:, None, :] == tree[:, :, None]
    same &= (branch[:, None, :] == 0) | (branch[:, None, :] == branch[:, :, None])
    return same.tril()[:, None]
