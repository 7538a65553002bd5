"""Tables of the report: described once, written as Markdown and LaTeX, shown on the page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import pandas

from unlearning.evaluation.metrics import Metric
from unlearning.reporting.frame import Spread
from unlearning.reporting.inference import DRAW, SEED
from unlearning.reporting.labels import ARROWS, RETRAIN, TARGET, metric_text, spread_text

# character -> LaTeX
_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"±": r"$\pm$", "×": r"$\times$", "÷": r"$\div$", "↑": r"$\uparrow$", "↓": r"$\downarrow$"}
    | {"→": r"$\to$", "β": r"$\beta$", "γ": r"$\gamma$", "α": r"$\alpha$", "λ": r"$\lambda$"}
    | {"−": "$-$", "–": "--", "²": "$^2$", "<": "$<$", ">": "$>$", "ᵖ": "$^p$"}
    | {"≥": r"$\ge$", "≤": r"$\le$", "∞": r"$\infty$", "η": r"$\eta$", "δ": r"$\delta$"}
)
_LATEX_10 = r"$_{10}$"  # of log₁₀


@dataclass(frozen=True)
class Column:
    """Head of a column.

    better: direction of better values: higher, lower, zero (the nearer to 0), or "" for none.
    part: whether the page hides it until the reader asks for details, and papers leave it out.
    number: whether its cells are numbers, which are aligned to the right.
    """

    key: str
    title: str
    group: str = ""
    better: str = ""
    explanation: str = ""
    part: bool = False
    number: bool = True

    @property
    def arrow(self) -> str:
        return ARROWS[self.better]


@dataclass(frozen=True)
class Cell:
    """A cell. text: what is shown. value: what the page sorts by. spread: the deviation, such as
    "± 0.02". note: small print below. good: whether it is highlighted."""

    text: str = "–"
    value: float | str | None = None
    spread: str = ""
    note: str = ""
    good: bool = False

    @property
    def plain(self) -> str:
        """Number and deviation in one line."""
        return f"{self.text} {self.spread}".strip()


@dataclass(frozen=True)
class Row:
    """A row. label: its name, and the key of its style. badge, note: a warning and a remark beside
    the name, each with its explanation."""

    label: str
    cells: list[Cell]
    method: str = ""
    badge: tuple[str, str] | None = None
    note: tuple[str, str] | None = None

    @property
    def reference(self) -> bool:
        """Whether it is the target or a retrained model, which never count as best."""
        return self.method in (TARGET, RETRAIN)


@dataclass(frozen=True)
class Table:
    """A table. id: unique on the page. head: of the first column, which has the rows' labels."""

    id: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row] = field(default_factory=list)
    head: str = "Model"

    @property
    def groups(self) -> list[tuple[str, int, bool]]:
        """(title, number of columns, whether hidden at first) of the heads above the columns."""
        runs = groupby(self.columns, key=lambda column: (column.group, column.part))
        return [(title, len(list(members)), part) for (title, part), members in runs]

    def best(self) -> set[tuple[int, int]]:
        """(row, column) of the best number of each column among unlearned models.

        Several rows are best if their numbers are printed alike. A column without a direction or
        with a single model has none.
        """
        best: set[tuple[int, int]] = set()
        for index, column in enumerate(self.columns):
            if not column.better:
                continue
            scores: dict[int, float] = {}
            for number, row in enumerate(self.rows):
                value = row.cells[index].value
                if not row.reference and isinstance(value, int | float):
                    scores[number] = goodness(value, column.better)
            if len(scores) < 2:
                continue
            # compared as printed: a reader sees no difference in digits that are not there
            top = max(scores, key=scores.__getitem__)
            top_text = self.rows[top].cells[index].text
            for number in scores:
                if self.rows[number].cells[index].text == top_text:
                    best.add((number, index))
        return best

    def for_papers(self) -> "Table":
        """The table without the columns that the page hides at first; the CSV files have them."""
        visible = [index for index, column in enumerate(self.columns) if not column.part]
        rows = []
        for row in self.rows:
            rows.append(replace(row, cells=[row.cells[index] for index in visible]))
        return replace(self, columns=[self.columns[index] for index in visible], rows=rows)

    def markdown(self) -> str:
        """The table in GitHub's Markdown, after its caption."""
        table = self.for_papers()
        heads = [self.head, *(_title(column) for column in table.columns)]
        rules = ["---", *("---:" if column.number else "---" for column in table.columns)]
        lines = [heads, rules]
        best = table.best()
        for number, row in enumerate(table.rows):
            line = [_name(row)]
            for index, cell in enumerate(row.cells):
                line.append(f"**{cell.plain}**" if (number, index) in best else cell.plain)
            lines.append(line)
        text = "\n".join("| " + " | ".join(map(_piped, line)) + " |" for line in lines)
        return f"{self.caption}\n\n{text}\n"

    def latex(self) -> str:
        """The table in LaTeX for \\usepackage{booktabs}, the best of each column bold."""
        table = self.for_papers()
        best, body = table.best(), []
        for number, row in enumerate(table.rows):
            # a rule between target and retrained models and the unlearned ones
            if number and table.rows[number - 1].reference and not row.reference:
                body.append(r"\midrule")
            line = [latex(_name(row))]
            for index, cell in enumerate(row.cells):
                text = latex(cell.plain)
                line.append(rf"\textbf{{{text}}}" if (number, index) in best else text)
            body.append(" & ".join(line) + r" \\")
        titles = [f"{column.title} {column.arrow}".strip() for column in table.columns]
        heads = " & ".join(map(latex, (self.head, *titles))) + r" \\"
        sides = "".join("r" if column.number else "l" for column in table.columns)
        lines = [r"\begin{table}[t]", r"\centering", rf"\caption{{{latex(self.caption)}}}"]
        lines += [rf"\label{{tab:{self.id}}}", rf"\begin{{tabular}}{{l{sides}}}", r"\toprule"]
        lines += [*table._group_heads(), heads, r"\midrule", *body, r"\bottomrule"]
        return "\n".join([*lines, r"\end{tabular}", r"\end{table}", ""])

    def _group_heads(self) -> list[str]:
        """LaTeX of the groups' titles above the heads, with rules below; empty without groups."""
        heads, rules = [""], []
        column_number = 2  # LaTeX counts from 1, and the first column has the labels
        for title, count, _ in self.groups:
            heads.append(rf"\multicolumn{{{count}}}{{c}}{{{latex(title)}}}")
            if title:
                rules.append(rf"\cmidrule(lr){{{column_number}-{column_number + count - 1}}}")
            column_number += count
        return [" & ".join(heads) + r" \\", "".join(rules)] if rules else []


