"""Many sequences as few rows of tokens: beginnings in common once, hardly any padding.

The answers to one question (true, paraphrased, perturbed) share its prompt, and many of them their
first words. Such sequences form a tree (a trie of tokens): what they share is stored once, and a
branch begins where an answer first differs. A row holds several trees, one after another. A token
attends to earlier tokens of its own sequence and to nothing else, and positions count within each
sequence, so each is scored as if it stood alone.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearning.data.encoding import Example

LONGEST = 1024  # tokens of a row of several sequences; attention's cost grows with the square
PADDED = 1.05  # (tokens with padding) / (tokens without) at which rows pad little enough
Places = tuple[Tensor, Tensor]  # rows and columns of tokens, both (N,)
Span = tuple[int, int, int]  # a sequence, its first token and the token after its last


@dataclass(frozen=True)
class Tree:
    """Examples stored together. branches: their indices. tokens: their number, with common
    beginnings counted once."""

    branches: tuple[int, ...]
    tokens: int


class Prefixes:
    """A trie of one tree's tokens: gives each distinct beginning of a sequence a column of a row.

    first: the column of the tree's first token.
    """

    def __init__(self, first: int = 0):
        self.columns: dict[tuple[int, int], int] = {}  # (column of the token before, token)
        self.end = first  # the next free column

    def add(self, ids: tuple[int, ...]) -> list[int]:
        """The columns of a sequence's tokens.

        Once a token is new, all that follow are, so the new columns are consecutive and come last.
        """
        columns, before = [], -1
        for token in ids:
            column = self.columns.setdefault((before, token), self.end)
            self.end = max(self.end, column + 1)  # one further only if the column is new
            columns.append(column)
            before = column
        return columns


def group_by_prompt(examples: list[Example], shared: bool = True) -> list[Tree]:
    """The examples in trees, one tree for each prompt; one for each example unless `shared`."""
    if not shared:
        return [Tree((index,), len(e.ids)) for index, e in enumerate(examples)]
    alike: dict[tuple, list[int]] = {}
    for index, example in enumerate(examples):
        # Without the prompt's last token: a tokenizer may join its last character with the answer's
        # first. An example without a prompt gets a key of its own, which is no token id.
        prompt = example.ids[: example.start - 1] or (-1 - index,)
        alike.setdefault(prompt, []).append(index)
    return [tree for indices in alike.values() for tree in _split(examples, indices)]


def _split(examples: list[Example], indices: list[int]) -> list[Tree]:
    """Trees of at most LONGEST tokens, or of one branch."""
    if len(indices) == 1:
        return [Tree((indices[0],), len(examples[indices[0]].ids))]
    trees: list[Tree] = []
    branches: list[int] = []
    tokens, prefixes = 0, Prefixes()  # of the tree so far; only a trie knows what its rows share
    for index in indices:
        prefixes.add(examples[index].ids)
        # too long with this example: it begins the next tree
        if branches and prefixes.end > LONGEST:
            trees.append(Tree(tuple(branches), tokens))
            branches, prefixes = [], Prefixes()
            prefixes.add(examples[index].ids)
        branches.append(index)
        tokens = prefixes.end
    return [*trees, Tree(tuple(branches), tokens)]


def pack_rows(lengths: list[int]) -> list[list[int]]:
    """Deal trees of these lengths into rows; returns the indices of each row's trees.

    Rows are as short as they can be with padding of at most PADDED. If none pad so little, they are
    those of at most LONGEST tokens that pad least. Trees longer than that have a row each.
    """
    total, longest = sum(lengths), max(lengths)
    best = [[index] for index in range(len(lengths))]
    least = len(lengths) * longest  # tokens of `best`, with padding
    # From many short rows to few long ones: no row can be shorter than the longest tree, and with
    # fewer rows than the last count they would exceed LONGEST.
    for count in range(total // longest, -(-total // LONGEST) - 1, -1):
        rows, width = _balanced_rows(lengths, count)
        if width <= LONGEST and count * width < least:
            least, best = count * width, rows
        if least <= PADDED * total:
            break  # longer rows would cost more attention
    return best


def _balanced_rows(lengths: list[int], count: int) -> tuple[list[list[int]], int]:
    """`count` rows of similar length, as indices, and the length of the longest row.

    Each tree goes to the row that is emptiest so far, the longest tree first.
    """
    rows: list[list[int]] = [[] for _ in range(count)]
    filled = [(0, row) for row in range(count)]
    # longest first (LPT scheduling): short trees then level what the long ones leave
    for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        tokens, row = heapq.heappop(filled)
        rows[row].append(index)
        heapq.heappush(filled, (tokens + lengths[index], row))
    return rows, max(filled)[0]


@dataclass(frozen=True)
class Labels:
    """The N labels of all sequences, in order.

    before: places of the U distinct tokens that predict them. Label n is predicted by token
    `index[n]` of these, index (N,). U < N where a shared token predicts the next one of several
    answers: its logits are computed once. labels: (N,) token ids. sequence: (N,) whose label it is.
    """

    before: Places
    index: Tensor
    labels: Tensor
    sequence: Tensor


@dataclass(frozen=True)
class Packed:
    """S sequences in B rows of T tokens.

    ids: (B, T). positions: (B, T) of each token in its sequence. mask: (B, 1, T, T) bool, which
    tokens (last dimension) each token attends to; None where every row is one sequence, for which
    causal attention is enough. examples: the sequences. rows[s], columns[s]: the row of sequence s
    and the columns of its tokens.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor | None
    examples: list[Example]
    rows: list[int]
    columns: list[list[int]]

    def places(self, spans: Iterable[Span]) -> Places:
        """Rows and columns of the tokens of some spans, in order."""
        rows: list[int] = []
        columns: list[int] = []
        for sequence, first, end in spans:
            rows += [self.rows[sequence]] * (end - first)
            columns += self.columns[sequence][first:end]
        return torch.tensor(rows), torch.tensor(columns)

    def labels(self) -> Labels:
        """The labels, and the places of the tokens that predict them."""
        spans: list[Span] = []
        labels: list[int] = []
        for number, example in enumerate(self.examples):
            # a label is predicted at the token before it, so the spans end one token early
            spans.append((number, example.start - 1, len(example.ids) - 1))
            labels += example.ids[example.start :]
        counts = torch.tensor([end - first for _, first, end in spans])
        sequence = torch.arange(len(counts)).repeat_interleave(counts)
        rows, columns = self.places(spans)
        # a place as one number, so that equal places can be found
        width = self.ids.shape[1]
        distinct, index = (rows * width + columns).unique(return_inverse=True)
        return Labels((distinct // width, distinct % width), index, torch.tensor(labels), sequence)


def pack(examples: list[Example], shared: bool = True) -> Packed:
    """The examples in rows of trees; one in each row unless `shared`."""
    trees = group_by_prompt(examples, shared)
    lengths = [tree.tokens for tree in trees]
    trees_of_row = pack_rows(lengths) if shared else [[number] for number in range(len(trees))]
    height = len(trees_of_row)
    width = max(sum(lengths[number] for number in numbers) for numbers in trees_of_row)
    ids = torch.zeros((height, width), dtype=torch.long)
    # as many rows as sequences: no token needs to be hidden from another but by causality
    if height < len(examples):
        mask = torch.zeros((height, width, width), dtype=torch.bool)
        positions = torch.zeros_like(ids)
    else:
        mask = None
        # positions go on over the padding: transformers takes one that starts again at 0 for the
        # beginning of a further sequence
        positions = torch.arange(width).expand(height, width)

    rows, columns = [0] * len(examples), [[0]] * len(examples)
    for row, numbers in enumerate(trees_of_row):
        end = 0  # the next free column of the row
        for number in numbers:
            # a trie for each tree: sequences of different trees share no tokens
            prefixes = Prefixes(first=end)
            for index in trees[number].branches:
                tokens = examples[index].ids
                rows[index], columns[index] = row, prefixes.add(tokens)
                # only the tokens after the shared beginning are written, at the row's end so far
                new = slice(end, prefixes.end)
                shared_tokens = len(tokens) - (prefixes.end - end)
                ids[row, new] = torch.tensor(tokens[shared_tokens:], dtype=torch.long)
                if mask is not None:
                    positions[row, new] = torch.arange(shared_tokens, len(tokens))
                    _see(mask[row], new, columns[index][:shared_tokens])
                end = prefixes.end
        if mask is not None:
            # padding attends to itself, for a softmax over nothing is NaN
            _see(mask[row], slice(end, width), [])
    return Packed(ids, positions, None if mask is None else mask[:, None], examples, rows, columns)


def _see(mask: Tensor, new: slice, before: list[int]) -> None:
    """Set a row's mask (T, T) so that each of the columns `new` attends to the columns `before`, to
    itself and to the earlier ones of `new`."""
    size = new.stop - new.start
    mask[new, new] = torch.ones((size, size), dtype=torch.bool).tril()
    if before:
        mask[new, before] = True
