"""Measure what a model costs on a dataset's classes: size, operations, time and memory."""

from functools import partial

from satseg.config.models import ModelSpec
from satseg.devices import describe_device, keep_memory
from satseg.files import write_json
from satseg.jobs.gpus import take_gpu
from satseg.jobs.program import stage
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


def run(spec: ProfileSlice, out: str) -> None:
    """Write the profile to the JSON file `out`; sizes and times are for one image of 3×512×512."""
    take_gpu()
    keep_memory()
    make = partial(build_model, spec.model, spec.classes)
    model = make()
    # Measured before anything else has run here: on a CPU it is the growth of a fresh process.
    peak = peak_memory_mb(make)
    times = measure(model, spec.classes)
    shapes = model.to("meta")
    _, leaves = activation_elements(shapes)
    profile = {
        "dataset": spec.dataset,
        "model": spec.model_name,
        "classes": spec.classes,
        **sizes(spec.model, spec.classes),
        "activations_mb": round(FLOAT_BYTES * leaves / 2**20, 2),
        "gflops": round(gflops(shapes), 3),
        **{name: round(value, 3) for name, value in times.items()},
        "peak_memory_mb": round(peak, 1),
        "device": describe_device(),
        "input": INPUT,
        "spec": spec.model.model_dump(),
        "summary": layer_summary(shapes),
    }
    profile["sizes"] = {
        n: sizes(spec.model, n) for n in sorted({spec.classes, *spec.printed_classes})
    }
    write_json(out, profile)
    log.info(
        "%s: %d parameters, %.1f GFLOPs, %.0f ms a forward pass",
        spec.model_name, profile["parameters"], profile["gflops"], profile["latency_ms"],
    )  # fmt: skip


def sizes(model: ModelSpec, classes: int) -> dict[str, float]:
    """Trainable weights, and the published accounting of a pass's memory in MiB."""
    # Not built there: some encoders compute with the values of what they make.
    shapes = build_model(model, classes).to("meta")
    published, _ = activation_elements(shapes)
    return {
        "parameters": sum(p.numel() for p in shapes.parameters()),
        # Twice, for the backward pass.
        "memory_mb": round(2 * FLOAT_BYTES * published / 2**20, 2),
    }


if __name__ == "__main__":
    stage("profile", __doc__, ProfileSlice, run, {"out": "the profile's JSON file"})
