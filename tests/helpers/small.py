"""What several tests write down alike: U-Nets small enough to train here, and nested trees."""

from collections.abc import Iterator


def unet(*widths: int, bottleneck: int, **changes: object) -> dict:
    """The entry of a U-Net with one convolution a block."""
    entry = {
        "family": "unet",
        "widths": list(widths),
        "convs": [1] * len(widths),
        "bottleneck": {"width": bottleneck, "convs": 1},
        "decoder_convs": [1] * len(widths),
    }
    return entry | changes


def flatten(tree: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Each leaf of nested dictionaries with the path of its keys."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from flatten(value, f"{path}/{key}")
    else:
        yield path, tree
