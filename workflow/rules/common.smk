# What several rules need.
# The digest of a job's sources is a parameter: by dates, an edit made while it ran would be missed, and as inputs,
# sixty files for each job would take most of the time of planning. It is made of wildcards, not of `input`: Snakemake
# compares no parameter that is derived from inputs. What a record says decides before dates do (see satseg.records);
# without one, inputs are compared by content up to the profile's `max-checksum-file-size`. Larger ones are `ancient`,
# so that their dates decide nothing, and beside each stands a small input that changes with it.
from functools import cache
from os.path import dirname
from pathlib import Path

from satseg.search.halving import kept_of


# On a cluster these run where Snakemake does: the network is there, and they are not worth a wait in the queue.
localrules:
    all,
    download,
    split,
    draw,
    rung,
    tune,
    tables,
    figures,
    report,


def study_files(study):
    """What a study consists of. Snakemake rebuilds a deleted file only if a target names it."""
    return [
        *expand(rules.report.output + rules.tables.output, study=study),
        *expand(rules.figures.output, study=study),
        *targets.run_files(cfg, study, targets.CELL_FILES),
        *targets.calibration_files(cfg, study),
        *targets.profile_files(cfg, study),
        *targets.speed_files(cfg, study),
    ]


def looked_at(wildcards):
    """No file; a line that says what is wrong with the dataset's files, before any job starts."""
    if workflow.is_main_process:
        # Imported here because it reads images, which other runs do not need.
        from satseg.check.look import look

        try:
            look(
                cfg,
                wildcards.dataset,
                places(overrides=config, origin=origin),
                targets.PATHS,
            )
        except UserError as mistake:
            sys.exit(str(mistake))
    return []


@cache
def built(dataset, model, recipe):
    """No file; a line that says why a model cannot be trained, before any job starts."""
    if workflow.is_main_process:
        # Imported here because of what it imports.
        from satseg.check.building import try_model

        try:
            place = places(overrides=config, origin=origin)
            try_model(cfg, dataset, model, recipe, place)
        except UserError as mistake:
            sys.exit(str(mistake))
    return []


def map_files(wildcards):
    """Every map, or a line that says why there is none."""
    try:
        return targets.map_files(cfg)
    except UserError as mistake:
        sys.exit(str(mistake))


def table(name, title):
    """A table of the study that Snakemake's own report shows, with the caption of that name."""
    return report(
        f"results/{{study}}/tables/{name}.csv",
        caption=f"../report/{name}.rst",
        category="{study}",
        subcategory="Tables",
        labels={"shows": title},
    )


def trials_at(name, rung):
    """Numbers of the trials that reach a rung, once the one below is decided."""
    if int(rung) == 1:
        return cfg.tunings[name].trial_numbers
    below = checkpoints.rung.get(tuned=name, rung=int(rung) - 1)
    return kept_of(Path(below.output.table))


@cache
def stage_code(stage, model, recipe=None):
    """Digest of what decides a stage that builds this model, beside slice and inputs: its source files and, for
    training with a recipe, the weights it starts from. Made once per model and recipe, not once per cell.
    """
    weights = []
    if recipe:
        weights = weights_files(cfg.models[model]) + targets.foreign_start(cfg, recipe)
    return digest([*model_code(stage, cfg.models[model]), *weights])


def cell_of(wildcards):
    """The cell that a rule's wildcards name."""
    names = {kind: wildcards[kind] for kind in ("dataset", "model", "recipe", "seed")}
    return Cell(**names, fold=targets.fold_number(wildcards.fold))


@cache
def study_code(stage, study):
    """Digest of the source files of a stage that builds all models of a study."""
    models = [cfg.models[name] for name in cfg.study[study].models]
    return digest(sorted(set().union(*(model_code(stage, model) for model in models))))


def share_of_cores():
    """Threads of a job on a GPU: `--cores 32 --resources gpu=4` runs four jobs of eight threads at once."""
    # Neither is known within a job of a cluster.
    gpus = getattr(workflow.global_resources.get("gpu"), "value", None) or 1
    return min(16, max(1, (workflow.resource_settings.cores or 16) // gpus))
