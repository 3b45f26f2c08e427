"""The pages of scores."""

from satseg.jobs.slices import StudySlice
from satseg.measures import LABELS
from satseg.pages.cells import (
    definitions,
    heading,
    interval_cell,
    leads,
    marked,
    number,
    plain_name,
    score_cell,
)
from satseg.pages.markdown import escape, table
from satseg.pages.sentences import answer, gap_sentence
from satseg.study.comparison import Comparison, Gap

MARKS = (
    "Bold: the highest mIoU^D. ≈: not distinguishable from it, the intervals overlap. "
    "Models stand in the order of the study, not of their scores."
)


def scores_page(spec: StudySlice, comparisons: list[Comparison], leaks: list[Gap]) -> str:
    """scores.md: the answer, then the main table of each dataset × recipe."""
    first, *others = ["miou_d", "miou_i", "miou_c", "miou_published", "pixel_accuracy"]
    costs = {"epoch_seconds": 1, "latency_ms": 1, "memory_mb": 0, "peak_memory_mb": 0}
    columns = [first, "interval", *others, *costs]
    parts = ["# Scores", *map(answer, comparisons), *map(gap_sentence, leaks)]
    for c in comparisons:
        rows = []
        for r in [*c.results, c.majority]:
            main = score_cell(r.main)
            cells = [f"**{main}**" if leads(c, r) else main, interval_cell(r.main)]
            cells += [score_cell(r.scores[name, "all"]) for name in others]
            rows.append(
                [
                    marked(c, r),
                    *cells,
                    *(number(getattr(r, name), digits) for name, digits in costs.items()),
                ]
            )
        parts += [
            f"## {heading(c)}",
            judged(spec, c),
            table(["Model", *(LABELS[name] for name in columns)], rows),
        ]
        parts += [MARKS] if len(c.results) > 1 else []
    return "\n\n".join([*parts, definitions(columns)])


def per_class_page(comparisons: list[Comparison]) -> str:
    """per_class.md: IoU by model and class, then every metric of each class."""
    columns = ["iou", "interval", "dice", "precision", "recall", "iou_published"]
    parts = ["# Scores per class"]
    for c in comparisons:
        every = [(plain_name(c, r), r) for r in [*c.results, c.majority]]
        wide = [
            [name, *(score_cell(r.scores["iou", label]) for label in c.classes)]
            for name, r in every
        ]
        long = [
            [
                escape(label),
                name,
                score_cell(r.scores["iou", label]),
                interval_cell(r.scores["iou", label]),
            ]
            + [score_cell(r.scores[metric, label]) for metric in columns[2:]]
            for label in c.classes
            for name, r in every[:-1]
        ]
        parts += [
            f"## {heading(c)}",
            "IoU of each class. A dash: the class occurs neither in the masks nor in the predictions.",
            table(["Model", *map(escape, c.classes)], wide),
            f"### Every metric: {heading(c)}",
            table(["Class", "Model", *(LABELS[name] for name in columns)], long, texts=2),
        ]
    return "\n\n".join([*parts, definitions(columns)])


def judged(spec: StudySlice, c: Comparison) -> str:
    """What was judged, and what the intervals resample."""
    recipe, seeds = spec.recipes[c.recipe], len(spec.study.seeds)
    weights = {"best": f"best epoch by {recipe.monitor}", "final": "last epoch"}[
        recipe.evaluate.weights
    ]
    sentences = [
        escape(recipe.about),
        f"The weights of the {escape(weights)}, judged on {c.tiles:,} {c.subset} tiles of {c.scenes:,} scenes.",
    ]
    if seeds > 1:
        sentences.append(f"Mean ± standard deviation over {seeds} trainings.")
    resampled = f"The intervals resample {c.unit}s{' and trainings' if seeds > 1 else ''}"
    if c.unit == "tile":
        resampled += " (there are fewer than ten scenes; tiles of a scene are alike, so the true intervals are wider)"
    return " ".join(filter(None, [*sentences, f"{resampled}."]))
