# Which files belong to a study.


def run_files(wildcards, *names):
    """These files of every cell of the study."""
    return expand(
        "results/runs/{cell.path}/{name}",
        cell=slices.cells(cfg.study[wildcards.study]),
        name=names,
    )


def dataset_files(wildcards, *patterns):
    """These files of every dataset of the study."""
    return expand(patterns, dataset=cfg.study[wildcards.study].datasets)


def split_files(wildcards, *endings):
    """The split of every recipe of the study, on each of its datasets."""
    study = cfg.study[wildcards.study]
    splits = sorted({cfg.recipes[recipe].split for recipe in study.recipes})
    return expand(
        "data/splits/{dataset}/{split}{ending}",
        dataset=study.datasets,
        split=splits,
        ending=endings,
    )


def source_kind(dataset):
    """Name of the module in satseg.data.sources that brings the scenes."""
    return "local" if dataset.path else dataset.source.kind
