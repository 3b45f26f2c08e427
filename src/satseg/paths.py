"""Where every file of `data/` and `results/` lies."""

# What a study may show, and the format each is drawn in: photographs as PNG, drawings as SVG.
FIGURES = {
    "samples": "png",
    "classes": "svg",
    "architecture": "svg",
    "metrics": "svg",
    "losses": "svg",
    "predictions": "png",
    "per_class": "svg",
    "leakage": "svg",
    "cost": "svg",
}


PANELS = "panels.json"  # the pictures of `predictions` apart, for the page


TABLES = ("scores", "per_class", "models", "splits", "published", "claims")


PAGES = "pages.json"  # the same tables as data, for the report
