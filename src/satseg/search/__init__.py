"""Tuning: drawing settings, dropping the worse trials, what comes of it."""
