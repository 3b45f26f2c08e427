"""The page of published figures beside ours."""

import pandas as pd

from satseg.config.papers import Paper, PaperColumn, PaperTable, Printed
from satseg.config.recipes import Recipe
from satseg.jobs.slices import StudySlice
from satseg.measures import CLASS_METRICS, MEASURES, METRICS, SIZES, TIMES
from satseg.pages.blocks import Block, Heading, Page, Paragraph, Table, TableCell, columns
from satseg.pages.cells import NONE, definitions, number, number_cell, signed_cell, text_cell

BEST = "¹²³"  # marks of the best three of a published column
OurFigures = dict[tuple[str, str, str], float]
"""(model, metric, class) → our figure."""


def published_page(job: StudySlice, figures: pd.DataFrame) -> Page:
    """published.md: the published figures beside ours.

    Args:
        job: the study.
        figures: the frame of published.csv, where those of the paper's tables come first.
    """
    title = "Published figures and ours"
    single = figures.tail(len(job.study.published))
    blocks: list[Block] = []
    if job.paper:
        blocks.append(Paragraph(f"Published: {job.paper.title}."))
        blocks += _protocol(job.paper, job.recipes)
        blocks += _explanations(job.paper)
        for table in job.paper.tables:
            blocks += _paper_table(table, figures)
        if not single.empty:
            blocks.append(Heading("Single figures"))
    elif single.empty:
        blocks.append(Paragraph("This study compares with no published figures."))

    if single.empty:
        return Page("published", title, blocks)
    blocks += [_single_figures(job, single), Paragraph(_notes(job, single))]
    scored = set(single.loc[single["epoch"].isna(), "metric"])
    used = [name for name in MEASURES if name in scored.intersection(METRICS + CLASS_METRICS)]
    return Page("published", title, blocks, definitions(used))


def _single_figures(job: StudySlice, figures: pd.DataFrame) -> Table:
    """A row per figure that the study itself lists."""
    rows = []
    for row in figures.rename(columns={"class": "class_name"}).itertuples():
        texts = [
            job.datasets[row.dataset].title,
            row.model,
            row.recipe,
            MEASURES[row.metric].label if row.metric in MEASURES else row.metric,
            NONE if row.class_name == "all" else row.class_name,
        ]
        epoch = TableCell(NONE, None)
        if not pd.isna(row.epoch):
            epoch = TableCell(str(row.epoch), float(row.epoch))
        published = TableCell(f"{row.published:g}", row.published)
        numbers = [epoch, published, number_cell(row.ours), signed_cell(row.difference)]
        rows.append([*map(text_cell, texts), *numbers])
    heads = columns(
        ["Dataset", "Model", "Recipe", "Metric", "Class"],
        ["Epoch", "Published", "Ours", "Difference"],
    )
    return Table(heads, rows)


def _notes(job: StudySlice, figures: pd.DataFrame) -> str:
    """What the columns of single figures mean."""
    notes = ["Difference: ours minus the published figure."]
    runs = len(job.study.seeds)
    if runs > 1:
        notes.append(f"Ours is the mean over {runs} runs.")
    if figures["epoch"].notna().any():
        notes.append("If an epoch is given, the metric is that of the run's history after it.")
    if figures["ours"].isna().any():
        notes.append("A dash under Ours: the run ended before this epoch.")
    return " ".join(notes)


def _protocol(paper: Paper, recipes: dict[str, Recipe]) -> list[Block]:
    """The paper's training configuration beside that of each recipe."""
    rows = []
    for line in paper.protocol:
        for name, recipe in recipes.items():
            ours = {key: value_at(recipe, key) for key in line.keys}
            here = ", ".join(f"{key.split('.')[-1]} {shown(value)}" for key, value in ours.items())
            same = ours == line.keys
            rows.append(
                [
                    *map(text_cell, (line.what, line.printed, name, here)),
                    text_cell("same" if same else "differs", strong=not same),
                ]
            )
    if not rows:
        return []
    heads = columns(["Setting", "Published", "Recipe", "Here", "Compared"])
    return [Heading("Training configuration"), Table(heads, rows)]


