"""satseg: comparisons of efficient segmentation models on land-cover imagery, rebuilt from one
command."""
