"""Measure what a model costs on a dataset's classes: size, operations, time and memory."""

from functools import partial

from satseg.config.models import ModelSpec
from satseg.devices import describe_device
from satseg.files import write_json
from satseg.jobs.program import stage
from satseg.jobs.resources import claim_device
from satseg.jobs.slices import ProfileSlice
from satseg.models import build_model
from satseg.profiling import (
    INPUT,
    activation_elements,
    gflops,
    layer_summary,
    measure,
    peak_memory_mb,
)
from satseg.progress import log

FLOAT_BYTES = 4


def run(job: ProfileSlice, out: str) -> None:
    """Write the profile to the JSON file `out`; sizes and times are for one image of 3×512×512."""
    claim_device()
    make = partial(build_model, job.model, job.classes)
    net = make()
    # Before anything else runs here: on a CPU it is the growth of a fresh process.
    peak = peak_memory_mb(make)
    times = measure(net, job.classes)
    shapes = net.to("meta")
    _, leaves = activation_elements(shapes)
    profile = {
        "dataset": job.dataset,
        "model": job.model_name,
        "classes": job.classes,
        **sizes(job.model, job.classes),
        "activations_mb": round(FLOAT_BYTES * leaves / 2**20, 2),
        "gflops": round(gflops(shapes), 3),
        **{name: round(value, 3) for name, value in times.items()},
        "peak_memory_mb": round(peak, 1),
        "device": describe_device(),
        "input": INPUT,
        "spec": job.model.model_dump(),
        "summary": layer_summary(shapes),
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
    stage("profile", __doc__, ProfileSlice, run, {"out": "the profile's JSON file"})
