"""The reliability diagram of a model, before and after its temperature."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from satseg.figures.scales import draw_shares
from satseg.figures.style import FAINT, INK, MUTED, PALETTE, PAPER, WIDTH, styled

STATES = {"before": (PAPER, INK, MUTED), "after": (PALETTE[0], PALETTE[0], PALETTE[0])}


@styled
def draw_calibration(found: Mapping) -> Figure:
    """The share of right pixels over confidence, and how many pixels there are of each.

    Args:
        found: the content of `calibration.json`.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, WIDTH * 0.42), layout="constrained")
    left.plot([0, 1], [0, 1], color=FAINT, lw=1, zorder=1)
    for state, (inside, edge, line) in STATES.items():
        bins = found[state]["bins"]
        used = [own for own in bins if own["pixels"]]
        sure = [own["confidence"] for own in used]
        label = f"{_temperature(found, state)}: error {100 * found[state]['ece']:.1f} %"
        left.plot(sure, [own["right"] for own in used], color=line, zorder=2)
        left.scatter(
            sure, [own["right"] for own in used], s=22, fc=inside, ec=edge, zorder=3, label=label
        )
        total = max(1, found[state]["pixels"])
        edges = [i / len(bins) for i in range(len(bins) + 1)]
        shares = [own["pixels"] / total for own in bins]
        right.stairs(shares, edges, color=edge)

    left.set(xlabel="Confidence: the highest probability", ylabel="Pixels that are right")
    left.set(xlim=(0, 1), ylim=(0, 1))
    right.set(xlabel="Confidence", ylabel="Share of the pixels", xlim=(0, 1))
    for axis in (left.xaxis, left.yaxis, right.xaxis, right.yaxis):
        draw_shares(axis)
    left.legend(loc="upper left")
    return figure


def _temperature(found: Mapping, state: str) -> str:
    value = 1 if state == "before" else found["temperature"]
    return f"temperature {value:.3g}"
