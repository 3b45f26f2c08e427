"""What satseg's stages cost beside what a user would do instead: `python -m benchmarks`, or `make
bench`."""
