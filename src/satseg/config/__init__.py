"""The configuration: every key of `config/` is declared, typed, documented and checked here,
section by section."""

from satseg.config.reading import ROOT, load, load_with
from satseg.config.root import Config

__all__ = ["ROOT", "Config", "load", "load_with"]
