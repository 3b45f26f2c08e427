"""Types shared by all sections of the configuration."""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

# Kinds of text: the pattern each must match, and how messages describe it.
PATTERNS = {
    "name": (r"^[a-z0-9][a-z0-9_]*$", "a name of a-z, 0-9 and _"),
    "label": (
        r"^\S([^\n\t]*\S)?$",
        "a text of one line, without tabs, and without spaces at its ends",
    ),
    "color": (r"^#[0-9A-Fa-f]{6}$", "a colour such as '#3C1098'"),
    "url": (r"^https?://\S+/[^/\s]+$", "the http or https address of a file"),
    "tile": (r"^[^{}]*\{scene\}[^{}]*\{k\}[^{}]*$", "a name with {scene} followed by {k}"),
    "python": (
        r"^(\w[\w. -]*/)*\w[\w. -]*\.py$",
        "the path of a .py file below the working folder",
    ),
    "weights": (r"^[^{}]+\.(pt|zip)$", "the path of a weights file (.pt) or of a bundle (.zip)"),
    "identifier": (r"^[A-Za-z_]\w*$", "the name of a class or function"),
    "checksum": (
        r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$",
        "md5: or sha256:, then the digest in hex",
    ),
}


Name = Annotated[str, StringConstraints(pattern=PATTERNS["name"][0], max_length=100)]


Label = Annotated[str, StringConstraints(pattern=PATTERNS["label"][0], max_length=100)]


Color = Annotated[str, StringConstraints(pattern=PATTERNS["color"][0], to_upper=True)]


Url = Annotated[str, StringConstraints(pattern=PATTERNS["url"][0])]


Checksum = Annotated[str, StringConstraints(pattern=PATTERNS["checksum"][0], to_lower=True)]


WeightsFile = Annotated[str, StringConstraints(pattern=PATTERNS["weights"][0])]


Fraction = Annotated[float, Field(gt=0, le=1)]


Probability = Annotated[float, Field(ge=0, le=1)]


Subset = Literal["train", "val", "test"]


# What random generators take.
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


# Numbers beyond these are slips of the pen, which a job would find after hours.
Count = Annotated[int, Field(ge=1, le=10**6)]
Size = Annotated[int, Field(ge=32, le=2**14)]
Total = Annotated[int, Field(ge=1, le=2**53)]
Weight = Annotated[float, Field(ge=0, le=10**6)]


class Strict(BaseModel):
    """A configuration section: unknown keys are rejected, values are not changed after reading."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )
