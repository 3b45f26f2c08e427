"""What runs and profiles say of their speed, and whether it holds here."""

from functools import cache

from pydantic import ValidationError

from satseg.config.models import ModelSpec

DEVICE = {"kind": str, "name": (str, None)}
PROFILE = {
    "device": DEVICE,
    "spec": dict,
    "dataset": str,
    "train_step_ms": float,
    "parameters": int,
}
RUN = {
    "device": DEVICE,
    "tiles": {"train": int, "val": int},
    "slice": {"training": dict},
}


@cache
def this_device() -> dict:
    """What this machine computes on."""
    # Imported here because it loads torch, which takes seconds.
    from satseg.devices import describe_device

    return describe_device()


def is_same_model(spec: dict, model: ModelSpec) -> bool:
    """Whether a profile's `spec`, whose keys may be fewer than today's, is this model's."""
    try:
        return type(model).model_validate(spec) == model
    except ValidationError:
        return False


def is_this_device(device: dict) -> bool:
    """Whether something was measured on a device like this one."""
    here = this_device()
    return (device["kind"], device["name"]) == (here["kind"], here["name"])
