"""Theme, axes and highlighting of all figures, and how they come to the page and into files."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import altair
import vl_convert
from altair.utils.schemapi import disable_debug_mode

# Altair validates every object that it makes, a third of a report's time. Our specifications follow
# from our code alone, so a test validates them instead.
disable_debug_mode()

VEGA_LITE = altair.SCHEMA_VERSION.lstrip("v").rpartition(".")[0]
FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
MEANINGFUL = math.log10(0.05)  # FQ > 0.05 counts as meaningful forgetting (NPO paper)
_DECADES = (0, -0.3, -0.7, -1.3, -2, -3, -5, -10, -20, -30, -100, -300)
CHOSEN = "chosen"  # name of the parameter that the page sets to a label
PAGE = "page"  # name of the parameter that tells the page from files
_QUIET = {"labelColor": "#52606d", "titleColor": "#323f4b", "labelFontSize": 11}
THEME = {
    "font": FONT,
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {
        **_QUIET,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "gridColor": "#e8eaed",
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
        "tickCount": 6,
    },
    "legend": {"labelFontSize": 12, "labelColor": "#323f4b", "rowPadding": 4},
    "title": {
        "fontSize": 13,
        "fontWeight": 600,
        "color": "#1f2933",
        "anchor": "start",
        "offset": 10,
    },
}


@dataclass(frozen=True)
class Panel:
    """One chart of a figure, with the title that the page shows above it."""

    title: str
    chart: altair.TopLevelMixin
    height: int = 300

    @cached_property
    def spec(self) -> dict:
        """The chart as Vega-Lite JSON, made once for page and files."""
        spec = self.chart.to_dict(validate=False)
        for key in ("$schema", "config"):  # an address, and altair's own look
            spec.pop(key, None)
        return spec


def inline_data(rows: Sequence[dict]) -> altair.Data:
    """Rows of a chart. They are a tuple, because altair copies lists and all that they hold with
    each layer: a quarter of a report's time."""
    return altair.Data(values=tuple(rows))


def emphasis(
    normal: float, faded: float, highlighted: float | None = None, page: float | None = None
) -> altair.OpacityValue:
    """Opacity `normal`; once a label is chosen, `highlighted` for its marks and `faded` for others.
    page: replaces `normal` on the page, where a label can be chosen."""
    on_page = normal if page is None else page
    clear = normal if highlighted is None else highlighted
    # the first test that holds counts
    conditions = [
        {"test": f"{CHOSEN} == '' && {PAGE}", "value": on_page},
        {"test": f"{CHOSEN} == ''", "value": normal},
        {"test": f"{CHOSEN} == datum.label", "value": clear},
    ]
    return altair.OpacityValue(faded, condition=conditions)


def log_fq_axis(values: list[float], channel=altair.Y):
    """log10 FQ as altair.Y or X, stretched towards 0: models that forget lie between 0 and -1.3,
    others may be hundreds of decades off. A button of the page makes the axis linear."""
    lowest = min(values, default=0)
    return channel(
        "log10_fq:Q",
        title="log10 forget quality",
        scale=altair.Scale(type="symlog", constant=0.5, domainMax=0),
        axis=altair.Axis(
            values=[tick for tick in _DECADES if tick >= lowest * 3],
            labelExpr="datum.value",
            labelOverlap=True,
        ),
    )


def utility_axis() -> altair.X:
    """Model utility, as wide as its values."""
    # from 0, all models but those that collapsed would lie in a corner
    scale = altair.Scale(zero=False, nice=True, padding=12)
    return altair.X("mu:Q", title="Model utility", scale=scale)


def threshold(channel=altair.Y) -> altair.Chart:
    """The line at FQ = 0.05."""
    data = inline_data([{"log10_fq": MEANINGFUL}])
    line = altair.Chart(data).mark_rule(strokeDash=[4, 4], color="#8a94a3", strokeWidth=1)
    return line.encode(**{"y" if channel is altair.Y else "x": "log10_fq:Q"})


def page_spec(panel: Panel) -> dict:
    """A panel as wide as its container; without the legend of labels, which the page draws."""
    size = {"width": "container", "height": panel.height}
    params = _parameters(panel.spec, True)
    return {**_without_legend(panel.spec), **size, "config": THEME, "params": params}


def _without_legend(part):
    """A specification, or a part of one, without the legends of the field `label`."""
    if isinstance(part, list | tuple):
        return [_without_legend(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    if part.get("field") == "label" and "legend" in part:
        return {**part, "legend": None}
    rest = part.items()
    return {key: inner if key == "data" else _without_legend(inner) for key, inner in rest}


def file_spec(panels: list[Panel], columns: int, width: int) -> dict:
    """Panels side by side with a legend, as a specification that any Vega-Lite tool reads."""
    specs = []
    for panel in panels:
        size = {"width": width, "height": panel.height}
        specs.append({**panel.spec, **size, "title": panel.title})
    return {
        "$schema": f"https://vega.github.io/schema/vega-lite/{altair.SCHEMA_VERSION}.json",
        "concat": specs,
        "columns": columns,
        "params": _parameters({}, False),
        "background": "white",
        "padding": 24,  # for fonts wider than the one that it is laid out with
        "config": THEME,
    }


def figure_files(
    panels: list[Panel], columns: int, width: int, note: str
) -> dict[str, str | bytes]:
    """Ending -> content: svg, pdf, png, vl.json. Without panels they say the note."""
    if not panels:
        data = inline_data([{"text": note}])
        chart = altair.Chart(data).mark_text(fontSize=13, color="#52606d").encode(text="text:N")
        panels, columns, width = [Panel("", chart, 60)], 1, 760
    spec = file_spec(panels, columns, width)
    svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    return {
        "svg": svg,
        "pdf": vl_convert.svg_to_pdf(svg),
        "png": vl_convert.svg_to_png(svg, scale=2),
        "vl.json": json.dumps(spec, separators=(",", ":")) + "\n",
    }


@cache  # it takes more than a second
def script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script without any dependency."""
    names = "window.vegaEmbed=vegaEmbed; window.vega=vega; window.vegaLite=vegaLite;"
    return vl_convert.javascript_bundle(names, vl_version=VEGA_LITE)


def _parameters(spec: dict, page: bool) -> list[dict]:
    return [*spec.get("params", []), {"name": CHOSEN, "value": ""}, {"name": PAGE, "value": page}]
