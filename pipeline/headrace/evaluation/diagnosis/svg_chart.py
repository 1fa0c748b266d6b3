"""Draws a chart as SVG: axes, lines, dots and bars. It follows the reader's light or dark theme, and has a description.

Not by matplotlib, whose import alone takes longer than everything else that the stage does for a small table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias
from xml.etree import ElementTree as ET

import numpy as np

Point: TypeAlias = tuple[float, float]
Range: TypeAlias = tuple[float, float]
WIDTH, HEIGHT = 640, 420
LEFT, TOP, BOTTOM = 72, 40, 56
LEGEND_WIDTH = 190
NUM_TICKS = 5
COLOURS = ("#2f8fd0", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f")
"""Near those of Okabe and Ito for all kinds of colour vision, each visible on white and on black."""
STYLE = """
.paper{fill:#fff}.ink{fill:#222}.axis{stroke:#555;stroke-width:1}.grid{stroke:#ddd;stroke-width:1}
.guide{stroke:#777;stroke-width:1.5;stroke-dasharray:5 4;fill:none}text{font:13px system-ui,sans-serif}
.title{font-size:15px;font-weight:600}.cell{fill:#0072b2}.cell-ink{fill:#222}.cell-ink.strong{fill:#fff}
@media(prefers-color-scheme:dark){.paper{fill:#1b1d20}.ink{fill:#e8e8e8}.axis{stroke:#aaa}.grid{stroke:#3a3d42}
.guide{stroke:#999}.cell-ink{fill:#e8e8e8}}
"""


class Chart:
    """A chart with linear axes; y grows upwards."""

    def __init__(self, title: str, description: str, *, has_legend: bool = False) -> None:
        """`description` replaces the chart for those who cannot see it."""
        size = {"width": str(WIDTH), "height": str(HEIGHT), "viewBox": f"0 0 {WIDTH} {HEIGHT}"}
        self.root = ET.Element(
            "svg", {"xmlns": "http://www.w3.org/2000/svg", **size, "role": "img", "aria-labelledby": "title desc"}
        )
        for tag, text in (("title", title), ("desc", description)):
            ET.SubElement(self.root, tag, id=tag).text = text
        ET.SubElement(self.root, "style").text = STYLE
        self.add("rect", "paper", x=0, y=0, width=WIDTH, height=HEIGHT)
        self.write(title, WIDTH / 2, 24, anchor="middle", style="ink title")
        self.right = WIDTH - (LEGEND_WIDTH if has_legend else 24)
        self._x: Range = (0.0, 1.0)
        self._y: Range = (0.0, 1.0)
        self._num_labels = 0

    def add(self, tag: str, style: str = "", **attributes: float | str) -> ET.Element:
        """Adds an element in pixels from the top left corner; `style` names classes of STYLE."""
        values = {name.replace("_", "-"): _format(value) for name, value in attributes.items()}
        return ET.SubElement(self.root, tag, {"class": style, **values} if style else values)

    def write(self, text: str, x: float, y: float, *, anchor: str = "start", style: str = "ink") -> ET.Element:
        """Writes text at a place in pixels."""
        element = self.add("text", style, x=x, y=y, text_anchor=anchor)
        element.text = text
        return element

    def draw_axes(self, x_label: str, y_label: str, x: Range = (0, 1), y: Range = (0, 1)) -> None:
        """Draws both axes over these ranges, with NUM_TICKS + 1 ticks each; later points are in these units."""
        self._x, self._y = x, y
        for share in np.linspace(0, 1, NUM_TICKS + 1).tolist():
            left, height = (low + share * (high - low) for low, high in (x, y))
            (px, _), (_, py) = self.place((left, y[0])), self.place((x[0], height))
            self.add("line", "grid", x1=LEFT, x2=self.right, y1=py, y2=py)
            self.write(f"{height:.3g}", LEFT - 8, py + 4, anchor="end")
            self.write(f"{left:.3g}", px, HEIGHT - BOTTOM + 20, anchor="middle")
        self.add("line", "axis", x1=LEFT, x2=self.right, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM)
        self.add("line", "axis", x1=LEFT, x2=LEFT, y1=TOP, y2=HEIGHT - BOTTOM)
        self.write(x_label, (LEFT + self.right) / 2, HEIGHT - 14, anchor="middle")
        middle = (TOP + HEIGHT - BOTTOM) / 2
        label = self.write(y_label, 20, middle, anchor="middle")
        label.set("transform", f"rotate(-90 20 {_format(middle)})")

    def place(self, point: Point) -> Point:
        """A point in the axes' units -> pixels."""
        across, up = ((value - low) / ((high - low) or 1) for value, (low, high) in zip(point, (self._x, self._y)))  # noqa: B905
        return LEFT + across * (self.right - LEFT), HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - TOP)

    def draw_line(self, points: Iterable[Point], colour: int | None = None) -> None:
        """Draws a line in a colour of COLOURS, or a dashed guide."""
        places = " ".join(",".join(map(_format, self.place(point))) for point in points)
        if colour is None:
            self.add("polyline", "guide", points=places)
        else:
            self.add("polyline", points=places, fill="none", stroke=COLOURS[colour], stroke_width=2)

    def draw_dots(self, points: Iterable[Point], *, radius: float = 4, opacity: float = 1, colour: int = 0) -> None:
        """Draws a dot for each point."""
        for x, y in map(self.place, points):
            self.add("circle", cx=x, cy=y, r=radius, fill=COLOURS[colour], fill_opacity=opacity)

    def draw_range(self, x: float, low: float, high: float, colour: int = 0) -> None:
        """Draws a vertical line from `low` to `high`."""
        (px, bottom), (_, top) = self.place((x, low)), self.place((x, high))
        self.add("line", x1=px, x2=px, y1=bottom, y2=top, stroke=COLOURS[colour], stroke_width=1.5)

    def add_legend(self, lines: Sequence[str]) -> None:
        """Adds a line of text to the legend."""
        for line in lines:
            y = TOP + 16 + 22 * self._num_labels
            is_series = self._num_labels < len(COLOURS)
            if is_series:
                self.add("rect", x=self.right + 16, y=y - 10, width=12, height=12, fill=COLOURS[self._num_labels])
            self.write(line, self.right + (34 if is_series else 16), y)
            self._num_labels += 1

    def to_svg(self) -> str:
        """Returns the file's content."""
        return ET.tostring(self.root, encoding="unicode") + "\n"


def shorten(text: str, length: int) -> str:
    """Cuts a text, with an ellipsis."""
    return text if len(text) <= length else text[: length - 3] + "..."


def _format(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
