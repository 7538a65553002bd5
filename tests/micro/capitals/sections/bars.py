"""The loss of each model as a bar."""

import altair
from unlearning.reporting.charts.specs import Panel, inline_data
from unlearning.reporting.frame import finals
from unlearning.reporting.section import Content, Figure

TITLE = "Bars"
FIGURES = {"bars": "Mean loss on the capitals to forget."}


def content(report) -> Content:
    """One panel."""
    rows = finals(report.frame)
    rows = rows[rows["metric"] == "forget_loss"]
    bars = altair.Chart(inline_data(rows[["label", "value"]].to_dict("records"))).mark_bar()
    panel = Panel("Loss", bars.encode(x="label:N", y="value:Q"))
    return Content(figures={"bars": Figure([panel])})
