"""Where scenes come from: one module per kind, each with `fetch(source, folder)`, which fills an
empty folder."""
