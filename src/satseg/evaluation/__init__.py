"""Counting what a trained model gets right, and choosing the tiles to show."""
