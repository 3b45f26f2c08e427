# Per study: tables, figures and the page that shows them.
# These stages use what the configuration's classes compute, not their keys alone: they depend on its code too.
STUDY_MODULES = ["satseg.config", "satseg.jobs"]


rule tables:
    input:
        runs=lambda w: targets.run_files(
            cfg, w.study, ["counts.csv", "confusion.csv", "history.csv", "run.json"]
        ),
        profiles=lambda w: targets.profile_files(cfg, w.study),
        speeds=lambda w: targets.speed_files(cfg, w.study),
        tiles=lambda w: targets.tile_files(cfg, w.study, ["tiles.csv", "agreement.csv"]),
        splits=lambda w: targets.split_files(cfg, w.study),
        tunings=lambda w: tuned.study_files(cfg, w.study),
    output:
        pages="results/{study}/tables/pages.json",
        markdown=expand("results/{{study}}/tables/{table}.md", table=TABLES),
        scores=table("scores", "Scores"),
        summary=table("summary", "Scores over all runs"),
        folds=table("folds", "Scores fold by fold"),
        differences=table("differences", "Differences between the models"),
        errors=table("errors", "Errors beside the scores"),
        brightness=table("brightness", "Scores by brightness"),
        agreement=table("agreement", "Agreement of annotators"),
        models=table("models", "Cost of the models"),
        splits=table("splits", "Leakage of the splits"),
        published=table("published", "Published figures beside ours"),
        claims=table("claims", "Claims"),
        speed=table("speed", "Order of the models by speed"),
    log:
        "logs/tables/{study}.log",
    benchmark:
        "logs/tables/{study}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        slice=lambda w: slices.study_slice(cfg, w.study).argument(),
        code=digest(code("tables", *STUDY_MODULES)),
    shell:
        r"""
        exec python -m satseg.stages.tables --slice {params.slice:q} --code {params.code} --data data --results results &>{log:q}
        """


rule figures:
    input:
        scores=rules.tables.output.scores,
        summary=rules.tables.output.summary,
        differences=rules.tables.output.differences,
        models=rules.tables.output.models,
        audit=rules.tables.output.splits,
        runs=lambda w: targets.run_files(
            cfg, w.study, ["history.csv", "counts.csv", "panels.npz", "confusion.csv"]
        ),
        profiles=lambda w: targets.profile_files(cfg, w.study),
        speeds=lambda w: targets.speed_files(cfg, w.study),
        tiles=lambda w: targets.tile_files(cfg, w.study, ["tiles.csv", "digests.json"]),
        arrays=lambda w: ancient(
            targets.tile_files(cfg, w.study, ["images.npy", "masks.npy"])
        ),
        splits=lambda w: targets.split_files(cfg, w.study),
        tunings=lambda w: tuned.study_files(cfg, w.study),
        calibrations=lambda w: targets.calibration_files(cfg, w.study),
    output:
        figures=report(
            directory("results/{study}/figures"),
            patterns=["{figure}.svg", "{figure}.png"],
            caption="../report/figures.rst",
            category="{study}",
            subcategory="Figures",
            labels={"shows": "{figure}"},
        ),
        figures_digest="results/{study}/figures.json",
    log:
        "logs/figures/{study}.log",
    benchmark:
        "logs/figures/{study}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        slice=lambda w: slices.study_slice(cfg, w.study).argument(),
        code=digest(code("figures", *STUDY_MODULES)),
    shell:
        r"""
        exec python -m satseg.stages.figures --slice {params.slice:q} --code {params.code} --data data --results results &>{log:q}
        """


rule report:
    input:
        tables=rules.tables.output,
        manifests=lambda w: targets.manifest_files(cfg, w.study),
        figures=ancient("results/{study}/figures"),
        figures_digest=rules.figures.output.figures_digest,
        runs=lambda w: targets.run_files(cfg, w.study, ["history.csv", "run.json"]),
    output:
        report(
            "results/{study}/report.html",
            caption="../report/report.rst",
            category="{study}",
            subcategory="Report",
            labels={"shows": "The whole study on one page"},
        ),
    log:
        "logs/report/{study}.log",
    benchmark:
        "logs/report/{study}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        slice=lambda w: slices.study_slice(cfg, w.study).argument(),
        code=digest(code("report", *STUDY_MODULES)),
    shell:
        r"""
        exec python -m satseg.stages.report --slice {params.slice:q} --code {params.code} --data data --results results &>{log:q}
        """
