"""A study's tables in Markdown, for people: what was judged, what came out, and what may be concluded."""

import math
from collections.abc import Sequence

import pandas as pd

from satseg.claims import HOLDS, RESULTS, Finding, overall
from satseg.comparison import Comparison, Gap, Result, Score, answer, gap_sentence, listing, signed
from satseg.config import SIZES, Paper, PaperColumn, PaperTable, Printed, Recipe
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
    "train_step_ms": "Median time of a forward and a backward pass of one image and a step of the optimizer, in "
    "32-bit, measured.",
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
    "train_step_ms": "Training step (ms)",
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
    costs = {"epoch_seconds": 1, "latency_ms": 1, "memory_mb": 0, "peak_memory_mb": 0}
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


def models(spec: StudySlice, costs: pd.DataFrame, profiles: dict[tuple[str, str], dict], speed: pd.DataFrame) -> str:
    """models.md: what each model costs, and their order by speed, from the frames of models.csv and speed.csv."""
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
            *speed_order(speed[speed["dataset"] == dataset]),
        ]
    return "\n\n".join([*parts, definitions([*digits, "train_step_ms"])])


def speed_order(speed: pd.DataFrame) -> list[str]:
    """The models by profiled time, each with its place, beside the epoch times of each published table."""
    if speed.empty:
        return []
    names, measures = list(speed["model"].unique()), list(speed["measure"].unique())
    titles = [title for title in speed["table"].unique() if title]
    rows = {name: [escape(name)] for name in names}
    for measure in measures:
        for row in speed[speed["measure"] == measure].drop_duplicates("model").itertuples():
            rows[row.model].append(f"{number(row.value, 1)} ({row.place})")
    for title in titles:
        for row in speed[speed["table"] == title].drop_duplicates("model").itertuples():
            known = f"{number(row.published, 1)} ({row.published_place})"
            rows[row.model].append("–" if pd.isna(row.published) else known)
    compared = [
        f"{LABELS[r.measure]} on {escape(r.device)} against the epoch times of {escape(r.table)}: "
        f"Spearman's rho {signed(r.rho)}."
        for r in speed[speed["rho"].notna()].drop_duplicates(["measure", "table"]).itertuples()
    ]
    header = ["Model", *(LABELS[measure] for measure in measures), *(f"{escape(t)}, epoch (s)" for t in titles)]
    parts = ["### Order of speed", "In brackets: the place, from the fastest.", table(header, rows.values())]
    return [*parts, bullets(compared)] if compared else parts


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
    if spec.paper:
        parts += [f"Published: {escape(spec.paper.title)}.", *protocol(spec.paper, spec.recipes)]
        parts += [*explanations(spec.paper), *(part for t in spec.paper.tables for part in paper_table(t, figures))]
        figures = figures.tail(len(spec.study.published))  # those of the paper's tables go before them
        if figures.empty:
            return "\n\n".join(parts)
        parts.append("## Single figures")
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


def protocol(paper: Paper, recipes: dict[str, Recipe]) -> list[str]:
    """The paper's training configuration beside that of each recipe."""
    if not paper.protocol:
        return []
    rows = []
    for line in paper.protocol:
        for name, recipe in recipes.items():
            ours = {key: value_at(recipe, key) for key in line.keys}
            said = ", ".join(f"{key.split('.')[-1]} {shown(value)}" for key, value in ours.items())
            same = "same" if ours == line.keys else "**differs**"
            rows.append([*map(escape, (line.what, line.printed, name, said)), same])
    header = ["Setting", "Published", "Recipe", "Here", "Compared"]
    return ["## Training configuration", table(header, rows, texts=5)]


def value_at(recipe: Recipe, key: str) -> object:
    """The value of a dotted key; None where a part of the way is null, or of another kind."""
    value: object = recipe
    for part in key.split("."):
        value = getattr(value, part, None)
    return value


