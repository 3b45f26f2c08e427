"""Optimizers and learning-rate schedules."""

from satseg.config.recipes import Training


def mode(training: Training) -> str:
    """Whether the monitored value should be small or large."""
    return "min" if training.monitor.endswith("loss") else "max"
