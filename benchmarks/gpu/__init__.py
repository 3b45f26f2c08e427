"""What a GPU shows, in a few minutes: `python -m benchmarks gpu`; see README.md beside it."""
