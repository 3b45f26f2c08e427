"""Measure what a model costs on a dataset's classes: size, operations, time and memory."""

from functools import partial

from torch import nn

from satseg.config.models import CompactSpec, ModelSpec, SmpSpec
from satseg.data.store import open_tiles
from satseg.devices import describe_device
from satseg.files import write_json
from satseg.jobs.program import stage
from satseg.jobs.resources import claim_device
from satseg.jobs.slices import ProfileSlice
from satseg.jobs.writing import file
from satseg.models import build_model
from satseg.models.outline import outline
from satseg.profiling import (
    INPUT,
    activation_elements,
    activation_levels,
    gflops,
    layer_summary,
    measure,
    peak_memory_mb,
    rounded,
)
from satseg.progress import log

FLOAT_BYTES = 4


def run(job: ProfileSlice, tiles: str, out: str) -> list[str]:
    """Write the profile to the JSON file `out`: of one image of 3×512×512, as papers publish, and,
    under `trained`, of one tile of the dataset.

    The tile store `tiles` is opened only if the configuration does not say how many bands it has.
    """
    claim_device()
    bands = job.bands or open_tiles(tiles).images.shape[-1]
    tile = (bands, job.tile_size, job.tile_size)
    make = partial(build_model, job.model, job.classes)
    make_trained = partial(make, in_channels=bands)

    # Before anything else runs here: on a CPU it is the growth of a fresh process.
    peak = peak_memory_mb(make)
    trained_peak = peak_memory_mb(make_trained, tile)
    net = make()
    trained_net = net if bands == INPUT[0] else make_trained()
    # One round: a study's models are compared by the times that `speed` measures in turns.
    both = [(net, INPUT), (trained_net, tile)]
    (times, trained_times), shared = measure(both, most_rounds=1)

    profile = {
        "dataset": job.dataset,
        "model": job.model_name,
        "classes": job.classes,
        **sizes(job.model, job.classes),
        **costs(net, INPUT, times, peak),
        "levels": _levels(net),
        **rounded(shared),
        "device": describe_device(),
        "input": INPUT,
        "spec": job.model.model_dump(),
        "summary": layer_summary(net),
        "outline": outline(net, INPUT) if isinstance(job.model, CompactSpec | SmpSpec) else None,
        "trained": {
            "input": tile,
            "parameters": sum(parameter.numel() for parameter in trained_net.parameters()),
            **costs(trained_net, tile, trained_times, trained_peak),
        },
    }
    profile["sizes"] = {
        classes: sizes(job.model, classes)
        for classes in sorted({job.classes, *job.printed_classes})
    }
    write_json(out, profile)
    log.info(
        "%s: %d parameters, %.1f GFLOPs, %.0f ms a forward pass",
        job.model_name, profile["parameters"], profile["gflops"], profile["latency_ms"],
    )  # fmt: skip
    return [out]


def costs(
    net: nn.Module, shape: tuple[int, ...], times: dict[str, float], peak: float
) -> dict[str, float]:
    """What one image of a shape costs; the model is on the meta device afterwards."""
    shapes = net.to("meta")
    _, leaves = activation_elements(shapes, shape)
    return {
        "activations_mb": round(FLOAT_BYTES * leaves / 2**20, 2),
        "gflops": round(gflops(shapes, shape), 3),
        **rounded(times),
        "peak_memory_mb": round(peak, 1),
    }


def _levels(net: nn.Module) -> dict[int, float]:
    """MiB of activations by the height of the feature maps; the model is on the meta device."""
    levels = activation_levels(net)
    return {height: round(FLOAT_BYTES * count / 2**20, 2) for height, count in levels.items()}


def sizes(model: ModelSpec, classes: int) -> dict[str, float]:
    """Trainable weights, and the published accounting of a pass's memory in MiB."""
    # Built on the CPU first: some encoders compute with the values of their weights.
    shapes = build_model(model, classes).to("meta")
    published, _ = activation_elements(shapes)
    return {
        "parameters": sum(parameter.numel() for parameter in shapes.parameters()),
        # Twice, to account for the backward pass.
        "memory_mb": round(2 * FLOAT_BYTES * published / 2**20, 2),
    }


if __name__ == "__main__":
    stage(
        "profile",
        __doc__,
        ProfileSlice,
        run,
        {
            "tiles": "folder of the tile store; read only if the slice does not say its bands",
            "out": "the profile's JSON file",
        },
        writes=lambda job, out, **_: [file(out)],
    )
