"""Metrics: counts of each tile and class, and every score made of them."""

from satseg.metrics.counts import tile_counts

__all__ = ["tile_counts"]
