"""What the names of files tell: which are masks, where the scenes lie, and how they are divided."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from satseg.config.layout import VECTORS, Layout
from satseg.errors import UserError
from satseg.files import files_below

POLYGONS = {*VECTORS} - {".json"}  # mostly something else
RASTERS = {".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".bmp", ".gif", ".webp", ".img"}
MASK_WORDS = {
    "mask", "masks", "label", "labels", "gt", "groundtruth", "truth", "annotation", "annotations",
    "target", "targets", "seg", "segmentation", "lbl", "msk", "anno",
}  # fmt: skip
# Further pictures that annotation tools write beside the masks: objects one by one, previews.
NO_MASK_WORDS = {
    "object", "objects", "instance", "instances", "visualization", "visualisation", "overlay",
    "overlays", "preview", "previews",
}  # fmt: skip
# Names of folders that say which subset of a split their scenes belong to.
SUBSETS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
OWN_PATTERNS = "give both with --images and --masks, such as 'images/{name}.tif'"


class Names(NamedTuple):
    """What the names of the files tell."""

    images: str
    """Path pattern of the images."""
    masks: str
    """Path pattern of the masks."""
    scene: str
    """Name of a scene, of the fields of both."""
    folders: list[str]
    """Values of the folder that scenes lie in, if there are several and they are no subsets."""
    subsets: dict[str, str]
    """Values of the folder that says the subset of a scene → the subset; empty if none does."""
    left_out: int
    """Images and masks that the patterns do not match."""

    @property
    def layout(self) -> dict[str, str]:
        """The two patterns and the scene's name, as `layout` has them."""
        return {"images": self.images, "masks": self.masks, "scene": self.scene}


class Fit(NamedTuple):
    """How the names of images and of their masks are alike: what stands before and after the part
    that both have in common."""

    image: tuple[str, str]
    mask: tuple[str, str]


def read_names(root: Path, images: str | None = None, masks: str | None = None) -> Names:
    """Find out where the images and masks below a folder lie.

    Args:
        root: the folder.
        images: their path pattern, if it is known.
        masks: likewise.

    Raises:
        UserError: there are no images, or no masks, or none that belong together.
    """
    if images and masks:
        fields = list(dict.fromkeys(re.findall(r"\{(\w+)", images)))
        scene = "_".join(f"{{{field}}}" for field in fields)
        return Names(images, masks, scene, [], {}, 0)

    paths = [PurePosixPath(path.relative_to(root).as_posix()) for path in files_below(root)]
    rasters = [path for path in paths if _is_raster(path)]
    if not rasters:
        raise UserError(f"{root}: no images in it; name the folder that holds images and masks")

    shared = _shared_parts(rasters)
    is_mask = {path: _looks_like(path, shared, MASK_WORDS) for path in rasters}
    others = [
        path for path in rasters if is_mask[path] and _looks_like(path, shared, NO_MASK_WORDS)
    ]
    if len(others) < sum(is_mask.values()):
        rasters = [path for path in rasters if path not in set(others)]
    found = set(is_mask.values())
    polygons = [path for path in paths if path.suffix.lower() in POLYGONS]
    if found == {False} and polygons:
        raise UserError(
            f"{root}: the masks are polygons ({polygons[0]}), which this cannot draft; write the "
            f"file by hand, with layout.attribute, as docs/own-dataset.md has it"
        )
    if len(found) < 2:
        what = "masks" if True not in found else "images"
        raise UserError(
            f"{root}: no name of a file or folder tells {what} from the others (such as masks/ or "
            f"x_mask.png); {OWN_PATTERNS}"
        )

    pairs, names = _best_match(rasters, is_mask)
    if not pairs:
        _refuse_several_folders(root, rasters, is_mask)
        raise UserError(f"{root}: no mask has the name of an image; {OWN_PATTERNS}")
    return names._replace(left_out=len(is_mask) - 2 * pairs)


def _best_match(
    rasters: list[PurePosixPath], is_mask: dict[PurePosixPath, bool]
) -> tuple[int, Names | None]:
    """The patterns that make most pairs, and how many; no patterns if none makes any."""
    kinds = Counter((len(path.parts), path.suffix, is_mask[path]) for path in rasters)
    fits = [
        _match(rasters, is_mask, depth, suffix, mask_suffix)
        for (depth, suffix, first) in kinds
        for (mask_depth, mask_suffix, second) in kinds
        if not first and second and depth == mask_depth
    ]
    return max(fits, key=lambda fit: fit[0], default=(0, None))


def _refuse_several_folders(
    root: Path, rasters: list[PurePosixPath], is_mask: dict[PurePosixPath, bool]
) -> None:
    """Refuse masks of several kinds, each in a folder of its own: which are meant?

    Raises:
        UserError: they are; the message has the patterns of the first.
    """
    folders = sorted({path.parent for path in rasters if is_mask[path]})
    fitting = {}
    for folder in folders:
        chosen = [path for path in rasters if not is_mask[path] or path.parent == folder]
        pairs, names = _best_match(chosen, is_mask)
        if pairs:
            fitting[folder] = names
    if len(fitting) > 1:
        first = next(iter(fitting.values()))
        raise UserError(
            f"{root}: masks lie in {len(fitting)} folders ({', '.join(map(str, fitting))}); name "
            f"one, as with --images {first.images!r} --masks {first.masks!r}"
        )


