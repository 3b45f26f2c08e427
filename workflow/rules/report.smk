# Per study: tables, figures and the page that shows them.
# These stages use what the configuration's classes work out, not their keys alone: they depend on its code too.
STUDY_MODULES = ["satseg.config", "satseg.jobs"]


rule tables:
    input:
        runs=lambda w: run_files(w.study, "counts.csv", "history.csv", "run.json"),
        profiles=lambda w: profile_files(w.study),
        tiles=lambda w: dataset_files(w.study, "data/tiles/{dataset}/tiles.csv"),
        splits=lambda w: split_files(w.study, ".csv", ".leakage.csv"),
        code=code("tables", *STUDY_MODULES),
    output:
        markdown=expand("results/{{study}}/tables/{table}.md", table=TABLES),
        pages="results/{study}/tables/pages.json",
        scores=report(
            "results/{study}/tables/scores.csv",
            caption="../report/scores.rst",
            category="{study}",
            subcategory="Tables",
            labels={"shows": "Scores"},
        ),
        models=report(
            "results/{study}/tables/models.csv",
            caption="../report/models.rst",
            category="{study}",
            subcategory="Tables",
            labels={"shows": "Cost of the models"},
        ),
        splits=report(
            "results/{study}/tables/splits.csv",
            caption="../report/splits.rst",
            category="{study}",
            subcategory="Tables",
            labels={"shows": "Leakage of the splits"},
        ),
        published=report(
            "results/{study}/tables/published.csv",
            caption="../report/published.rst",
            category="{study}",
            subcategory="Tables",
            labels={"shows": "Published figures beside ours"},
        ),
        claims=report(
            "results/{study}/tables/claims.csv",
            caption="../report/claims.rst",
            category="{study}",
            subcategory="Tables",
            labels={"shows": "Claims"},
        ),
        speed=report(
            "results/{study}/tables/speed.csv",
            caption="../report/speed.rst",
            category="{study}",
            subcategory="Tables",
            labels={"shows": "Order of the models by speed"},
        ),
    log:
        "logs/tables/{study}.log",
    benchmark:
        "logs/tables/{study}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        slice=lambda w: slices.study_slice(cfg, w.study).model_dump_json(),
        code=digest(code("tables", *STUDY_MODULES)),
    shell:
        r"""
        python -m satseg.stages.tables --slice {params.slice:q} --data data --results results &>{log:q}
        """


rule figures:
    input:
        scores="results/{study}/tables/scores.csv",
        models="results/{study}/tables/models.csv",
        splits="results/{study}/tables/splits.csv",
        runs=lambda w: run_files(w.study, "history.csv", "panels.npz"),
        tiles=lambda w: dataset_files(
            w.study,
            "data/tiles/{dataset}/tiles.csv",
            "data/tiles/{dataset}/digests.json",
        ),
        arrays=lambda w: ancient(
            dataset_files(
                w.study,
                "data/tiles/{dataset}/images.npy",
                "data/tiles/{dataset}/masks.npy",
            )
        ),
        divided=lambda w: split_files(w.study, ".csv", ".leakage.csv"),
        code=code("figures", *STUDY_MODULES),
    output:
        figures=report(
            directory("results/{study}/figures"),
            patterns=["{figure}.svg", "{figure}.png"],
            caption="../report/figures.rst",
            category="{study}",
            subcategory="Figures",
            labels={"shows": "{figure}"},
        ),
        drawn="results/{study}/figures.json",
    log:
        "logs/figures/{study}.log",
    benchmark:
        "logs/figures/{study}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        slice=lambda w: slices.study_slice(cfg, w.study).model_dump_json(),
        code=digest(code("figures", *STUDY_MODULES)),
    shell:
        r"""
        python -m satseg.stages.figures --slice {params.slice:q} --data data --results results &>{log:q}
        """


rule report:
    input:
        tables=rules.tables.output,
        manifests=lambda w: dataset_files(w.study, "data/raw/{dataset}/manifest.json"),
        figures=ancient("results/{study}/figures"),
        drawn="results/{study}/figures.json",
        runs=lambda w: run_files(w.study, "history.csv", "run.json"),
        code=code("report", *STUDY_MODULES),
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
        slice=lambda w: slices.study_slice(cfg, w.study).model_dump_json(),
        code=digest(code("report", *STUDY_MODULES)),
    shell:
        r"""
        python -m satseg.stages.report --slice {params.slice:q} --data data --results results &>{log:q}
        """
