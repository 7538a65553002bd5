"""Many sequences as few rows of tokens: beginnings in common once, hardly any padding.

The answers to one question (true, paraphrased, perturbed) share its prompt, and many of them their
first words: a tree, whose branches part where answers first differ. Trees stand one behind the
other in a row. Attention lets a token see what comes before it in its own sequence and nothing
else, and positions count within each sequence, so that each is scored as if it stood alone.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearning.data.encoding import Example

LONGEST = 1024  # tokens of a row of several sequences: attention's cost grows with their square
PADDED = 1.05  # tokens of all rows, over those of their trees
Places = tuple[Tensor, Tensor]  # rows and columns of tokens, both (N,)
Span = tuple[int, int, int]  # a sequence, its first token and the token after its last


@dataclass(frozen=True)
class Tree:
    """branches: indices of the examples. tokens: those of all of them, common beginnings once."""

    branches: tuple[int, ...]
    tokens: int


class Prefixes:
    """Columns of tokens, the same for the same beginning; `first` is the column of the first."""

    def __init__(self, first: int = 0):
        self.columns: dict[tuple[int, int], int] = {}  # (column of the token before, token)
        self.end = first  # the next free column

    def add(self, ids: tuple[int, ...]) -> list[int]:
        """The columns of a sequence's tokens; those that are new come last."""
        columns, before = [], -1
        for token in ids:
            before = self.columns.setdefault((before, token), self.end)
            self.end = max(self.end, before + 1)
            columns.append(before)
        return columns


def group_by_prompt(examples: list[Example], shared: bool = True) -> list[Tree]:
    """The examples in trees, by their prompts; one without its like is a tree of its own, and so
    is each unless `shared`."""
    if not shared:
        return [Tree((index,), len(e.ids)) for index, e in enumerate(examples)]
    alike: dict[tuple, list[int]] = {}
    for index, example in enumerate(examples):
        # a tokenizer may join the prompt's last character with the answer's first
        prompt = example.ids[: example.start - 1] or (-index,)
        alike.setdefault(prompt, []).append(index)
    return [tree for indices in alike.values() for tree in _split(examples, indices)]


def _split(examples: list[Example], indices: list[int]) -> list[Tree]:
    """Trees of at most LONGEST tokens, or of one branch."""
    if len(indices) == 1:
        return [Tree((indices[0],), len(examples[indices[0]].ids))]
    trees: list[Tree] = []
    branches: list[int] = []
    tokens, prefixes = 0, Prefixes()
    for index in indices:
        prefixes.add(examples[index].ids)
        if branches and prefixes.end > LONGEST:
            trees.append(Tree(tuple(branches), tokens))
            branches, prefixes = [], Prefixes()
            prefixes.add(examples[index].ids)
        branches.append(index)
        tokens = prefixes.end
    return [*trees, Tree(tuple(branches), tokens)]


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
class Labels:
    """The N labels of all sequences, in order.

    before: where the U distinct tokens stand that predict them. index: (N,) which of these predicts
    each label. labels: (N,) token ids. sequence: (N,) whose label it is.
    """

    before: Places
    index: Tensor
    labels: Tensor
    sequence: Tensor


@dataclass(frozen=True)
class Packed:
    """S sequences in B rows of T tokens.

    ids: (B, T). positions: (B, T) of each token in its sequence. mask: (B, 1, T, T) bool, what each
    token sees; None where every row is one sequence, for which causal attention is enough.
    examples: the sequences. rows, columns: where the tokens of each stand.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor | None
    examples: list[Example]
    rows: list[int]
    columns: list[list[int]]

    def places(self, spans: Iterable[Span]) -> Places:
        """Where tokens stand: (sequence, first token, token after the last) in the order given."""
        rows: list[int] = []
        columns: list[int] = []
        for sequence, first, end in spans:
            rows += [self.rows[sequence]] * (end - first)
            columns += self.columns[sequence][first:end]
        return torch.tensor(rows), torch.tensor(columns)

    def labels(self) -> Labels:
        """The labels, and where the tokens before them stand."""
        spans = [(i, e.start - 1, len(e.ids) - 1) for i, e in enumerate(self.examples)]
        labels = [token for e in self.examples for token in e.ids[e.start :]]
        counts = torch.tensor([end - first for _, first, end in spans])
        sequence = torch.arange(len(counts)).repeat_interleave(counts)
        rows, columns = self.places(spans)
        width = self.ids.shape[1]
        distinct, index = (rows * width + columns).unique(return_inverse=True)
        return Labels((distinct // width, distinct % width), index, torch.tensor(labels), sequence)


def pack(examples: list[Example], shared: bool = True) -> Packed:
    """The examples in rows of trees; one in each row unless `shared`."""
    trees = group_by_prompt(examples, shared)
    packed = pack_rows([t.tokens for t in trees]) if shared else [[k] for k in range(len(trees))]
    height, width = len(packed), max(sum(trees[k].tokens for k in row) for row in packed)
    ids, positions = (torch.zeros((height, width), dtype=torch.long) for _ in range(2))
    masked = height < len(examples)
    mask = torch.zeros((height, width, width), dtype=torch.bool) if masked else None
    if mask is None:  # padding that counts on: else transformers takes it for further sequences
        positions = torch.arange(width).expand(height, width)
    rows, columns = [0] * len(examples), [[0]] * len(examples)
    for row, numbers in enumerate(packed):
        end = 0
        for number in numbers:
            prefixes = Prefixes(first=end)
            for index in trees[number].branches:
                tokens = examples[index].ids
                rows[index], columns[index] = row, prefixes.add(tokens)
                new = slice(end, prefixes.end)
                shared_tokens = len(tokens) - (prefixes.end - end)
                ids[row, new] = torch.tensor(tokens[shared_tokens:], dtype=torch.long)
                if mask is not None:
                    positions[row, new] = torch.arange(shared_tokens, len(tokens))
                    _see(mask[row], new, columns[index][:shared_tokens])
                end = prefixes.end
        if mask is not None:
            _see(mask[row], slice(end, width), [])  # padding: a softmax over nothing is NaN
    return Packed(ids, positions, None if mask is None else mask[:, None], examples, rows, columns)


def _see(mask: Tensor, new: slice, before: list[int]) -> None:
    """Let the columns `new` of a row's mask (T, T) see the columns `before` and, each, those of
    themselves up to it."""
    size = new.stop - new.start
    mask[new, new] = torch.ones((size, size), dtype=torch.bool).tril()
    if before:
        mask[new, before] = True
