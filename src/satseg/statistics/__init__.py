"""Inference from few independent units and few trainings.

jackknife → intervals, differences · multiplicity · correlation · goodness
"""
