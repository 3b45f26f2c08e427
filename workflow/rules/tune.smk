# Per tuned recipe: the settings of each trial, which trials go on from a rung, the recipe found. The trials train as
# cells like any other. Which ones there are at a rung is known when the one below is decided: `rung` is a checkpoint.


rule draw:
    input:
        earlier=lambda w: tuned.earlier_draws(cfg, w.tuned, int(w.trial)),
    output:
        settings="results/tunings/{tuned}/trials/{trial}.yaml",
    log:
        "logs/draw/{tuned}/{trial}.log",
    benchmark:
        "logs/draw/{tuned}/{trial}.tsv"
    wildcard_constraints:
        trial=r"[1-9]\d*",
    # Below training: where one job runs at a time, TPE knows of every trial before it.
    priority: -1
    conda:
        "../../environment.yml"
    threads: 1
    params:
        slice=lambda w: tuned.draw_slice(cfg, w.tuned, int(w.trial)).argument(),
        code=digest(code("draw")),
    shell:
        r"""
        exec python -m satseg.stages.draw --slice {params.slice:q} --code {params.code} --results results \
            --out {output.settings:q} &>{log:q}
        """


checkpoint rung:
    input:
        runs=lambda w: tuned.run_files(
            cfg, w.tuned, int(w.rung), trials_at(w.tuned, w.rung)
        ),
    output:
        table="results/tunings/{tuned}/rung{rung}.csv",
    log:
        "logs/rung/{tuned}/{rung}.log",
    benchmark:
        "logs/rung/{tuned}/{rung}.tsv"
    wildcard_constraints:
        rung=r"[1-9]\d*",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        slice=lambda w: tuned.rung_slice(
            cfg, w.tuned, int(w.rung), trials_at(w.tuned, w.rung)
        ).argument(),
        code=digest(code("rung")),
    shell:
        r"""
        exec python -m satseg.stages.rung --slice {params.slice:q} --code {params.code} --results results \
            --out {output.table:q} &>{log:q}
        """


rule tune:
    input:
        rungs=lambda w: tuned.rung_files(cfg, w.tuned),
        drawn=lambda w: tuned.drawn_files(cfg, w.tuned),
    output:
        recipe="results/tunings/{tuned}/recipe.yaml",
        settings="results/tunings/{tuned}/settings.yaml",
        trials="results/tunings/{tuned}/trials.csv",
        importance="results/tunings/{tuned}/importance.csv",
        figure="results/tunings/{tuned}/trials.svg",
    log:
        "logs/tune/{tuned}.log",
    benchmark:
        "logs/tune/{tuned}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        slice=lambda w: tuned.tune_slice(cfg, w.tuned).argument(),
        code=digest(code("tune")),
        out=lambda w, output: dirname(output.recipe),
    shell:
        r"""
        exec python -m satseg.stages.tune --slice {params.slice:q} --code {params.code} --results results \
            --out {params.out:q} &>{log:q}
        """
