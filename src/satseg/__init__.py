"""satseg: comparisons of efficient segmentation models on land-cover imagery, rebuilt from one
command.

Its parts for use from Python are loaded on first use, so that `import satseg` takes no time:

    from satseg import JDTLoss, build_model, load_weights, predict_scene, tile_counts
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "JDTLoss": "satseg.losses",
    "build_model": "satseg.models",
    "load_weights": "satseg.models.segmenter",
    "predict_scene": "satseg.prediction",
    "tile_counts": "satseg.metrics",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
