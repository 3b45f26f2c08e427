"""How far two profiled times must be apart to count as different."""

NEAR = 1.1
"""At least this ratio, whatever the spread."""


def nearness(first: dict, second: dict, by: str) -> float:
    """The ratio up to which the times of two profiles cannot be told apart.

    It is the largest of `NEAR`, of what both 95th percentiles together lie above their medians, of
    how far the rounds of both spread, and of how much faster the machine was for one of them by the
    convolution that every profile times.

    Args:
        first, second: the profiles.
        by: the time, such as `latency_ms`.
    """
    stem = by.removesuffix("_ms")
    percentiles = 1.0
    rounds = 1.0
    for profile in (first, second):
        percentiles *= profile[f"{stem}_p95_ms"] / profile[by]
        rounds *= profile[f"{stem}_high_ms"] / profile[f"{stem}_low_ms"]
    references = sorted((first["reference_ms"], second["reference_ms"]))
    return max(NEAR, percentiles, rounds, references[1] / references[0])


def alike(first: dict, second: dict, by: str) -> bool:
    """Whether the times of two profiles cannot be told apart; arguments as of `nearness`."""
    low, high = sorted((first[by], second[by]))
    return high <= nearness(first, second, by) * low
