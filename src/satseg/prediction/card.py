"""The model card of a bundle: what the model is, was trained on, and scores."""

from typing import Any

from satseg.measures import MEASURES
from satseg.statistics.jackknife import FEWEST_UNITS
from satseg.text import counted

UNKNOWN = (
    "How far the scores hold for other ground, or would change with another training, is not known."
)
SHOWN = ("miou_d", "miou_i", "miou_c", "pixel_accuracy", "dice")


def model_card(about: dict[str, Any]) -> str:
    """A card in Markdown.

    Args:
        about: the content of `bundle.json`.
    """
    data = about["dataset"]
    parts = [
        _front_matter(about),
        f"# {about['name']}",
        f"A land-cover segmentation model with {counted(about['parameters'], 'parameter')}, "
        f"trained on {data['title']}: each pixel of an image of {counted(about['bands'], 'band')} "
        f"gets one of {len(_counted(about))} classes.",
        "## Use",
        "```sh\nsatseg predict scene.tif --run BUNDLE -o map.tif\n```",
        _images(about),
        "## Classes",
        _table(
            ["index", "class", "colour", "predicted"],
            [
                [land["index"], land["name"], land["color"], "yes" if land["counted"] else "no"]
                for land in about["classes"]
            ],
        ),
        "## Training data",
        _data(data),
        "## Scores",
        *_scores(about),
        "## Limits",
        "The scores hold for ground like that of the training data: the same sensor, resolution, "
        "season and region. Elsewhere they are unknown; look at maps of places you know before "
        "you use them. A map's areas carry the model's confusions and are biased where one class "
        "is taken for another more often than the reverse.",
        "## Origin",
        _origin(about),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(about: dict) -> str:
    lines = ["---", "pipeline_tag: image-segmentation", "tags: [land-cover, remote-sensing]"]
    return "\n".join([*lines, "---"])


def _counted(about: dict) -> list[dict]:
    return [land for land in about["classes"] if land["counted"]]


def _images(about: dict) -> str:
    images = about["images"]
    kind = "/".join(images["dtypes"])
    text = f"Images must have {counted(about['bands'], 'band')} of {kind}"
    if images["metres"]:
        low, high = (f"{size:.3g}" for size in images["metres"])
        text += f" and pixels of {low if low == high else f'{low} to {high}'} m"
    return f"{text}. Training tiles were {about['tile_size']} × {about['tile_size']} pixels."


def _data(data: dict) -> str:
    where = f" ({data['url']})" if data["url"] else ""
    licence = data["licence"] or "not known; ask the source of the data"
    return f"{data['title']}{where}. Licence of the data: {licence}."


def _scores(about: dict) -> list[str]:
    if not about["scores"]:
        return ["There are none of this model alone."]
    rows = []
    for row in about["scores"]:
        shown = row["metric"] in SHOWN if row["class"] == "all" else row["metric"] == "iou"
        if shown:
            label = MEASURES[row["metric"]].label
            name = "" if row["class"] == "all" else row["class"]
            rows.append([label, name, _number(row["value"]), _interval(row)])
    tested = about["tested"]
    groups = tested["units"]
    where = f"On {counted(tested['tiles'], 'tile')} of the {about['subset']} subset"
    basis = (
        "Intervals are 95 % intervals for other ground, over groups that share none; they hold no "
        "variance of training, which a single run does not show."
    )
    if groups is None:
        basis = f"There are no intervals: which tiles share ground was not at hand. {UNKNOWN}"
    elif groups < FEWEST_UNITS:
        basis = f"There are no intervals: they take {FEWEST_UNITS} groups. {UNKNOWN}"
    if groups is not None:
        where += f", in {counted(groups, 'group')}"
    return [
        f"{where}. {basis}",
        _table(["metric", "class", "value", "95 % interval"], rows),
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(row: dict) -> str:
    if row["low"] is None:
        return "–"
    return f"{_number(row['low'])} to {_number(row['high'])}"


def _origin(about: dict) -> str:
    record = about["run"]
    if not record:
        return "There is no record of the training."
    code = record.get("code", {})
    changed = " with local changes" if code.get("dirty") else ""
    lines = [
        f"- trained {record.get('started', 'at an unknown time')}, "
        f"{counted(record.get('epochs', 0), 'epoch')}, weights of the {about['weights']} epoch",
        f"- code: commit {code.get('commit') or 'unknown'}{changed}",
        f"- data: manifest {record.get('data', {}).get('manifest_sha256', 'unknown')}",
        f"- temperature of its probabilities: {about['temperature']:.3g}",
        "- `bundle.json` holds the whole configuration, versions and hardware",
    ]
    return "\n".join(lines)


def _table(header: list[str], rows: list[list]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
