"""The figure `cost`: score against cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from satseg.figures.scales import draw_costs
from satseg.figures.style import BAR, BEHIND, FAINT, MUTED, PAPER, WIDTH, stack, styled
from satseg.measures import MAJORITY, MEASURES
from satseg.statistics.front import pareto_front

CLEAR = 4  # points between a name and what belongs to another model
BASELINE = {"color": MUTED, "lw": 1.2, "ls": (0, (2, 1.5))}
LEAST = 0.1  # of mIoU^D that a panel spans
TIED = "≈"  # after the name of a model that cannot be told from the best
ROUNDS = 10  # in which names look for better places
COSTS = ("epoch_seconds", "latency_ms", "peak_memory_mb")


class CostScores(NamedTuple):
    """Score and cost of every model on a dataset under a recipe."""

    title: str
    rows: pd.DataFrame
    """model, value, low, high (mIoU^D; NaN ends without an interval), and the columns of COSTS."""
    tied: Sequence[str] = ()
    """The models that cannot be told from the best one."""
    alike: Mapping[str, np.ndarray] = MappingProxyType({})
    """Column of COSTS → which costs cannot be told apart, bool [N, N] in the order of the rows;
    those of other columns are exact."""
    baseline: float = float("nan")
    """The score of the majority baseline."""
    failed: Sequence[str] = ()
    """The models that do not surely beat the majority baseline."""

    @property
    def spans(self) -> pd.DataFrame:
        """The rows, with intervals without width where there are none."""
        return self.rows.assign(
            low=self.rows["low"].fillna(self.rows["value"]),
            high=self.rows["high"].fillna(self.rows["value"]),
        )

    @property
    def is_near(self) -> bool:
        """Whether the baseline can be drawn without taking most of the panel from the models."""
        low = self.spans["low"].min()
        return bool(low - self.baseline <= max(self.spans["high"].max() - low, LEAST))


class LabelPlace(NamedTuple):
    """A place for a name beside its point."""

    shift: tuple[float, float]
    """From the point, in points."""
    distance: float
    """What the distance weighs against covering something."""


class Spot(NamedTuple):
    """A name at one of its places."""

    place: LabelPlace
    box: Bbox
    """What it covers there, in pixels."""


def label_places() -> list[LabelPlace]:
    """Where a name may stand, nearest first."""
    places = []
    for i, reach in enumerate((9, 16, 24, 32)):
        sides = [(reach, 0), (-reach, 0)]
        corners = [(5, reach), (-5, reach), (5, -reach), (-5, -reach)]
        places += [LabelPlace(shift, 0.6 * i) for shift in sides + corners]
    return places


@styled
def cost_figure(groups: Sequence[CostScores], colors: Mapping[str, str]) -> Figure:
    """mIoU^D against epoch time, latency and memory; the front of models that no other beats is
    drawn as a line."""
    # Names need height: three inches for up to four models.
    heights = [3.1 + 0.25 * max(0, len(group.rows) - 4) for group in groups]
    figure = Figure((WIDTH, sum(heights) + 0.5), layout="constrained")
    figure.suptitle("What accuracy costs", x=0.008, ha="left")
    front = {"color": FAINT, "lw": 1.2, "marker": "o", "mfc": MUTED, "mec": MUTED}
    beaten = {"ls": "", "marker": "o", "mfc": PAPER, "mec": MUTED, "mew": 1.4}
    key = [
        Line2D([], [], label="Pareto front", **front),
        Line2D([], [], label="beaten, or no better than the majority", **beaten),
    ]
    if any(group.is_near for group in groups):
        key.append(Line2D([], [], label=MAJORITY, **BASELINE))
    if any(group.rows["low"].notna().any() for group in groups):
        key.append(Line2D([], [], label="95 % interval", color=FAINT, lw=1.5))
    if any(group.tied for group in groups):
        key.append(Line2D([], [], label=f"{TIED} not told apart from the best", ls=""))
    figure.legend(handles=key, loc="outside upper right", ncols=min(len(key), 3))

    rows = pd.concat([group.rows for group in groups])
    panels = []
    tied = {}
    for part, group in zip(stack(figure, heights), groups, strict=True):
        part.suptitle(group.title, x=0.008, ha="left", fontsize=9)
        grid = part.subplots(1, len(COSTS), sharey=True)
        for axes, column in zip(grid, COSTS, strict=True):
            _draw_panel(axes, group, column, colors)
            draw_costs(axes, rows[column].to_numpy(float), MEASURES[column].label)
            panels.append((axes, group.spans, column))
            tied[axes] = group.tied
        grid[0].set_ylabel(MEASURES["miou_d"].label)

    # Labels go where there is room, which is known once the axes have their places.
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes, rows, column in panels:
        _label_points(axes, rows, column, tied[axes], colors)
    return figure


def _draw_panel(axes: Axes, group: CostScores, column: str, colors: Mapping[str, str]) -> None:
    rows = group.spans
    costs = rows[column].to_numpy(float)
    scores = rows["value"].to_numpy(float)
    # What answers no better than without looking is no choice, however cheap.
    choices = np.where(rows["model"].isin(group.failed), np.nan, scores)
    on_front = pareto_front(costs, choices, group.alike.get(column))
    order = np.flatnonzero(on_front)[np.argsort(costs[on_front], kind="stable")]
    axes.plot(costs[order], scores[order], color=FAINT, lw=1.2, zorder=1, label="Pareto front")

    for row, x, best in zip(rows.itertuples(), costs, on_front, strict=True):
        color = colors[row.model]
        axes.plot([x, x], [row.low, row.high], color=color, zorder=2, **BAR | {"alpha": 0.35})
        face = color if best else PAPER
        axes.plot(x, row.value, ls="", marker="o", ms=6.5, mfc=face, mec=color, mew=1.6, zorder=3)

    low = np.nanmin([rows["low"].min(), group.baseline if group.is_near else np.nan])
    high = rows["high"].max()
    room = max(0.06 * (high - low), (LEAST - (high - low)) / 2)
    if np.isfinite(room):
        axes.set_ylim(low - (1 if group.is_near else 2) * room, high + room)
    if group.is_near:
        axes.axhline(group.baseline, zorder=0, **BASELINE)
    elif np.isfinite(group.baseline):
        below = {"xycoords": "axes fraction", "fontsize": 7.5, "color": MUTED}
        axes.annotate(f"↓ {MAJORITY} {group.baseline:.3f}", (0.02, 0.02), **below)


def _label_points(
    axes: Axes,
    rows: pd.DataFrame,
    column: str,
    tied: Sequence[str],
    colors: Mapping[str, str],
) -> None:
    """Write each model beside its point, over no other point, interval or name if there is room; ≈
    for those that cannot be told from the best one. A line leads to a name that stands apart."""
    points = rows.assign(x=rows[column].astype(float)).dropna(subset=["x", "value"])
    positions = {point.model: (point.x, point.value) for point in points.itertuples()}
    texts = {model: f"{model} {TIED}" if model in tied else model for model in positions}
    spots = {model: _spots(axes, texts[model], at) for model, at in positions.items()}

    for model, (place, _) in _settle(axes, spots, _marks(axes, points)).items():
        at = positions[model]
        _write(axes, texts[model], at, place)
        if place.distance:
            lead = {"arrowstyle": "-", "color": colors[model], "lw": 0.6, "shrinkB": 4}
            axes.annotate("", at, place.shift, textcoords="offset points", arrowprops=lead)


def _spots(axes: Axes, text: str, at: tuple[float, float]) -> list[Spot]:
    """A name at each of its places."""
    renderer = axes.figure.canvas.get_renderer()
    spots = []
    for place in label_places():
        written = _write(axes, text, at, place)
        spots.append(Spot(place, written.get_window_extent(renderer)))
        written.remove()
    return spots


def _write(axes: Axes, text: str, at: tuple[float, float], place: LabelPlace) -> Annotation:
    side = "left" if place.shift[0] > 0 else "right"
    offset = {"textcoords": "offset points", "ha": side, "va": "center"}
    return axes.annotate(text, at, place.shift, fontsize=7.5, bbox=BEHIND, **offset)


def _settle(
    axes: Axes, spots: Mapping[str, Sequence[Spot]], marks: Sequence[tuple[str, Bbox, int]]
) -> dict[str, Spot]:
    """A spot for each name. Names are placed one after the other, and then anew while the others
    stay, until none has a better place."""
    chosen: dict[str, Spot] = {}
    for _ in range(ROUNDS):
        before = dict(chosen)
        for model, own in spots.items():
            names = [(other, spot.box, 2) for other, spot in chosen.items() if other != model]
            burden = partial(_burden, axes=axes, model=model, taken=[*marks, *names])
            chosen[model] = min(own, key=burden)
        if chosen == before:
            break
    return chosen


def _burden(spot: Spot, axes: Axes, model: str, taken: Sequence[tuple[str, Bbox, int]]) -> float:
    """What speaks against a name at a spot: what it covers, its distance, the end of the axes."""
    near = spot.box.padded(CLEAR * axes.figure.dpi / 72, 0)  # not between two points
    covered = sum(
        weight
        for owner, other, weight in taken
        if (spot.box if owner == model else near).overlaps(other)
    )
    beyond = axes.get_window_extent().count_contains(spot.box.corners()) < 4
    return covered + spot.place.distance + 4 * beyond


def _marks(axes: Axes, points: pd.DataFrame) -> list[tuple[str, Bbox, int]]:
    """What a name should not cover: the points and their intervals, each with its model and
    weight."""
    unit = axes.figure.dpi / 72
    marks = []
    columns = ["model", "x", "value", "low", "high"]
    for model, x, value, low, high in points[columns].itertuples(index=False):
        corners = axes.transData.transform([(x, value), (x, low), (x, high)])
        (left, middle), (_, bottom), (_, top) = corners
        dot = Bbox.from_bounds(left - 5 * unit, middle - 5 * unit, 10 * unit, 10 * unit)
        marks += [(model, dot, 2), (model, Bbox([(left, bottom), (left + 1, top)]), 1)]
    return marks
