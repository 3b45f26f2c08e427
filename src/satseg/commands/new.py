"""Look at a folder of images and masks, and write a first YAML file for it."""

import glob
import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from satseg.commands.draft.contents import Contents, read_contents
from satseg.commands.draft.legend import read_legend
from satseg.commands.draft.names import Names, checked_layout, read_names
from satseg.config.reading import load_with
from satseg.config.types import PATTERNS
from satseg.data.layout import survey
from satseg.errors import UserError
from satseg.files import atomic
from satseg.jobs.program import Parser, guarded
from satseg.progress import watched
from satseg.text import counted, percent

NUMBERED = "Class "
FEWEST_GROUPS = 3  # that can be divided into train, val and test


def main(arguments: list[str] | None = None, prog: str = "satseg new") -> None:
    """Write the file, and say what to do with it."""
    parser = Parser(prog=prog, description=__doc__)
    option = parser.add_argument
    option("dataset", help="name to give the dataset: a-z, 0-9 and _")
    option("--from", dest="folder", required=True, help="folder of the images and masks")
    option("-o", "--out", help="the YAML file (default: <dataset>.yaml)")
    option("--images", help="path pattern of the images, if their names do not tell")
    option("--masks", help="path pattern of the masks, with the same fields")
    options = parser.parse_args(arguments)

    out = Path(options.out or f"{options.dataset}.yaml")

    def work() -> None:
        for line in new(options.dataset, options.folder, out, options.images, options.masks):
            print(line)

    guarded("new", work)


def new(
    name: str,
    folder: str,
    out: Path,
    images: str | None = None,
    masks: str | None = None,
) -> list[str]:
    """Write a YAML file that describes a dataset, with a recipe and a study.

    Args:
        name: of the dataset.
        folder: where its images and masks lie.
        out: the file.
        images: path pattern of the images; None to go by their names.
        masks: likewise of the masks.

    Returns:
        What was found and what to do next, in lines to be read.

    Raises:
        UserError: the file exists, or the folder is not one of images and masks.
    """
    pattern, described = PATTERNS["name"]
    if not re.match(pattern, name):
        raise UserError(f"{name!r}: not {described}; choose another name for the dataset")
    if out.exists():
        raise UserError(f"{out}: it exists; remove it, or name another with -o")
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise UserError(f"{folder}: no such folder; correct it")

    names = read_names(root, images, masks)
    scenes, problems = survey(root, checked_layout(names, "index"))
    if not scenes:
        raise UserError(str(problems[0]))
    contents = read_contents(scenes, watched(scenes, len(scenes), "reading", "masks"))

    groups = _groups(names)
    land_names = _land_names(root, contents)
    text = _text(name, folder, out, names, contents, groups, land_names)
    with atomic(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    load_with([str(out)])
    return _said(name, out, names, contents, len(problems), land_names)


def _land_names(root: Path, contents: Contents) -> list[str]:
    """Names of the classes: those that the annotation tool left, else numbers."""
    legend = read_legend(root, contents.palette)
    names = []
    for place, land in enumerate(contents.classes, 1):
        number = place if land.value is None else land.value
        names.append(legend.name(land.value, land.color) or f"{NUMBERED}{number}")
    return names


def _groups(names: Names) -> list[str]:
    """A pattern for the scenes of each folder; none if folders do not tell them apart."""
    folders = names.folders
    starts = [f"{folder}_" for folder in folders]
    clear = not any(one != two and one.startswith(two) for one in starts for two in starts)
    if names.scene.startswith("{folder}_") and len(folders) >= FEWEST_GROUPS and clear:
        return [f"{glob.escape(folder)}_*" for folder in folders]
    return []


def _text(
    name: str,
    folder: str,
    out: Path,
    names: Names,
    contents: Contents,
    groups: list[str],
    land_names: list[str],
) -> str:
    """The YAML file."""
    official = {"train", "val"} <= set(names.subsets.values())
    split = None
    if official:
        split = "leak_free"
    elif max(len(groups), 0 if groups else contents.scenes) >= FEWEST_GROUPS:
        split = "groups_test"

    environment = Environment(
        loader=PackageLoader("satseg.commands", "draft"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    # Not to be escaped for HTML, as `tojson` does.
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    template = environment.get_template("dataset.yaml.j2")
    return template.render(
        name=name,
        title=name.replace("_", " ").capitalize(),
        root=folder,
        file=out,
        names=names,
        contents=contents,
        land_names=land_names,
        shares=[percent(land.share) for land in contents.classes],
        groups=groups,
        official=official,
        split=split,
    )


def _said(
    name: str,
    out: Path,
    names: Names,
    contents: Contents,
    problems: int,
    land_names: list[str],
) -> list[str]:
    """What was found, and what to do next."""
    values = "colours" if contents.mask_values == "color" else "values"
    numbered = any(land_name.startswith(NUMBERED) for land_name in land_names)
    lines = [
        f"{counted(contents.scenes, 'pair')} of image and mask; images of {contents.kind}",
        f"  images  {names.images}",
        f"  masks   {names.masks}",
        f"{counted(len(contents.classes), 'class')}, by the {values} of the masks: "
        f"{', '.join(land_names)}",
    ]
    if problems:
        lines.append(f"{counted(problems, 'problem')} with other files, which the check lists")
    elif names.left_out:
        lines.append(f"{counted(names.left_out, 'file')} left out: no part of a pair")
    return [
        *lines,
        f"Written: {out}. {'Name its classes' if numbered else 'Look through it'}, then:",
        f"  satseg check {name} --configfile {out}",
        f"  satseg run my_{name} --configfile {out}",
    ]


if __name__ == "__main__":
    main()
