# Per study: tables, figures and the page that shows them.


rule tables:
    input:
        runs=lambda w: run_files(w, "counts.csv", "history.csv", "run.json"),
        profiles=lambda w: expand(
            "results/profiles/{dataset}/{model}.json",
            dataset=cfg.study[w.study].datasets,
            model=cfg.study[w.study].models,
        ),
        tiles=lambda w: dataset_files(w, "data/tiles/{dataset}/tiles.csv"),
        splits=lambda w: split_files(w, ".csv", ".leakage.csv"),
        code=code("tables"),
    output:
        markdown=expand("results/{{study}}/tables/{table}.md", table=TABLES),
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
    log:
        "logs/tables/{study}.log",
    benchmark:
        "logs/tables/{study}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        slice=lambda w: slices.study_slice(cfg, w.study).model_dump_json(),
    shell:
        r"""
        python -m satseg.stages.tables --slice {params.slice:q} --data data --results results &>{log:q}
        """


rule figures:
    input:
        scores="results/{study}/tables/scores.csv",
        models="results/{study}/tables/models.csv",
        splits="results/{study}/tables/splits.csv",
        runs=lambda w: run_files(w, "history.csv", "panels.npz"),
        tiles=lambda w: dataset_files(
            w,
            "data/tiles/{dataset}/tiles.csv",
            "data/tiles/{dataset}/images.npy",
            "data/tiles/{dataset}/masks.npy",
        ),
        divided=lambda w: split_files(w, ".csv", ".leakage.csv"),
        code=code("figures"),
    output:
        figures=report(
            directory("results/{study}/figures"),
            patterns=["{figure}.svg", "{figure}.png"],
            caption="../report/figures.rst",
            category="{study}",
            subcategory="Figures",
            labels={"shows": "{figure}"},
        ),
    log:
        "logs/figures/{study}.log",
    benchmark:
        "logs/figures/{study}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        slice=lambda w: slices.study_slice(cfg, w.study).model_dump_json(),
    shell:
        r"""
        python -m satseg.stages.figures --slice {params.slice:q} --data data --results results &>{log:q}
        """


rule report:
    input:
        tables=rules.tables.output,
        manifests=lambda w: dataset_files(w, "data/raw/{dataset}/manifest.json"),
        figures="results/{study}/figures",
        runs=lambda w: run_files(w, "history.csv", "run.json"),
        code=code("report"),
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
    shell:
        r"""
        python -m satseg.stages.report --slice {params.slice:q} --data data --results results &>{log:q}
        """
