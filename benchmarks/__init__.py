"""What satseg's stages cost, compared with what a user would do instead: `python -m benchmarks`, or
`make bench`."""
