# Which files belong to a study; which sources decide a job, and how many threads it has.
# Sources are inputs, and their digest is a parameter of every rule: dates alone miss an edit that was made while a
# job ran, and one that left the file an old date. Other inputs are compared by content up to the profile's
# `max-checksum-file-size`. Larger ones are `ancient`, so that their dates decide nothing, and beside each stands a
# small input that changes with it.
from functools import cache

from satseg.jobs.dependencies import download_code, model_code, tile_code


# On a cluster these run where Snakemake does: the network is there, and they are not worth a wait in the queue.
localrules:
    all,
    download,
    split,
    tables,
    figures,
    report,


CELL_FILES = [
    "history.csv",
    "best.pt",
    "final.pt",
    "run.json",
    "counts.csv",
    "panels.npz",
]


def run_files(study, *names):
    """These files of every cell of the study."""
    return expand(
        "results/runs/{cell.path}/{name}",
        cell=slices.cells(cfg.study[study]),
        name=names,
    )


def profile_files(study):
    """The profile of every model of the study on each of its datasets."""
    return expand(
        "results/profiles/{dataset}/{model}.json",
        dataset=cfg.study[study].datasets,
        model=cfg.study[study].models,
    )


def study_files(study):
    """What a study consists of. Snakemake rebuilds a file that was deleted only if a target names it."""
    return [
        *expand(rules.report.output + rules.tables.output, study=study),
        *expand(rules.figures.output, study=study),
        *run_files(study, *CELL_FILES),
        *profile_files(study),
    ]


def dataset_files(study, *patterns):
    """These files of every dataset of the study."""
    return expand(patterns, dataset=cfg.study[study].datasets)


def split_files(name, *endings):
    """The split of every recipe of the study, on each of its datasets."""
    study = cfg.study[name]
    splits = sorted({cfg.recipes[recipe].split for recipe in study.recipes})
    return expand(
        "data/splits/{dataset}/{split}{ending}",
        dataset=study.datasets,
        split=splits,
        ending=endings,
    )


def raw_code(dataset):
    """Source files that decide a download."""
    return download_code(slices.download_slice(cfg, dataset))


def store_code(dataset):
    """Source files that decide a tile store."""
    return tile_code(slices.tile_slice(cfg, dataset))


def map_files(wildcards):
    """The map of every scene that the configuration wants predicted."""
    try:
        return [
            f"results/predictions/{name}/{scene}.tif"
            for name in cfg.predictions
            for scene in slices.prediction_scenes(cfg, name)
        ]
    except UserError as mistake:
        sys.exit(str(mistake))


@cache
def stage_code(stage, model):
    """Source files of a stage that builds this model: looked up once a model, not once a cell."""
    return model_code(stage, cfg.models[model])


def share_of_cores():
    """Threads of a job on a GPU: `--cores 32 --resources gpu=4` runs four jobs of eight threads at once."""
    # Neither is known within a job of a cluster.
    gpus = getattr(workflow.global_resources.get("gpu"), "value", None) or 1
    return min(16, max(1, (workflow.resource_settings.cores or 16) // gpus))
