"""Where a dataset's files come from."""

from typing import Annotated, Literal

from pydantic import Field

from satseg.config.types import Checksum, Seed, Strict, Total, Url

DEMO_BANDS = 3


class KaggleSource(Strict):
    """A dataset on Kaggle; needs your API token."""

    kind: Literal["kaggle"]
    """Kind of source."""
    slug: str
    """`owner/name` of the dataset on Kaggle."""
    # Excluded from every slice: it cannot change a result.
    bytes: Total | None = Field(None, exclude=True)
    """Size of the download, for `satseg estimate`; null if unknown."""


class HttpFile(Strict):
    """A zip archive on the web."""

    url: Url
    """Its address."""
    checksum: Checksum
    """`md5:…` or `sha256:…`; a download that does not match is rejected."""
    bytes: Total | None = Field(None, exclude=True)
    """Size of the archive, for `satseg estimate`; null if unknown."""


class HttpSource(Strict):
    """Zip archives on the web, unpacked into one folder; an interrupted download resumes where it
    stopped."""

    kind: Literal["http"]
    """Kind of source."""
    files: Annotated[list[HttpFile], Field(min_length=1)]
    """The archives."""
    fallback: KaggleSource | None = None
    """Second source, used if an archive cannot be downloaded."""


class DemoSource(Strict):
    """Synthetic scenes, generated here; the same seed gives the same bytes."""

    kind: Literal["demo"]
    """Kind of source."""
    scenes: Annotated[int, Field(ge=3, le=10**5)] = 12
    """Number of scenes."""
    size: Annotated[int, Field(ge=128, le=2**14)] = 512
    """Height and width of a scene in pixels."""
    seed: Seed = 0
    """Seed of the generator."""


Source = Annotated[HttpSource | KaggleSource | DemoSource, Field(discriminator="kind")]
