"""Training one cell of the grid."""
