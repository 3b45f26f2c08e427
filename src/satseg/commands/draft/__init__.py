"""A first YAML file for a folder of images and masks: what its names and contents tell."""
