"""The ground that every figure is drawn on: size, type, axes, panels, and how a figure becomes a file.

Matplotlib is used through its objects alone (no pyplot, no global state), and loads on use.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

from msgspec import Struct

from akrasia.report.palette import LIGHT
from akrasia.report.text import plain
from akrasia.report.wording import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Width = Literal["wide", "narrow"]
Format = Literal["svg", "png", "pdf"]

FORMATS: tuple[Format, ...] = ("svg", "png", "pdf")

INCHES: dict[Width, float] = {"wide": 7.4, "narrow": 3.35}
"""Wide fills a page's text block; narrow is one column of a paper, or a telephone's screen."""

MOST_PANELS = 12
"""More cells than this are left to the table of cells, and the caption says so."""

SETTINGS = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: the same figure on every machine
    "font.size": 8.0,
    "text.parse_math": False,  # a name with a dollar sign is a name
    "text.color": LIGHT["ink"],
    "axes.edgecolor": LIGHT["muted"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.linewidth": 0.7,
    "axes.titlesize": 8.5,
    "axes.titlecolor": LIGHT["ink"],
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": LIGHT["muted"],
    "ytick.color": LIGHT["muted"],
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "lines.solid_capstyle": "butt",
    "svg.fonttype": "none",
    "svg.hashsalt": "akrasia",
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
}


class Panelled(Protocol):
    """What one set of axes shows: a cell of a report, or a part of a study."""

    @property
    def label(self) -> str:
        """Stands above the panel."""
        ...

    @property
    def digest(self) -> str:
        """Two panels of the same pool have the same."""
        ...


P = TypeVar("P", bound=Panelled)


class Drawing(Struct, Generic[P], frozen=True):
    """One kind of figure.

    Attributes:
        name: of its files.
        title: what it shows, for those who cannot see it.
        panel: draws one cell on one set of axes.
        height: inches of a cell's panel, given its width in inches.
        left: True when the left margin must hold tick labels.
        pools: True when it shows the reference pool alone, so that cells that share one are drawn once.
        y_label: what the y axis counts; "" for none.
        columns: how many panels may stand side by side where the figure is wide.
        foot: inches below a panel, for the ticks and label of its x axis.
        shows: whether there is anything of a cell to draw; one without has no panel.
    """

    name: str
    title: str
    panel: Callable[[Axes, P], None]
    height: Callable[[P, float], float]
    left: bool = True
    pools: bool = False
    y_label: str = ""
    columns: int = 2
    foot: float = 0.5
    shows: Callable[[P], bool] = lambda _: True

    def of(self, cells: Sequence[P]) -> list[P]:
        """The cells that have a panel."""
        return [cell for cell in cells if self.shows(cell)]


@contextmanager
def _settings() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        # A model's name may hold letters that the font lacks; a box in a label is no reason to fail.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def draw(drawing: Drawing[P], cells: Sequence[P], width: Width, form: Format) -> bytes:
    """One figure with a panel per cell, as the bytes of a file on a white ground.

    Args:
        drawing: what to draw.
        cells: at least one; only the first `MOST_PANELS` are drawn.
        width: see `INCHES`.
        form: file format; PDF embeds its fonts, SVG keeps its text as text.

    Returns:
        The file; the same bytes every time for the same content and version of matplotlib.
    """
    with _settings():
        shown = list({cell.digest: cell for cell in reversed(cells)}.values())[::-1] if drawing.pools else cells
        figure = _panels(drawing, shown[:MOST_PANELS], INCHES[width])
        stream = io.BytesIO()
        dates: dict[str, None] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[form]
        figure.savefig(stream, format=form, facecolor=LIGHT["paper"], metadata=dates)
    return stream.getvalue()


def _panels(drawing: Drawing[P], cells: Sequence[P], width: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = drawing.columns if len(cells) > 1 and width > 5 else 1
    rows = -(-len(cells) // columns)
    titled = len(cells) > 1
    left = (0.5 if drawing.y_label else 0.4) if drawing.left else 0.06
    right, gap = 0.12, 0.28
    top, bottom = (0.34 if titled else 0.12), drawing.foot
    each = (width - right - columns * left - (columns - 1) * gap) / columns
    heights = [
        max(drawing.height(cell, each) for cell in cells[row * columns : (row + 1) * columns]) for row in range(rows)
    ]
    total = sum(heights) + rows * (top + bottom)
    figure = Figure(figsize=(width, total))
    FigureCanvasAgg(figure)
    above = 0.0
    for row in range(rows):
        for column, cell in enumerate(cells[row * columns : (row + 1) * columns]):
            x = left + column * (each + gap + left)
            y = total - above - top - heights[row]
            axes = figure.add_axes((x / width, y / total, each / width, heights[row] / total))
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
            drawing.panel(axes, cell)
            if titled:
                axes.set_title(plain(short(cell.label, round(each * 13))), pad=9)
            if drawing.y_label and (column == 0):
                axes.set_ylabel(drawing.y_label, labelpad=3)
        above += heights[row] + top + bottom
    return figure