def shown(value: object) -> str:
    """A value as YAML would show it."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"


def explanations(paper: Paper) -> list[str]:
    """What the paper says its figures are, beside what they are here."""
    rows = [
        [escape(m.what), escape(m.printed), LABELS[m.ours], " ".join(filter(None, [MEANINGS[m.ours], escape(m.note)]))]
        for m in paper.metrics
    ]
    header = ["Published name", "As published", "Name here", "Here"]
    return ["## What the figures mean", table(header, rows, texts=4)] if rows else []


def paper_table(printed: PaperTable, figures: pd.DataFrame) -> list[str]:
    """A published table: each figure, ours, and the difference; nothing where the study has none of its models."""
    mine = figures[(figures["dataset"] == printed.dataset) & (figures["recipe"] == printed.recipe)]
    ours = mine.set_index(["model", "metric", "class"])["ours"].to_dict()
    names = [name for name in mine["model"].unique() if printed.row(name)]
    if not names:
        return []
    compared = [i for i, figure in enumerate(printed.row(names[0])) if (names[0], *figure_key(figure)) in ours]
    rows = [[escape(name), *(paper_cell(printed, i, name, ours) for i in compared)] for name in names]
    notes = [
        "Printed → ours (difference). A size depends on the number of classes, which the heading names, and the "
        "cell where it was printed for another."
    ]
    if len(compared) == len(printed.columns):
        notes.append(
            f"The printed figures were measured on {escape(printed.device)}; ours are those of recipe "
            f"{escape(printed.recipe)}. ¹ ² ³: the best three, as printed; what of our order is a result, "
            "the scores say."
        )
    else:
        notes.append(
            f"Nothing else of this table is compared: the study does not train recipe "
            f"{escape(printed.recipe)} on its dataset."
        )
    return [
        f"## {escape(printed.title)}",
        " ".join(notes),
        table(["Model", *(paper_heading(printed.columns[i]) for i in compared)], rows),
    ]


def figure_key(figure: Printed) -> tuple[str, str]:
    """Metric and class of a printed figure, as published.csv has them."""
    column, _, classes = figure
    return column.metric, column.class_name if classes is None else f"{classes} classes"


def paper_heading(column: PaperColumn) -> str:
    """Heading of a column of a published table."""
    if column.class_name != "all":
        return escape(column.class_name)
    return LABELS[column.metric] + (f", {column.classes} classes" if column.classes else "")


def paper_cell(printed: PaperTable, i: int, model: str, ours: dict[tuple[str, str, str], float]) -> str:
    """A printed figure, marked if it is one of the best three of its column, then ours and the difference."""
    figure = printed.row(model)[i]
    metric, label = figure_key(figure)
    found, digits = ours[model, metric, label], {"parameters": 0, "memory_mb": 2, "epoch_seconds": 1}.get(metric, 3)
    mark = ""
    if metric not in SIZES:
        values = sorted((printed.row(name)[i].value for name in printed.rows), reverse=metric != "epoch_seconds")
        mark = dict(zip(values[:3], "¹²³", strict=False)).get(figure.value, "")
    difference = found - figure.value
    change = "0" if difference == 0 else f"{difference:+,.{digits}f}".replace("-", "−")
    other = f", {label}" if figure.classes != figure.column.classes else ""
    return f"{figure.value:,.10g}{mark} → {number(found, digits)} ({change}){other}"


# --- claims ----------------------------------------------------------------------------------------------

TESTS = {
    "Verdict": "Of several places together, a claim holds where it holds in each of them, and does not hold where it "
    "does not in one.",
    "place": "The model takes a place if as many others as that surely come before it, and the rest surely after. "
    "Surely: the 95 % interval of the ratio of two times, or of the difference of two scores, leaves out that they are "
    "equal. Of epoch times the interval is Welch's, from the spread over epochs and trainings; of scores it is that of "
    "the paired bootstrap. Of profiled times, medians of a few to some dozens of repetitions, the bounds are a "
    "convention: 10 % either way, or as much as both 95th percentiles together lie above their medians, where that is "
    "more. What is printed has none, and its order is taken as it stands.",
    "rho": "Spearman's rank correlation; p is the one-sided share of all permutations (of 100,000 random ones "
    "beyond eight values) that reach as much. A time follows one size rather than another where rho has p ≤ 0.05 with "
    "the one, and not with the other, where it is lower; few models hardly ever bring the difference itself there. "
    "Classes with few pixels do worst where rho has p ≤ 0.05. A claim does not hold where the contrary has p ≤ 0.05, "
    "or where rho with the other size has, and is no lower.",
    "Recipes tried": "Score of the recipe minus that of the baseline, mean over models, with the interval of the "
    "paired bootstrap. A recipe helps where the interval is above zero on each of at least two datasets; it is ruled "
    "out where on one dataset it stays below the gain that would count.",
}


def claims(spec: StudySlice, findings: Sequence[Finding]) -> str:
    """claims.md: each claim of the paper with its verdict, then what each verdict rests on."""
    parts = ["# Claims"]
    if not findings:
        return "\n\n".join([*parts, "This study tests no claims."])
    parts += [
        f"What is claimed in {escape(spec.paper.title)}, tested on the results of this study and, for "
        "comparison, on the tables it printed."
    ]
    rows, details = [], []
    for name, claim in spec.paper.claims.items():
        mine = [f for f in findings if f.claim == name]
        for by in claim.by:
            here = [f.verdict for f in mine if f.by == by and f.source == RESULTS]
            there = [f"{escape(f.source)}: {f.verdict}" for f in mine if f.by == by and f.source != RESULTS]
            places = f"{here.count(HOLDS)} of {len(here)}"
            rows.append([escape(claim.text), LABELS[by], overall(here), places, "; ".join(there) or "–"])
        details += claim_section(spec, claim.text, mine)
    header = ["Claim", "By", "Verdict", "Holds in", "In the published tables"]
    parts += [table(header, rows, texts=5), *details, "## Definitions"]
    return "\n\n".join([*parts, bullets(f"**{name}**: {text}" for name, text in TESTS.items())])


def claim_section(spec: StudySlice, text: str, findings: Sequence[Finding]) -> list[str]:
    """What the verdicts on one claim rest on."""
    reasons, rows = [], []
    for f in findings:
        title = f.source if f.source != RESULTS else spec.datasets[f.dataset].title if f.dataset else "Every dataset"
        where = ", ".join(escape(part) for part in (title, f.recipe) if part)
        reasons.append(f"{where}, by {LABELS[f.by]}: **{f.verdict}**; {escape(f.why)}.")
        for statistic in f.statistics:
            bounds = f"{statistic.low:.3f} to {statistic.high:.3f}" if math.isfinite(statistic.low) else "–"
            value = number(statistic.value, 0 if float(statistic.value).is_integer() else 3)
            numbers = [value, bounds, number(statistic.p, 4)]
            rows.append([where, LABELS[f.by], escape(statistic.name), *numbers])
    header = ["Where", "By", "Statistic", "Value", "Bounds", "p"]
    return [f"## {escape(text)}", bullets(reasons), *([table(header, rows, texts=3)] if rows else [])]


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
