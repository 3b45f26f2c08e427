"""Where scenes come from: one module per kind, each with `fetch(source, folder)` that fills an
empty folder."""
