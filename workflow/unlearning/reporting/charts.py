"""What all figures share: theme, axes, the highlighted method, the way to page and to SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import altair
import vl_convert
from altair.utils.schemapi import disable_debug_mode

# Altair validates every object that it makes, a third of a report's time. Our specifications follow
# from our code alone, so a test validates them instead (`page_spec(panel, validate=True)`).
disable_debug_mode()

VEGA_LITE = altair.SCHEMA_VERSION.lstrip("v").rpartition(".")[0]
FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
MEANINGFUL = math.log10(0.05)  # FQ > 0.05 counts as meaningful forgetting (NPO paper)
_DECADES = (0, -1.3, -3, -10, -30, -100, -300)
_WIDE = -40  # below this, linear decades would squeeze the meaningful range into a line
CHOSEN = "chosen"  # name of the parameter that the page sets to a label


@dataclass(frozen=True)
class Panel:
    """One chart of a figure, with the title that the page shows above it."""

    title: str
    chart: altair.TopLevelMixin
    height: int = 300


def inline_data(rows: Sequence[dict]) -> altair.Data:
    """Rows of a chart. They are a tuple, because altair copies lists and all that they hold with
    each layer: a quarter of a report's time."""
    return altair.Data(values=tuple(rows))


def emphasis(shown: float, faded: float, alone: float | None = None) -> altair.OpacityValue:
    """Opacity `shown`; once a label is chosen `alone` for its marks and `faded` for the others."""
    own = shown if alone is None else alone
    conditions = [
        {"test": f"{CHOSEN} == ''", "value": shown},
        {"test": f"{CHOSEN} == datum.label", "value": own},
    ]
    return altair.OpacityValue(faded, condition=conditions)


def log_fq_axis(values: list[float], channel=altair.Y):
    """log10 FQ as altair.Y or X: linear, or compressed towards -300 where a method is that far
    off."""
    title = "log10 forget quality"
    if min(values, default=0) > _WIDE:
        return channel("log10_fq:Q", title=title, scale=altair.Scale(domainMax=0, nice=True))
    ticks = [tick for tick in _DECADES if tick >= min(values) * 3]
    return channel(
        "log10_fq:Q",
        title=f"{title} (compressed)",
        scale=altair.Scale(type="symlog", constant=1, domainMax=0),
        axis=altair.Axis(values=ticks, labelExpr="datum.value"),
    )


def threshold() -> altair.Chart:
    """The line at FQ = 0.05."""
    data = inline_data([{"log10_fq": MEANINGFUL, "label": "FQ 0.05"}])
    line = altair.Chart(data).mark_rule(strokeDash=[4, 4], color="#8a94a3", strokeWidth=1)
    return line.encode(y="log10_fq:Q")


def _theme(chart):
    quiet = {"labelColor": "#52606d", "titleColor": "#323f4b", "labelFontSize": 11}
    return (
        chart.configure(font=FONT, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(
            **quiet,
            titleFontSize=12,
            titleFontWeight="normal",
            titlePadding=8,
            gridColor="#e8eaed",
            domain=False,
            ticks=False,
            labelPadding=6,
            tickCount=6,
        )
        .configure_legend(labelFontSize=12, labelColor="#323f4b", rowPadding=4)
        .configure_title(fontSize=13, fontWeight=600, color="#1f2933", anchor="start", offset=10)
    )


def page_spec(panel: Panel, validate: bool = False) -> dict:
    """A panel as Vega-Lite JSON that fills the width of its place on the page.

    validate: compare it with Vega-Lite's schema; raises altair's SchemaValidationError.
    """
    chart = panel.chart.properties(width="container", height=panel.height)
    spec = _theme(chart).to_dict(validate=validate)
    spec.pop("$schema", None)  # an address, of no use to a page that must not load anything
    spec["params"] = [*spec.get("params", []), {"name": CHOSEN, "value": ""}]
    return spec


def svg(panels: list[Panel], columns: int, width: int = 330) -> str:
    """Panels side by side as one SVG with a legend."""
    placed = [
        panel.chart.properties(width=width, height=panel.height, title=panel.title)
        for panel in panels
    ]
    spec = _theme(altair.concat(*placed, columns=columns)).to_dict(validate=False)
    spec["params"] = [*spec.get("params", []), {"name": CHOSEN, "value": ""}]
    spec["background"] = "white"
    spec["padding"] = 24  # for fonts wider than the one that it is laid out with
    return vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)


def notice_svg(text: str) -> str:
    """A small SVG with a sentence, where there is nothing to show."""
    data = inline_data([{"text": text}])
    chart = altair.Chart(data).mark_text(fontSize=13, color="#52606d").encode(text="text:N")
    return svg([Panel("", chart, 60)], columns=1, width=760)


def script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script without any dependency."""
    return vl_convert.javascript_bundle(vl_version=VEGA_LITE)
