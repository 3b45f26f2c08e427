"""What a comparison says, in sentences."""

from __future__ import annotations

from satseg.pages.markdown import escape
from satseg.study.comparison import Comparison, Gap
from satseg.text import listing, signed


def answer(c: Comparison) -> str:
    """One sentence of Markdown: the best model, whether the next can be told from it, and the
    baseline."""
    where = f"On {escape(c.title)} with recipe {escape(c.recipe)}, **{escape(c.best.model)}**"
    parts = [
        f"{where} {'scores highest with' if len(c.results) > 1 else 'reaches'} mIoU^D {c.best.main.text()}"
    ]
    others = sorted((r for r in c.results if r is not c.best), key=lambda r: -r.main.value)
    if c.tied:
        names = listing([escape(r.model) for r in c.tied])
        parts.append(
            f"but its interval overlaps that of {names}, so the order among them is not a result"
        )
        parts.append(_cheapest(c))
    elif others:
        runner_up = others[0]
        parts.append(f"clear of the next, {escape(runner_up.model)} at {runner_up.main.text()}")
    return ", ".join(parts[:2]) + "".join(f"; {part}" for part in [*parts[2:], _majority(c)]) + "."


def _cheapest(c: Comparison) -> str:
    fastest, best = (f"{r.latency_ms:.1f} ms" for r in (c.cheapest, c.best))
    if c.cheapest is c.best:
        return f"it is also the fastest of them ({fastest} per forward pass)"
    return f"the fastest of them is {escape(c.cheapest.model)} ({fastest} per forward pass against {best})"


def _majority(c: Comparison) -> str:
    always = f"always answering {escape(c.majority_class)}, the most frequent training class"
    score = c.majority.main
    if c.best.main.overlaps(score):
        return f"this cannot be told from {always}: {score.text()}"
    if c.best.main.value < score.value:
        return f"this is worse than {always}: {score.text()}"
    return f"{always}, would reach {score.value:.3f}"


def gap_sentence(gap: Gap) -> str:
    """What leakage adds to the score of the model that is best with it, in words."""
    leaky, clean = gap
    model = leaky.best.model
    one, other = next((a.main, b.main) for a, b in gap.pairs() if a.model == model)
    shares = [f"{c.shared:,} of {c.tiles:,} judged tiles" for c in gap]
    told = (
        "the intervals overlap, so this gap is not a result"
        if one.overlaps(other)
        else "so much a split with leakage flatters"
        if one.value > other.value
        else "here the split with leakage does not flatter"
    )
    return (
        f"Leakage on {escape(leaky.title)}: with recipe {escape(leaky.recipe)}, {shares[0]} show ground that "
        f"training tiles show too, with {escape(clean.recipe)} {shares[1]}; {escape(model)} scores "
        f"{one.text()} and {other.text()}, a difference of **{signed(one.value - other.value)}**: {told}."
    )
