"""Measure how fast the models of a study are on a dataset, in turns."""

from functools import partial

from torch import nn

from satseg.data.store import open_tiles
from satseg.devices import describe_device
from satseg.files import write_json
from satseg.jobs.program import stage
from satseg.jobs.resources import claim_device
from satseg.jobs.slices import SpeedSlice
from satseg.jobs.writing import file
from satseg.models import build_model
from satseg.profiling import INPUT, LONGEST, measure, rounded
from satseg.progress import log
from satseg.text import counted


def run(job: SpeedSlice, tiles: str, out: str) -> list[str]:
    """Write the times of every model to the JSON file `out`: of one image of 3×512×512, as papers
    publish, and, under `trained`, of one tile of the dataset.

    The tile store `tiles` is opened only if the configuration does not say how many bands it has.
    """
    claim_device()
    bands = job.bands or open_tiles(tiles).images.shape[-1]
    tile = (bands, job.tile_size, job.tile_size)

    nets: list[tuple[nn.Module, tuple[int, ...]]] = []
    for model in job.models.values():
        make = partial(build_model, model, job.classes)
        net = make()
        trained_net = net if bands == INPUT[0] else make(in_channels=bands)
        nets += [(net, INPUT), (trained_net, tile)]
    times, shared = measure(nets, longest=LONGEST * len(job.models))

    models = {}
    for name, published, trained in zip(job.models, times[::2], times[1::2], strict=True):
        models[name] = {**rounded(published), "trained": rounded(trained)}
    speed = {
        "dataset": job.dataset,
        "models": models,
        **rounded(shared),
        "device": describe_device(),
        "input": INPUT,
        "tile": tile,
    }
    write_json(out, speed)
    models_said = counted(len(models), "model")
    rounds_said = counted(speed["rounds"], "round")
    log.info("%s: %s in %s", job.dataset, models_said, rounds_said)
    return [out]


if __name__ == "__main__":
    stage(
        "speed",
        __doc__,
        SpeedSlice,
        run,
        {
            "tiles": "folder of the tile store; read only if the slice does not say its bands",
            "out": "the JSON file of the times",
        },
        writes=lambda job, out, **_: [file(out)],
    )
