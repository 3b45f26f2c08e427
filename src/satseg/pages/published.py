"""The page of published figures beside ours."""

import pandas as pd

from satseg.config.papers import Paper, PaperColumn, PaperTable, Printed
from satseg.config.recipes import Recipe
from satseg.jobs.slices import StudySlice
from satseg.measures import DEFINITIONS, LABELS, MEANINGS, SIZES
from satseg.pages.cells import definitions, number
from satseg.pages.markdown import escape, table
from satseg.text import signed


def published_page(spec: StudySlice, figures: pd.DataFrame) -> str:
    """published.md: the published figures beside ours, from the frame of published.csv."""
    parts = ["# Published figures and ours"]
    if spec.paper:
        parts += [f"Published: {escape(spec.paper.title)}.", *protocol(spec.paper, spec.recipes)]
        parts += [
            *explanations(spec.paper),
            *(part for t in spec.paper.tables for part in paper_table(t, figures)),
        ]
        figures = figures.tail(
            len(spec.study.published)
        )  # those of the paper's tables go before them
        if figures.empty:
            return "\n\n".join(parts)
        parts.append("## Single figures")
    if figures.empty:
        return "\n\n".join([*parts, "This study compares with no published figures."])
    header = [
        "Dataset",
        "Model",
        "Recipe",
        "Metric",
        "Class",
        "Epoch",
        "Published",
        "Ours",
        "Difference",
    ]
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
        notes.append(
            "With an epoch, the metric is that of the training's history after this epoch."
        )
    if figures["ours"].isna().any():
        notes.append("A dash under Ours: the training ended before this epoch.")
    used = [
        name for name in DEFINITIONS if name in set(figures.loc[figures["epoch"].isna(), "metric"])
    ]
    return "\n\n".join(
        [
            *parts,
            table(header, rows, texts=5),
            " ".join(notes),
            *([definitions(used)] if used else []),
        ]
    )


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
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"
    )


def explanations(paper: Paper) -> list[str]:
    """What the paper says its figures are, beside what they are here."""
    rows = [
        [
            escape(m.what),
            escape(m.printed),
            LABELS[m.ours],
            " ".join(filter(None, [MEANINGS[m.ours], escape(m.note)])),
        ]
        for m in paper.metrics
    ]
    header = ["Published name", "As published", "Name here", "Here"]
    return ["## What the figures mean", table(header, rows, texts=4)] if rows else []


def paper_table(printed: PaperTable, figures: pd.DataFrame) -> list[str]:
    """A published table: each figure, ours, and the difference; nothing where the study has none of
    its models."""
    mine = figures[(figures["dataset"] == printed.dataset) & (figures["recipe"] == printed.recipe)]
    ours = mine.set_index(["model", "metric", "class"])["ours"].to_dict()
    names = [name for name in mine["model"].unique() if printed.row(name)]
    if not names:
        return []
    compared = [
        i
        for i, figure in enumerate(printed.row(names[0]))
        if (names[0], *figure_key(figure)) in ours
    ]
    rows = [
        [escape(name), *(paper_cell(printed, i, name, ours) for i in compared)] for name in names
    ]
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


def paper_cell(
    printed: PaperTable, i: int, model: str, ours: dict[tuple[str, str, str], float]
) -> str:
    """A printed figure, marked if it is one of the best three of its column, then ours and the
    difference."""
    figure = printed.row(model)[i]
    metric, label = figure_key(figure)
    found, digits = (
        ours[model, metric, label],
        {"parameters": 0, "memory_mb": 2, "epoch_seconds": 1}.get(metric, 3),
    )
    mark = ""
    if metric not in SIZES:
        values = sorted(
            (printed.row(name)[i].value for name in printed.rows), reverse=metric != "epoch_seconds"
        )
        mark = dict(zip(values[:3], "¹²³", strict=False)).get(figure.value, "")
    difference = found - figure.value
    change = "0" if difference == 0 else f"{difference:+,.{digits}f}".replace("-", "−")
    other = f", {label}" if figure.classes != figure.column.classes else ""
    return f"{figure.value:,.10g}{mark} → {number(found, digits)} ({change}){other}"
