"""Metrics: pixel counts per tile and class, and every score derived from them."""

from satseg.metrics.counts import tile_counts

__all__ = ["tile_counts"]
