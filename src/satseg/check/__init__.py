"""Checking a dataset before anything is built."""
