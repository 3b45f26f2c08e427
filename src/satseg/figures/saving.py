"""Figures as files."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from matplotlib.figure import Figure

from satseg.figures.dark import with_dark_colors
from satseg.figures.fonts import complete_fonts
from satseg.figures.style import house_style


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure in the format of the path's suffix; the same figure gives the same bytes. A
    drawing (SVG) has colours for dark pages, too."""
    path = Path(path)
    with house_style():
        complete_fonts(figure)
        if path.suffix != ".svg":
            figure.savefig(path, metadata={"Software": None})
            return
        drawing = StringIO()
        figure.savefig(drawing, format="svg", metadata={"Date": None, "Creator": None})
    path.write_text(with_dark_colors(drawing.getvalue()), encoding="utf-8")
