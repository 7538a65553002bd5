"""One description of a table, as Markdown and LaTeX: bold cells, escapes, balanced braces."""

import re

import pandas
import pytest
from unlearning.evaluation.metrics import Metric
from unlearning.reporting.frame import Spread
from unlearning.reporting.inference import DRAW, SEED
from unlearning.reporting.tables import Cell, Column, Row, Table, columns, count, latex, number

QUALITY = Metric("Forget quality", "higher", "a paper", short="FQ", group="Forget set")
LOSS = Metric("Loss", "lower", "a paper", (0.0, float("inf")))
LEAK = Metric("Leak", "zero", "a paper", (-100.0, float("inf")), digits=1)
ANY = Metric("AUC", "", "a paper")
METRICS = {"forget_quality": QUALITY, "loss": LOSS, "leak": LEAK, "auc": ANY}


def cells(*values: float | None) -> list[Cell]:
    """A value of each metric with two decimals."""
    return [Cell() if value is None else Cell(f"{value:.2f}", value) for value in values]


def table(*rows: Row) -> Table:
    return Table("t", "Results", columns(METRICS, METRICS), rows)


def test_best_is_the_highest_lowest_or_nearest_to_zero_and_none_where_neither_is_better():
    found = table(
        Row("A", cells(0.1, 3.0, -40.0, 0.9)),
        Row("B", cells(0.4, 2.0, 15.0, 0.1)),
        Row("C", cells(0.2, 9.0, -10.0, 0.5)),
    ).best()
    assert found == {(1, 0), (1, 1), (2, 2)}


def test_cells_that_print_alike_share_first_place():
    found = table(Row("A", cells(0.401, 1, 1, 1)), Row("B", cells(0.399, 2, -1, 1))).best()
    assert {(0, 0), (1, 0)} <= found  # 0.40 both
    assert (0, 2) in found and (1, 2) not in found  # 1.00 and -1.00 print differently


def test_references_and_gaps_are_never_best():
    rows = (
        Row("Target", cells(0.9, 0.0, 0.0, 0.5), "target"),
        Row("Retrained", cells(0.95, 0.0, 0.0, 0.5), "retrain"),
        Row("A", cells(None, 1.0, 5.0, 0.5), "A"),
        Row("B", cells(0.1, 2.0, None, 0.5), "B"),
    )
    assert table(*rows).best() == {(2, 1)}  # one model alone is not the best of its column
    assert table(*rows[:3]).best() == set()


def test_numbers_have_their_deviation_and_a_p_value_its_factor():
    spread = Spread(1.234e-5, 3.1623, 3, 1e-6, 1e-4)
    cell = number("forget_quality", spread, QUALITY)
    assert (cell.text, cell.spread, cell.plain) == ("1.2e-5", "×÷ 3.2", "1.2e-5 ×÷ 3.2")
    cell = number("leak", Spread(-12.345, 0.678, 3, None, None), LEAK)
    assert cell.plain == "-12.3 ± 0.7"
    assert number("loss", Spread(0.5, None, 1, None, None), LOSS).plain == "0.500"
    assert number("loss", None, LOSS) == Cell("–", None)


def test_heads_say_what_is_better_and_where_it_is_defined():
    heads = columns(["forget_quality", "leak", "auc"], METRICS, parts=["auc"])
    assert [head.arrow for head in heads] == ["↑", "→0", ""]
    assert [head.title for head in heads] == ["FQ", "Leak", "AUC"]
    assert heads[1].explanation == "Leak (-100 to ∞). Source: a paper"
    assert [head.part for head in heads] == [False, False, True]


def test_neighbouring_columns_share_the_head_above_them():
    heads = [Column("a", "A"), Column("b", "B", "G"), Column("c", "C", "G")]
    heads += [Column("d", "D", "G", part=True), Column("e", "E", "H")]
    shown = Table("t", "", heads).groups
    assert shown == [("", 1, False), ("G", 2, False), ("G", 1, True), ("H", 1, False)]


def two_rows() -> Table:
    heads = [Column("q", "FQ", "Forget set", "higher"), Column("w", "Words", number=False)]
    rows = [
        Row("Target", [Cell("0.010", 0.01), Cell("as|is", "as|is")], "target"),
        Row("A & B", [Cell("0.400", 0.4, "± 0.100"), Cell("a_b", "a_b")], "A", ("collapsed", "x")),
        Row("C", [Cell("0.300", 0.3), Cell("50%", "50%")], "C"),
    ]
    return Table("results-forget10", "Results on forget10", heads, rows)


def test_columns_that_the_page_hides_at_first_are_no_matter_of_papers():
    heads = [Column("a", "A", "G", "higher"), Column("b", "B", "G", "higher", part=True)]
    heads.append(Column("c", "C", "G", "higher"))
    rows = [Row("x", cells(0.1, 0.9, 0.3)), Row("y", cells(0.2, 0.1, 0.1))]
    whole = Table("t", "T", heads, rows)
    assert "| Model | G A ↑ | G C ↑ |" in whole.markdown()
    assert "| x | 0.10 | **0.30** |" in whole.markdown()
    text = whole.latex()
    assert r"\begin{tabular}{lrr}" in text and r"\multicolumn{2}{c}{G}" in text
    assert r"\cmidrule(lr){2-3}" in text
    assert r"x & 0.10 & \textbf{0.30} \\" in text
    assert len(whole.columns) == len(whole.rows[0].cells) == 3


