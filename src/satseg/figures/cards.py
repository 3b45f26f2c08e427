"""Cards of models that are not drawn level by level."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from satseg.config.models import CompactSpec, PythonSpec, SmpSpec
from satseg.figures.style import FAINT, MUTED, TINT, WIDTH, fit_text

CARD = 0.8
"""Height of a card, in inches."""


def millions(parameters: float | None) -> str:
    """A number of parameters as a drawing's text begins; nothing if it is not known."""
    known = parameters is not None and np.isfinite(parameters)
    return f"{parameters / 1e6:.2f} M parameters; " if known else ""


def draw_card(
    axes: Axes,
    left: float,
    top: float,
    name: str,
    model: CompactSpec | SmpSpec | PythonSpec,
    parameters: float | None,
) -> None:
    """Draw a card at an upper left corner, in inches."""
    style = {"boxstyle": "round,pad=0,rounding_size=0.06", "fc": TINT, "ec": FAINT, "lw": 0.8}
    axes.add_patch(FancyBboxPatch((left + 0.05, top - 0.68), WIDTH / 2 - 0.2, 0.6, **style))
    axes.text(left + 0.17, top - 0.17, name, va="top", fontsize=9.5, weight="bold")
    text = f"{millions(parameters)}{card_text(model)}"
    written = axes.text(left + 0.17, top - 0.4, text, va="top", fontsize=7.5, color=MUTED)
    fit_text(written, WIDTH / 2 - 0.45)


def card_text(model: CompactSpec | SmpSpec | PythonSpec) -> str:
    """What a model is made of, in a few words."""
    if isinstance(model, PythonSpec):
        return f"{model.name} of {model.file}"
    if isinstance(model, CompactSpec):
        encoder = model.encoder
        if not isinstance(encoder, str):
            encoder = " ".join(map(str, [encoder.stem, *encoder.widths]))
        return f"compact: encoder {encoder}, decoder {model.width} {model.detail or ''}".rstrip()
    weights = f"{model.encoder_weights} weights" if model.encoder_weights else "random weights"
    return f"{model.architecture}, encoder {model.encoder}, {weights}"
