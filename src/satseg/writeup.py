"""A study's tables in Markdown, for people: what was judged, what came out, and what may be concluded."""

import math
from collections.abc import Sequence

import pandas as pd

from satseg.comparison import Comparison, Gap, Result, Score, answer, gap_sentence, listing, signed
from satseg.markdown import bullets, escape, table
from satseg.metrics import DEFINITIONS
from satseg.slices import StudySlice

MEANINGS = DEFINITIONS | {
    "interval": "Percentiles of 1,000 bootstrap resamples of the judged scenes (of the tiles, where there "
    "are fewer than ten scenes) and, where there are several, of the trainings. Where the intervals of two "
    "models overlap, their order is not a result.",
    "parameters": "Trainable weights.",
    "memory_mb": "The published tables' bookkeeping: the outputs of all modules, containers counted again "
    "beside their parts, times two for the backward pass. Not a measurement.",
    "activations_mb": "The outputs of the layers in one forward pass, each counted once.",
    "gflops": "Billions of floating-point operations of one forward pass; a multiply-add is two.",
    "latency_ms": "Median time of one forward pass of one image in 32-bit, measured.",
    "peak_memory_mb": "Most memory a forward pass of one image takes, weights included, measured.",
    "epoch_seconds": "Training plus validation, mean over all epochs.",
}
LABELS = {
    "miou_d": "mIoU^D",
    "miou_i": "mIoU^I",
    "miou_c": "mIoU^C",
    "miou_published": "Published rule",
    "pixel_accuracy": "Pixel accuracy",
    "iou": "IoU",
    "iou_published": "Published rule",
    "dice": "Dice",
    "precision": "Precision",
    "recall": "Recall",
    "interval": "95 % interval",
    "parameters": "Parameters",
    "memory_mb": "Memory (MB)",
    "activations_mb": "Activations (MB)",
    "gflops": "GFLOP",
    "latency_ms": "Latency (ms)",
    "peak_memory_mb": "Peak memory (MB)",
    "epoch_seconds": "Epoch (s)",
}
MARKS = (
    "Bold: the highest mIoU^D. ≈: not distinguishable from it, the intervals overlap. "
    "Models stand in the order of the study, not of their scores."
)
SHARING = (
    "A model that is judged on ground it was trained on is asked what it remembers, not what it has learned. "
    "The audit counts the tiles of each subset that come from a scene, or show ground, that training tiles "
    "show too."
)


# --- scores ----------------------------------------------------------------------------------------------


def scores(spec: StudySlice, comparisons: list[Comparison], leaks: list[Gap]) -> str:
    """scores.md: the answer, then the main table of each dataset × recipe."""
    first, *others = ["miou_d", "miou_i", "miou_c", "miou_published", "pixel_accuracy"]
    costs = {"epoch_seconds": 1, "latency_ms": 1, "memory_mb": 0}
    columns = [first, "interval", *others, *costs]
    parts = ["# Scores", *map(answer, comparisons), *map(gap_sentence, leaks)]
    for c in comparisons:
        rows = []
        for r in [*c.results, c.majority]:
            main = score_cell(r.main)
            cells = [f"**{main}**" if leads(c, r) else main, interval_cell(r.main)]
            cells += [score_cell(r.scores[name, "all"]) for name in others]
            rows.append([marked(c, r), *cells, *(number(getattr(r, name), digits) for name, digits in costs.items())])
        parts += [
            f"## {heading(c)}",
            judged(spec, c),
            table(["Model", *(LABELS[name] for name in columns)], rows),
        ]
        parts += [MARKS] if len(c.results) > 1 else []
    return "\n\n".join([*parts, definitions(columns)])