def _is_raster(path: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in RASTERS and not hidden


def _words(text: str) -> set[str]:
    """The words of a name, in lower case; those of `SegmentationClass` are two."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text)
    return {part.lower() for part in parts} | set(re.findall(r"[a-z]+", text.lower()))


def _shared_parts(paths: list[PurePosixPath]) -> int:
    """Number of folders at the top that all files share."""
    parents = [path.parts[:-1] for path in paths]
    return len(_common_start(parents))


def _looks_like(path: PurePosixPath, shared: int, words: set[str]) -> bool:
    parts = [*path.parts[shared:-1], path.stem]
    return any(_words(part) & words for part in parts)


def _match(
    rasters: list[PurePosixPath],
    is_mask: dict[PurePosixPath, bool],
    depth: int,
    suffix: str,
    mask_suffix: str,
) -> tuple[int, Names | None]:
    """Patterns for images and masks of these endings, so many folders deep, and how many pairs
    they make."""

    def parts(masks: bool, ending: str) -> list[tuple[str, ...]]:
        chosen = [path for path in rasters if is_mask[path] == masks and path.suffix == ending]
        return [(*path.parts[:-1], path.stem) for path in chosen if len(path.parts) == depth]

    images = parts(False, suffix)
    masks = parts(True, mask_suffix)
    image_cores: list[tuple[str, ...]] = [()] * len(images)
    mask_cores: list[tuple[str, ...]] = [()] * len(masks)
    patterns: tuple[list[str], list[str]] = ([], [])
    fields: dict[str, list[str]] = {}

    for place in range(depth):
        own = [each[place] for each in images]
        theirs = [each[place] for each in masks]
        is_stem = place == depth - 1
        if not is_stem and len(set(own)) == len(set(theirs)) == 1:
            patterns[0].append(own[0])
            patterns[1].append(theirs[0])
            continue

        fit = _fit(own, theirs, is_stem)
        cores = [_core(text, fit.image) for text in own]
        image_cores = [(*core, new) for core, new in zip(image_cores, cores, strict=True)]
        other = [_core(text, fit.mask) for text in theirs]
        mask_cores = [(*core, new) for core, new in zip(mask_cores, other, strict=True)]
        field = "name" if is_stem else _field_name(cores, fields)
        fields[field] = sorted(set(cores))
        for pattern, (before, after) in zip(patterns, fit, strict=True):
            pattern.append(f"{before}{{{field}}}{after}")

    pairs = len(set(image_cores) & set(mask_cores))
    subsets = {value: SUBSETS[value.lower()] for value in fields.get("subset", [])}
    folders = fields.get("folder", [])
    names = Names(
        images="/".join(patterns[0]) + suffix,
        masks="/".join(patterns[1]) + mask_suffix,
        scene="_".join(f"{{{field}}}" for field in fields),
        folders=folders,
        subsets=subsets,
        left_out=0,
    )
    return pairs, names


def _field_name(values: list[str], taken: Iterable[str]) -> str:
    """What to call a part of the path that varies."""
    if "subset" not in taken and {value.lower() for value in values} <= set(SUBSETS):
        return "subset"
    names = ["folder", *(f"folder{number}" for number in range(2, 100))]
    return next(name for name in names if name not in taken)


def _fit(images: list[str], masks: list[str], is_stem: bool) -> Fit:
    """How names of images and masks correspond: whole if they can, else without what all images,
    or all masks, begin or end with."""
    whole = ("", "")
    image_affixes = _affixes(images)
    mask_affixes = _affixes(masks)
    # Folders such as `Tile 1` are numbered by what they do not share.
    if not is_stem and image_affixes == mask_affixes:
        return Fit(image_affixes, mask_affixes)

    best = Fit(whole, whole)
    most = -1
    for image in (whole, image_affixes):
        for mask in (whole, *_mask_affixes(mask_affixes)):
            shared = {_core(text, image) for text in images} & {_core(text, mask) for text in masks}
            if len(shared) > most:
                most = len(shared)
                best = Fit(image, mask)
    return best


def _mask_affixes(affixes: tuple[str, str]) -> list[tuple[str, str]]:
    """What all masks have in common, and the parts of it from a word for masks on or up to one:
    `north_` and `_label` of `north_01_label`."""
    before, after = affixes
    found = [affixes, (before, ""), ("", after)]
    for word in sorted(MASK_WORDS, key=len, reverse=True):
        start = re.match(rf"(?i)^{word}[^0-9A-Za-z]+", before)
        end = re.search(rf"(?i)[^0-9A-Za-z]+{word}$", after)
        found.append((start[0] if start else "", end[0] if end else ""))
    return found


def _affixes(texts: list[str]) -> tuple[str, str]:
    """What all texts begin and end with, up to where a word ends; nothing if that were all."""
    before = re.sub(r"[0-9A-Za-z]+$", "", "".join(_common_start(texts)))
    turned = _common_start([text[::-1] for text in texts])
    after = re.sub(r"^[0-9A-Za-z]+", "", "".join(reversed(turned)))
    if any(len(before) + len(after) >= len(text) for text in texts):
        return "", ""
    return before, after


def _common_start(sequences: Sequence[Sequence[str]]) -> list[str]:
    """The letters, or folders, that all begin with."""
    start = []
    for items in zip(*sequences, strict=False):
        if len(set(items)) > 1:
            break
        start.append(items[0])
    return start


def _core(text: str, affixes: tuple[str, str]) -> str:
    return text.removeprefix(affixes[0]).removesuffix(affixes[1])


def checked_layout(names: Names, mask_values: str) -> Layout:
    """The layout of these patterns.

    Raises:
        UserError: they are no patterns of a layout.
    """
    try:
        return Layout(**names.layout, mask_values=mask_values)
    except ValueError as error:
        reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise UserError(f"{names.images}, {names.masks}: {reason}; {OWN_PATTERNS}") from None
