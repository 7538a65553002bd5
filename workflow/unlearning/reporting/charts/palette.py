"""One look for each model variant in every figure: hue = forget loss, shape and dash = retain term.

Hues: Okabe and Ito, "Color Universal Design" (2008) for the methods of the two papers, Paul Tol's
"muted" scheme for the registry's others: told apart with every common colour vision. Any further
family, of the registry or of a config's own methods, has the colour that is farthest from all
before it. The points of a grid, and the variants of a loss, share hue and shape and differ in
lightness.
"""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import altair
import numpy

from unlearning.methods.registry import FORGET_LOSSES
from unlearning.reporting.labels import NAMES, RETRAIN, TARGET

_HUES = ("#D55E00", "#E69F00", "#CC79A7", "#56B4E9", "#0072B2", "#009E73")
_MORE_HUES = (
    *("#332288", "#999933", "#882255", "#117733"),
    *("#AA4499", "#44AA99", "#661100", "#888888"),
)


def family(method: str) -> str:
    """The loss that a method's colour stands for: NPO for NPO+RT and NPO-MUSE."""
    return method.partition("+")[0].partition("-")[0]


_STAR = "M0,-1L.29,-.4L.95,-.31L.47,.15L.59,.81L0,.5L-.59,.81L-.47,.15L-.95,-.31L-.29,-.4Z"
_RETAIN = {"": ("circle", (2, 2)), "RT": ("square", (1, 0)), "KL": ("triangle-up", (6, 3))}
_INK = "#1f2933"
# the shapes of the figures as paths within [-1, 1], for the page's own legend
_PATHS = {
    "circle": "M-.9,0A.9,.9,0,1,0,.9,0A.9,.9,0,1,0,-.9,0Z",
    "square": "M-.8,-.8H.8V.8H-.8Z",
    "triangle-up": "M0,-.9L1,.85H-1Z",
    "diamond": "M0,-1L.8,0L0,1L-.8,0Z",
    "cross": "M-.9,-.3H-.3V-.9H.3V-.3H.9V.3H.3V.9H-.3V.3H-.9Z",
}


@cache
def hues(count: int) -> tuple[str, ...]:
    """Colours of `count` families, #rrggbb: the schemes' own, then as far apart as can be."""
    colours = [*_HUES, *_MORE_HUES]
    levels = range(0, 256, 15)
    candidates = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in itertools.product(levels, repeat=3)]
    # neither too light for a white page nor too dark to differ from ink
    candidates = [colour for colour in candidates if 0.4 <= oklab(colour)[0] <= 0.75]
    # Greedily: the candidate whose nearest colour in use is farthest, and distances anew. Ink and
    # white are in use too: references are drawn in the one, and the page is the other.
    distances = dict.fromkeys(candidates, math.inf)  # to the nearest colour in use
    for colour in (*colours, _INK, "#ffffff"):
        _shrink(distances, colour)
    while len(colours) < count:
        colours.append(max(distances, key=distances.__getitem__))
        _shrink(distances, colours[-1])
    return tuple(colours[:count])


def _shrink(distances: dict[str, float], used: str) -> None:
    """Distances to the nearest colour in use once `used` is one of them."""
    for colour, distance in distances.items():
        distances[colour] = min(distance, math.dist(oklab(colour), oklab(used)))


@cache
def oklab(colour: str) -> tuple[float, float, float]:
    """Lightness, green to red and blue to yellow of a colour #rrggbb; distances follow the eye's.

    Source: B. Ottosson, "A perceptual color space for image processing" (2020).
    """
    # linear light -> responses of the eye's three cones, as cube roots -> opponent colours
    red, green, blue = (_linear(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def _linear(channel: float) -> float:
    """Light of an sRGB channel from 0 to 1."""
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


@dataclass(frozen=True)
class Style:
    """Colour, Vega symbol and dash pattern."""

    colour: str
    shape: str
    dash: tuple[int, ...]

    @property
    def path(self) -> str:
        """The symbol as an SVG path within [-1, 1]."""
        return _PATHS.get(self.shape, self.shape)


REFERENCE_STYLES = {
    NAMES[TARGET]: Style(_INK, "diamond", (1, 0)),
    NAMES[RETRAIN]: Style("#6b7280", _STAR, (1, 0)),
}


def variant_styles(methods: dict[str, str]) -> dict[str, Style]:
    """Label -> style, given label -> method."""
    # the registry's first, so that a family has its colour whatever an experiment runs
    families = list(dict.fromkeys(map(family, (*FORGET_LOSSES, *methods.values()))))
    colours = dict(zip(families, hues(len(families)), strict=True))
    styles: dict[str, Style] = {}
    alike: dict[tuple[str, str], list[str]] = {}
    for label, method in methods.items():
        alike.setdefault((family(method), method.partition("+")[2]), []).append(label)
    for (forget, retain), labels in alike.items():
        shape, dash = _RETAIN.get(retain, ("cross", (8, 2, 2, 2)))
        # from darker than the family's hue to lighter; a single variant has the hue itself
        amounts = numpy.linspace(-0.25, 0.45, len(labels)) if len(labels) > 1 else [0.0]
        for label, amount in zip(labels, amounts, strict=True):
            styles[label] = Style(shade(colours[forget], float(amount)), shape, dash)
    return styles


def shade(colour: str, amount: float) -> str:
    """A colour mixed with white (amount > 0) or black (< 0); 1 and -1 are those."""
    goal = 255 if amount > 0 else 0
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(p + (goal - p) * abs(amount)):02x}" for p in parts)


def channels(styles: dict[str, Style], marks: Iterable[dict], shape: bool = False) -> dict:
    """Altair's colour, and shape or dash, of the field `label`; equal domains merge the legend.

    marks: what is drawn. Labels that none of them has would fill the legend.
    """
    drawn = {mark["label"] for mark in marks}
    styles = {label: style for label, style in styles.items() if label in drawn}
    domain = list(styles)
    # a legend of lines shows their dashes, which its default dots have not
    stroke = {"symbolType": "stroke", "symbolSize": 400, "symbolStrokeWidth": 2.5}
    symbol = {} if shape else stroke
    guide = altair.Legend(title=None, labelLimit=320, symbolOpacity=1, **symbol)

    def channel(kind, values):
        scale = altair.Scale(domain=domain, range=values)
        return kind("label:N", scale=scale, legend=guide)

    look = {"color": channel(altair.Color, [s.colour for s in styles.values()])}
    if shape:
        look["shape"] = channel(altair.Shape, [s.shape for s in styles.values()])
    else:
        look["strokeDash"] = channel(altair.StrokeDash, [list(s.dash) for s in styles.values()])
    return look