def latex(text: str) -> str:
    """Text for LaTeX: its special characters escaped, mathematical signs as mathematics."""
    # ₁₀ by itself, because translate() knows single characters only
    return _LATEX_10.join(part.translate(_LATEX) for part in text.split("₁₀"))


def goodness(value: float, better: str) -> float:
    """A score that is higher for a better value. better: higher, lower or zero, as in Column."""
    return {"higher": value, "lower": -value, "zero": -abs(value)}[better]


def number(metric: str, spread: Spread | None, declared: Metric, **more) -> Cell:
    """A metric's mean and deviation as a cell, empty if nothing was measured. more: further fields
    of Cell."""
    if spread is None:
        return Cell()
    text = metric_text(metric, spread.mean, declared.digits)
    deviation = spread_text(metric, spread.sd, declared.digits)
    return Cell(text, spread.mean, deviation, **more)


def columns(
    keys: Iterable[str], metrics: Mapping[str, Metric], parts: Iterable[str] = ()
) -> list[Column]:
    """Heads of metrics. parts: keys of those that the page hides at first."""
    heads = []
    for key in keys:
        metric = metrics[key]
        between = "{:g} to {:g}".format(*metric.range).replace("inf", "∞")
        explanation = f"{metric.title} ({between}). Source: {metric.source}"
        title = metric.short or metric.title
        heads.append(Column(key, title, metric.group, metric.better, explanation, key in parts))
    return heads


_COUNTS = {
    SEED: Column("seeds", "Seeds", explanation="Number of seeds"),
    DRAW: Column("seeds", "Draws × seeds", explanation="Number of draws, and of seeds in each"),
}


def counts(unit: str) -> Column:
    """Head of the column with the number of runs in a mean. unit: draw or seed."""
    return _COUNTS[unit]


def count(runs: pandas.DataFrame, unit: str) -> Cell:
    """The number of runs in a mean. runs: a row of the frame for each. unit: draw or seed."""
    n, per_draw = len(runs), runs["draw"].value_counts()
    if unit == SEED:
        return Cell(str(n), n)
    # some draws may have fewer runs than others: 3 and 1 are no 2 × 2
    even = per_draw.nunique() == 1
    return Cell(f"{len(per_draw)} × {per_draw.max()}" if even else f"{len(per_draw)} ({n} runs)", n)


def _title(column: Column) -> str:
    """A head with its group and direction in one line."""
    return " ".join(word for word in (column.group, column.title, column.arrow) if word)


def _name(row: Row) -> str:
    """A row's label with its warning."""
    return f"{row.label} ({row.badge[0]})" if row.badge else row.label


def _piped(text: str) -> str:
    """Text for a cell of Markdown, where | ends a cell and a line break the row."""
    return text.replace("|", r"\|").replace("\n", " ")
