"""Where the scenes of a dataset lie."""

import re
from typing import Literal

from pydantic import model_validator

from satseg.config.types import Strict

VECTORS = (".geojson", ".json", ".gpkg", ".fgb", ".shp")
FIELD = re.compile(r"\{([A-Za-z_]\w*)(?::[^{}]*)?\}")  # of a layout's pattern


class Layout(Strict):
    """Where the scenes lie. In a pattern, `{field}` matches part of a file or folder name,
    `{field:a|b}` only a or b, and `**/` any folders."""

    images: str
    """Path pattern of the images."""
    masks: str
    """Path pattern of the masks, with the same fields as `images`: images, or polygons (`.geojson`,
    `.gpkg`, `.fgb` or `.shp`)."""
    scene: str
    """Name of a scene, made of the fields of `images`."""
    mask_values: Literal["color", "index"]
    """Whether mask pixels hold class colours or class indices."""
    attribute: str | None = None
    """Masks of polygons: the attribute that says the class, by its name or by its mask value.
    Pixels that no polygon covers have no label (255)."""

    @model_validator(mode="after")
    def _patterns(self):
        for key in ("images", "masks"):
            pattern = getattr(self, key)
            rest = FIELD.sub("", pattern)
            if "{" in rest or "}" in rest:
                raise ValueError(f"{key}: {pattern!r} has a brace without its field, such as {{n}}")

        if self.masks.lower().endswith(VECTORS) != (self.attribute is not None):
            raise ValueError(
                f"attribute: goes with masks of polygons ({', '.join(VECTORS)}), and they with it"
            )
        if self.attribute and self.mask_values == "color":
            raise ValueError("mask_values: polygons have no colours; set it to index")

        wanted = set(FIELD.findall(self.images))
        if set(FIELD.findall(self.masks)) != wanted:
            fields = ", ".join(sorted(wanted)) or "none"
            raise ValueError(f"masks: must have the same fields as images ({fields})")
        if not re.fullmatch(r"([^{}]|\{\w+\})+", self.scene):
            raise ValueError(f"scene: {self.scene!r} is not a name made of fields, such as {{n}}")
        return self