def per_class(comparisons: list[Comparison]) -> str:
    """per_class.md: IoU by model and class, then every metric of each class."""
    columns = ["iou", "interval", "dice", "precision", "recall", "iou_published"]
    parts = ["# Scores per class"]
    for c in comparisons:
        every = [(plain_name(c, r), r) for r in [*c.results, c.majority]]
        wide = [[name, *(score_cell(r.scores["iou", label]) for label in c.classes)] for name, r in every]
        long = [
            [escape(label), name, score_cell(r.scores["iou", label]), interval_cell(r.scores["iou", label])]
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


def heading(c: Comparison) -> str:
    """Title of one comparison."""
    return f"{escape(c.title)}, {escape(c.recipe)}"


def judged(spec: StudySlice, c: Comparison) -> str:
    """What was judged, and what the intervals resample."""
    recipe, seeds = spec.recipes[c.recipe], len(spec.study.seeds)
    weights = {"best": f"best epoch by {recipe.monitor}", "final": "last epoch"}[recipe.evaluate.weights]
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


def plain_name(c: Comparison, r: Result) -> str:
    """What a row is called."""
    return f"always {escape(c.majority_class)} (majority)" if r is c.majority else escape(r.model)


def leads(c: Comparison, r: Result) -> bool:
    """Whether this is the best of several."""
    return r is c.best and len(c.results) > 1


def marked(c: Comparison, r: Result) -> str:
    """What a row is called: bold for the best of several, ≈ for what cannot be told from it."""
    name = plain_name(c, r)
    return f"**{name}**" if leads(c, r) else f"{name} ≈" if r in c.tied else name


# --- models, splits, published figures -------------------------------------------------------------------


def models(spec: StudySlice, costs: pd.DataFrame, profiles: dict[tuple[str, str], dict]) -> str:
    """models.md: what each model costs, from the frame of models.csv."""
    digits = {"parameters": 0, "memory_mb": 2, "activations_mb": 1, "gflops": 1, "latency_ms": 1}
    digits |= {"peak_memory_mb": 1, "epoch_seconds": 1}
    parts = ["# Models"]
    for dataset, title in ((name, d.title) for name, d in spec.datasets.items()):
        rows = [
            [
                escape(row.model),
                str(row.classes),
                *(number(getattr(row, name), n) for name, n in digits.items()),
            ]
            for row in costs[costs["dataset"] == dataset].itertuples()
        ]
        setups = [
            f"{'×'.join(map(str, p['input']))} on {p['device']['name']}"
            for (d, _), p in profiles.items()
            if d == dataset
        ]
        parts += [
            f"## {escape(title)}",
            f"Profiled with one input of {escape(listing(list(dict.fromkeys(setups))))}.",
            table(["Model", "Classes", *(LABELS[name] for name in digits)], rows),
        ]
    return "\n\n".join([*parts, definitions(list(digits))])


def splits(spec: StudySlice, audit: pd.DataFrame, tiles: dict[str, pd.DataFrame], leaks: list[Gap]) -> str:
    """splits.md: the leakage audit in plain words, from the frame of splits.csv, and what leakage adds."""
    header = [
        "Recipe",
        "Split",
        "Subset",
        "Tiles",
        "From scenes seen in training",
        "On ground seen in training",
    ]
    parts = ["# Splits and leakage", SHARING]
    for dataset, stored in tiles.items():
        mine = audit[audit["dataset"] == dataset]
        rows = [
            [escape(r.recipe), escape(r.split), r.subset, f"{r.tiles:,}"]
            + [f"{n:,} ({share(n, r.tiles)})" for n in (r.scene_shared, r.group_shared)]
            for r in mine.itertuples()
        ]
        parts += [
            f"## {escape(spec.datasets[dataset].title)}",
            f"{len(stored):,} tiles, {int(stored['whole'].sum()):,} of them whole, from "
            f"{stored['scene'].nunique():,} scenes in {stored['group'].nunique():,} groups, "
            f"each on ground of its own.",
            bullets(audited(spec, name, rows) for name, rows in mine.groupby("recipe", sort=False)),
            table(header, rows, texts=3),
        ]
    return "\n\n".join([*parts, *(part for gap in leaks for part in gap_section(gap))])


def gap_section(gap: Gap) -> list[str]:
    """What leakage adds to each model's score."""
    first, second = (escape(c.recipe) for c in gap)
    header = [
        "Model",
        f"mIoU^D, {first}",
        LABELS["interval"],
        f"mIoU^D, {second}",
        LABELS["interval"],
        "Difference",
    ]
    rows = [
        [
            escape(a.model),
            *(cell(score) for score in (a.main, b.main) for cell in (score_cell, interval_cell)),
            signed(a.main.value - b.main.value),
        ]
        for a, b in gap.pairs()
    ]
    return [
        f"## What leakage adds: {escape(gap.leaky.title)}",
        gap_sentence(gap),
        "The two recipes differ in nothing but the split. The splits judge different tiles, so how hard "
        "these are is part of the difference.",
        table(header, rows),
    ]


def audited(spec: StudySlice, name: str, rows: pd.DataFrame) -> str:
    """What one recipe's split shares, and what that means for its scores."""
    recipe, told = spec.recipes[name], []
    for row in rows.itertuples():
        of = f"of the {row.tiles:,} {row.subset} tiles"
        told.append(
            f"{row.group_shared:,} {of} ({share(row.group_shared, row.tiles)}) show ground that training "
            f"tiles show too, {row.scene_shared:,} of them in the same scene"
            if row.group_shared
            else f"none {of} shares a scene or ground with a training tile"
        )
    subset = recipe.evaluate.subset
    leaks = rows.loc[rows["subset"] == subset, "group_shared"].sum() > 0
    verdict = f"The {subset} tiles are judged" + (", so the scores flatter" if leaks else "")
    if subset == "val" and (recipe.evaluate.weights == "best" or recipe.early_stopping):
        verdict += "; they also chose the epoch, which flatters a little"
    return f"**{escape(name)}** (split {escape(recipe.split)}): {'; '.join(told)}. {verdict}."


def published(spec: StudySlice, figures: pd.DataFrame) -> str:
    """published.md: the published figures beside ours, from the frame of published.csv."""
    parts = ["# Published figures and ours"]
    if figures.empty:
        return "\n\n".join([*parts, "This study compares with no published figures."])
    header = ["Dataset", "Model", "Recipe", "Metric", "Class", "Epoch", "Published", "Ours", "Difference"]
    rows = [
        [
            escape(spec.datasets[r.dataset].title),
            escape(r.model),
            escape(r.recipe),
            LABELS.get(r.metric, escape(r.metric)),
            "–" if r.label == "all" else escape(r.label),
            "–" if pd.isna(r.epoch) else str(r.epoch),
            f"{r.published:g}",
            number(r.ours),
            signed(r.difference),
        ]
        for r in figures.rename(columns={"class": "label"}).itertuples()
    ]
    notes = ["Difference: ours minus the published figure."]
    if len(spec.study.seeds) > 1:
        notes.append(f"Ours is the mean over {len(spec.study.seeds)} trainings.")
    if figures["epoch"].notna().any():
        notes.append("With an epoch, the metric is that of the training's history after this epoch.")
    if figures["ours"].isna().any():
        notes.append("A dash under Ours: the training ended before this epoch.")
    used = [name for name in DEFINITIONS if name in set(figures.loc[figures["epoch"].isna(), "metric"])]
    return "\n\n".join([*parts, table(header, rows, texts=5), " ".join(notes), *([definitions(used)] if used else [])])


# --- cells of tables -------------------------------------------------------------------------------------


def number(value: float, digits: int = 3) -> str:
    """A rounded number, or a dash for NaN."""
    return f"{value:,.{digits}f}" if math.isfinite(value) else "–"


def score_cell(score: Score) -> str:
    """Value, with the deviation over trainings where there are several."""
    return number(score.value) + (f" ± {number(score.deviation)}" if math.isfinite(score.deviation) else "")


def interval_cell(score: Score) -> str:
    """The 95 % interval."""
    return f"[{score.low:.3f}, {score.high:.3f}]" if math.isfinite(score.low) else "–"


def share(part: int, whole: int) -> str:
    """A percentage that says 0 and 100 only where it means none and all."""
    percent = 100 * part / whole
    return f"{percent:.0f} %" if percent in (0, 100) else f"{min(max(percent, 0.1), 99.9):.1f} %"


def definitions(names: Sequence[str]) -> str:
    """The section that explains a file's columns."""
    return "## Definitions\n\n" + bullets(f"**{LABELS[name]}**: {MEANINGS[name]}" for name in names)
