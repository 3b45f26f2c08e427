"""Figures from plain data: arrays, tables and specifications in, a matplotlib Figure out."""
