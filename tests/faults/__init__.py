"""Faults and bad inputs, and the record of what happens then."""
