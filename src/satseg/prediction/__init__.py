"""Turning scenes of any size into maps."""
