"""Hours of models that nothing has been measured of here: from the published profiles of another
machine, by how fast this one trains a model that was measured there."""

from functools import cached_property
from pathlib import Path
from statistics import median
from typing import NamedTuple

from pydantic import TypeAdapter

from satseg.config.models import ModelSpec, PythonSpec
from satseg.config.reading import ROOT
from satseg.estimate.measured import PROFILE, is_same_model
from satseg.readers import read_json

FOLDER = ROOT / "results" / "published"
CLASSES = 6  # of the model that is timed; they hardly matter
SECONDS = 5.0  # that it is timed for, after a first step


class Published(NamedTuple):
    """A model's published profiles taken together."""

    name: str
    model: ModelSpec
    train_step_ms: float
    """Median of a training step with one 512² image."""
    gflops: float
    """Of a forward pass, in 10⁹."""
    device: str


class PublishedTimes:
    """The time of a training step on this machine, from the published profiles.

    Args:
        folder: of the published studies.
    """

    def __init__(self, folder: Path = FOLDER):
        self.folder = folder

    @cached_property
    def profiles(self) -> list[Published]:
        """Every model with a published profile, the fastest first; the same model under two names
        counts once."""
        steps: dict[str, list[dict]] = {}
        for path in sorted(self.folder.glob("*/profiles/*/*.json")):
            profile = read_json(path, PROFILE | {"gflops": float, "model": str})
            steps.setdefault(profile["model"], []).append(profile)

        found = []
        for name, profiles in steps.items():
            first = profiles[0]
            model = TypeAdapter(ModelSpec).validate_python(first["spec"])
            step = median(profile["train_step_ms"] for profile in profiles)
            found.append(Published(name, model, step, first["gflops"], first["device"]["name"]))
        return sorted(found, key=lambda profile: profile.train_step_ms)

    @cached_property
    def here_ms(self) -> float:
        """What a step of the fastest of them takes on this machine: seconds of measuring."""
        return training_step_ms(self.profiles[0].model)

    @property
    def scale(self) -> float:
        """How much longer a step takes here."""
        return self.here_ms / self.profiles[0].train_step_ms

    def step_ms(self, model: ModelSpec) -> float | None:
        """About how long a training step with one 512² image takes here; None if nothing is
        published, or the model is the user's own code.

        A model that has no profile is taken to be as slow as the others for its operations.
        """
        if not self.profiles or isinstance(model, PythonSpec):
            return None
        for profile in self.profiles:
            if is_same_model(profile.model.model_dump(), model):
                return self.scale * profile.train_step_ms
        each = median(profile.train_step_ms / profile.gflops for profile in self.profiles)
        return self.scale * each * model_gflops(model)

    def said(self) -> str:
        """What the times rest on, in one sentence."""
        first = self.profiles[0]
        return (
            f"{first.name} takes {self.here_ms:,.0f} ms a training step here and "
            f"{first.train_step_ms:,.0f} ms on the published {first.device}"
        )


def training_step_ms(model: ModelSpec) -> float:
    """Median time of a training step with one 512² image on this machine, in 32-bit."""
    # Imported here because torch takes seconds to load.
    import torch
    from torch.nn.functional import cross_entropy

    from satseg.devices import device
    from satseg.models import build_model
    from satseg.profiling import INPUT, repeated

    net = build_model(model, CLASSES).to(device(), memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters())
    images = torch.rand(1, *INPUT).to(device(), memory_format=torch.channels_last)
    target = torch.zeros(1, *INPUT[1:], dtype=torch.long, device=device())

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(net(images), target).backward()
        optimizer.step()

    return median(repeated(step, SECONDS, fewest=2))


def model_gflops(model: ModelSpec) -> float:
    """Operations of a forward pass with one 512² image, in 10⁹; nothing is computed."""
    from satseg.models import build_model
    from satseg.profiling import gflops

    return gflops(build_model(model, CLASSES).to("meta"))