def value_at(recipe: Recipe, key: str) -> object:
    """The value of a dotted key; None if a part of the way is null or of another kind."""
    value: object = recipe
    for part in key.split("."):
        value = getattr(value, part, None)
    return value


def shown(value: object) -> str:
    """A value as YAML would show it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _explanations(paper: Paper) -> list[Block]:
    """What the paper says its figures are, beside what they are here."""
    rows = []
    for metric in paper.metrics:
        measure = MEASURES[metric.ours]
        here = f"{measure.definition} {metric.note}".strip()
        rows.append(list(map(text_cell, (metric.what, metric.printed, measure.label, here))))
    if not rows:
        return []
    heads = columns(["Published name", "As published", "Name here", "Here"])
    return [Heading("What the figures mean"), Table(heads, rows)]


def _paper_table(table: PaperTable, figures: pd.DataFrame) -> list[Block]:
    """A published table: each figure, ours, and the difference; nothing if the study has none of
    its models."""
    of_table = (figures["dataset"] == table.dataset) & (figures["recipe"] == table.recipe)
    rows = figures[of_table]
    ours = rows.set_index(["model", "metric", "class"])["ours"].to_dict()
    models = [model for model in rows["model"].unique() if table.row(model)]
    if not models:
        return []

    first_row = table.row(models[0])
    compared = [i for i, printed in enumerate(first_row) if (models[0], *_key(printed)) in ours]
    cells = []
    for model in models:
        own = [_paper_cell(table, i, model, ours) for i in compared]
        cells.append([text_cell(model), *own])
    heads = [_paper_heading(table.columns[i]) for i in compared]
    return [
        Heading(table.title),
        Paragraph(_paper_notes(table, complete=len(compared) == len(table.columns))),
        Table(columns(["Model"], heads), cells),
    ]


def _paper_notes(table: PaperTable, complete: bool) -> str:
    notes = (
        "Published → ours (difference). A size depends on the number of classes: the heading gives "
        "it, or the cell if it was published for another number. "
    )
    if not table.stopping_epoch:
        notes += (
            "The published mean epoch time leaves out the epoch at which early stopping ends a "
            "training, and so does ours here. "
        )
    if complete:
        return notes + (
            f"The published figures were measured on {table.device}; ours are those of recipe "
            f"{table.recipe}. ¹ ² ³: the best three, as published; see the scores for which "
            "differences in our order are results."
        )
    return notes + (
        f"Nothing else in this table is compared, because the study does not train recipe "
        f"{table.recipe} on its dataset."
    )


def _key(printed: Printed) -> tuple[str, str]:
    """Metric and class of a published figure, as published.csv has them."""
    if printed.classes is None:
        return printed.column.metric, printed.column.class_name
    return printed.column.metric, f"{printed.classes} classes"


def _paper_heading(column: PaperColumn) -> str:
    """Heading of a column of a published table."""
    if column.class_name != "all":
        return column.class_name
    label = MEASURES[column.metric].label
    return f"{label}, {column.classes} classes" if column.classes else label


def _paper_cell(table: PaperTable, i: int, model: str, ours: OurFigures) -> TableCell:
    """A published figure, marked if it is one of the best three of its column, then ours and the
    difference."""
    printed = table.row(model)[i]
    metric, class_name = _key(printed)
    digits = MEASURES[metric].digits
    our_figure = ours[model, metric, class_name]
    difference = our_figure - printed.value
    change = f"{difference:+,.{digits}f}".replace("-", "−") if difference else "0"
    text = (
        f"{printed.value:,.10g}{_mark(table, i, printed)} → {number(our_figure, digits)} ({change})"
    )
    if printed.classes != printed.column.classes:
        text += f", {class_name}"
    return TableCell(text, printed.value)


def _mark(table: PaperTable, i: int, printed: Printed) -> str:
    """¹, ² or ³ for the best three scores or times of a column."""
    metric = printed.column.metric
    if metric in SIZES:
        return ""
    values = [table.row(model)[i].value for model in table.rows]
    best = sorted(values, reverse=metric not in TIMES)[: len(BEST)]
    marks = dict(zip(best, BEST, strict=False))
    return marks.get(printed.value, "")
