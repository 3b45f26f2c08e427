"""Which encoders the libraries have: read from their files; importing them takes seconds."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# Encoders that an architecture refuses, by the beginning of their names.
NO_DILATION = ("vgg", "densenet", "inception", "xception")
UNFIT = {
    "UnetPlusPlus": ("mit_",),
    "Linknet": ("mit_",),
    "PAN": NO_DILATION,
    "DeepLabV3": NO_DILATION,
    "DeepLabV3Plus": NO_DILATION,
}
ONLY_TIMM = "DPT"
# Names that the library itself takes for timm's.
RENAMED = re.compile(r"timm-(regnet|res2|resnest|mobilenetv3|gernet)")


@cache
def encoders() -> list[str]:
    """Names of segmentation_models_pytorch's encoders, without timm's; none if it is not
    installed."""
    text = _text("segmentation_models_pytorch", "encoders")
    return sorted(set(re.findall(r'^    "([\w-]+)": \{', text, re.MULTILINE)))


@cache
def timm_models() -> list[str]:
    """Names of timm's models, to be used as `tu-…`; none if it is not installed."""
    return re.findall(r"^@register_model\s+def (\w+)", _text("timm", "models"), re.MULTILINE)


def is_encoder(name: str) -> bool:
    """Whether there is an encoder of this name, as far as the installed files say."""
    if not encoders() or RENAMED.match(name):
        return True
    if not name.startswith("tu-"):
        return name in encoders()

    model = name.removeprefix("tu-").split(".")[0]
    # Old names, and those on a hub, stand elsewhere.
    return ":" in name or model in timm_models() or f"'{model}'" in _text("timm", "models")


def fits(architecture: str, encoder: str) -> bool:
    """Whether an architecture takes an encoder, as far as its name tells."""
    architecture = architecture.lower()
    if architecture == ONLY_TIMM.lower():
        return encoder.startswith("tu-")
    unfit = {name.lower(): beginnings for name, beginnings in UNFIT.items()}
    return not encoder.startswith(unfit.get(architecture, ()))


def names_weights(name: str) -> bool:
    """Whether some encoder of the library has weights of this name."""
    text = _text("segmentation_models_pytorch", "encoders")
    return not text or f'"{name}"' in text


@cache
def _text(package: str, folder: str = "") -> str:
    """All modules of a package's folder as one text; empty if it is not installed."""
    found = find_spec(package)
    if found is None:
        return ""
    place = Path(found.origin).parent
    files = sorted((place / folder).glob("*.py")) if folder else [place / "__init__.py"]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)