def test_a_table_without_groups_has_one_line_of_heads():
    text = Table("t", "T", [Column("a", "A")], [Row("x", cells(0.1))]).latex()
    assert "multicolumn" not in text and "cmidrule" not in text


def test_markdown_by_hand():
    assert two_rows().markdown() == (
        "Results on forget10\n"
        "\n"
        "| Model | Forget set FQ ↑ | Words |\n"
        "| --- | ---: | --- |\n"
        "| Target | 0.010 | as\\|is |\n"
        "| A & B (collapsed) | **0.400 ± 0.100** | a_b |\n"
        "| C | 0.300 | 50% |\n"
    )


def test_latex_by_hand():
    assert two_rows().latex().splitlines() == [
        r"\begin{table}[t]",
        r"\centering",
        r"\caption{Results on forget10}",
        r"\label{tab:results-forget10}",
        r"\begin{tabular}{lrl}",
        r"\toprule",
        r" & \multicolumn{1}{c}{Forget set} & \multicolumn{1}{c}{} \\",
        r"\cmidrule(lr){2-2}",
        r"Model & FQ $\uparrow$ & Words \\",
        r"\midrule",
        r"Target & 0.010 & as|is \\",
        r"\midrule",
        r"A \& B (collapsed) & \textbf{0.400 $\pm$ 0.100} & a\_b \\",
        r"C & 0.300 & 50\% \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b", r"a\_b"),
        ("50%", r"50\%"),
        ("R&D", r"R\&D"),
        ("$5", r"\$5"),
        ("#1", r"\#1"),
        ("{x}", r"\{x\}"),
        ("~", r"\textasciitilde{}"),
        ("2^3", r"2\textasciicircum{}3"),
        ("a\\b", r"a\textbackslash{}b"),
        ("\\{}", r"\textbackslash{}\{\}"),  # what an escape writes is escaped no second time
        ("log₁₀ FQ", r"log$_{10}$ FQ"),
        ("β=0.1", r"$\beta$=0.1"),
        ("forget ×2", r"forget $\times$2"),
        ("1.0 ×÷ 3", r"1.0 $\times$$\div$ 3"),
        ("→0", r"$\to$0"),
        ("1−prob.", "1$-$prob."),
        ("a – b", "a -- b"),
        ("R² < 5e-324", r"R$^2$ $<$ 5e-324"),
        ("Ângström, Müller", "Ângström, Müller"),
    ],
)
def test_latex_escapes(text, escaped):
    assert latex(text) == escaped


def test_hostile_labels_break_no_table():
    hostile = "}\\end{tabular}\\input{/etc/passwd} | new\nline & $%#_~^"
    written = Table("t", hostile, [Column("a", hostile)], [Row(hostile, [Cell(hostile)])])
    text = written.latex()
    assert balanced(text)
    assert re.findall(r"\\(?:begin|end)\{\w+\}", text) == [
        r"\begin{table}",
        r"\begin{tabular}",
        r"\end{tabular}",
        r"\end{table}",
    ]
    assert "\\input{" not in text
    rows = [line for line in written.markdown().splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [3, 3, 3]


def balanced(text: str) -> bool:
    """Whether braces that are no characters close in order."""
    depth = 0
    for brace in re.findall(r"(?<!\\)(?:\\\\)*([{}])", text):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def width(line: str) -> int:
    """How many columns a line of a tabular fills."""
    filled = 0
    for cell in re.split(r"(?<!\\)&", line):
        several = re.match(r"\s*\\multicolumn\{(\d+)\}", cell)
        filled += int(several[1]) if several else 1
    return filled


# letters that inputenc's utf8 declares without a further package: those of T1, accents among them
INPUTENC = re.compile(r"[\x20-\x7e\n\xa0-\xff\u0100-\u017e‘’“”–—…]*")


def test_every_latex_table_of_the_report_can_be_compiled(report_folder):
    files = sorted((report_folder / "tables").glob("*.tex"))
    assert {path.stem for path in files} >= {"main", "further", "strata", "weights", "harness"}
    for path in files:
        text = path.read_text("utf-8")
        assert INPUTENC.fullmatch(text), (path.name, sorted(set(INPUTENC.sub("", text))))
        assert balanced(text), path.name
        words = re.findall(r"\\(begin|end)\{(\w+)\}", text)
        open_now = []
        for word, name in words:
            if word == "begin":
                open_now.append(name)
            else:
                assert open_now.pop() == name
        assert open_now == []
        for begin, body in re.findall(
            r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.S
        ):
            for line in (line for line in body.splitlines() if line.endswith(r"\\")):
                assert width(line) == len(begin), line


def test_every_markdown_table_of_the_report_is_rectangular(report_folder):
    for path in sorted((report_folder / "tables").glob("*.md")):
        text = path.read_text("utf-8")
        for lines in re.findall(r"(?:^\|.*\|\n)+", text, re.M):
            counts = {len(re.findall(r"(?<!\\)\|", line)) for line in lines.splitlines()}
            assert len(counts) == 1, path.name


@pytest.mark.parametrize(
    ("draws", "text"),
    [([1, 1, 2, 2], "2 × 2"), ([1, 1, 1, 2], "2 (4 runs)"), ([1, 2, 2], "2 (3 runs)")],
)
def test_draws_of_unequal_seeds_are_not_counted_as_equal_ones(draws, text):
    runs = pandas.DataFrame({"draw": draws})
    assert count(runs, DRAW) == Cell(text, len(draws))
    assert count(runs, SEED) == Cell(str(len(draws)), len(draws))
