# Per cell: a training run. Its checkpoints lie beside the outputs and outlive a failed job, which then resumes.
# `exec`: a scheduler's SIGTERM would end the shell at once, and the job with it, while the run is still saving.
# `--with-parent`: no run is left behind if Snakemake itself is killed.


rule train:
    input:
        manifest=lambda w: ancient(targets.manifest_file(cfg, w.dataset)),
        images=ancient("data/tiles/{dataset}/images.npy"),
        masks=ancient("data/tiles/{dataset}/masks.npy"),
        digests="data/tiles/{dataset}/digests.json",
        table="data/tiles/{dataset}/tiles.csv",
        origin="data/tiles/{dataset}/origin.json",
        split=lambda w: targets.recipe_split(
            cfg, w.dataset, w.recipe, targets.fold_number(w.fold)
        ),
        weights=lambda w: ancient(weights_files(cfg.models[w.model])),
        start=lambda w: ancient(targets.start_weights(cfg, w.recipe)),
        start_run=lambda w: targets.start_record(cfg, w.recipe),
        teacher=lambda w: ancient(
            targets.teacher_weights(
                cfg, w.dataset, w.recipe, targets.fold_number(w.fold)
            )
        ),
        teacher_run=lambda w: [
            file.with_name("run.json")
            for file in targets.teacher_weights(
                cfg, w.dataset, w.recipe, targets.fold_number(w.fold)
            )
        ],
        built=lambda w: built(w.dataset, w.model, w.recipe),
        settings=lambda w: tuned.settings_files(cfg, w.recipe),
        shorter=lambda w: ancient(
            [folder / "run.json" for folder in tuned.shorter_runs(cfg, w.recipe)]
        ),
    output:
        run="results/runs/{dataset}/{model}/{recipe}/seed{seed}{fold}/run.json",
        history="results/runs/{dataset}/{model}/{recipe}/seed{seed}{fold}/history.csv",
        best="results/runs/{dataset}/{model}/{recipe}/seed{seed}{fold}/best.pt",
        final="results/runs/{dataset}/{model}/{recipe}/seed{seed}{fold}/final.pt",
    log:
        "logs/train/{dataset}/{model}/{recipe}/seed{seed}{fold}.log",
    benchmark:
        "logs/train/{dataset}/{model}/{recipe}/seed{seed}{fold}.tsv"
    conda:
        "../../environment.yml"
    threads: share_of_cores()
    resources:
        gpu=lambda w: cfg.recipe(w.recipe).devices,
        local_tiles=0,
        logger=cfg.logger,  # no parameter: it decides no result
    params:
        slice=lambda w: slices.train_slice(
            cfg, w.dataset, w.model, w.recipe, w.seed, targets.fold_number(w.fold)
        ).argument(),
        code=lambda w: stage_code("train", w.model, w.recipe),
        raw=lambda w, input: dirname(input.manifest),
        tiles=lambda w, input: dirname(input.table),
        out=lambda w, output: dirname(output.run),
        teacher=lambda w: [
            option
            for file in targets.teacher_weights(
                cfg, w.dataset, w.recipe, targets.fold_number(w.fold)
            )
            for option in ("--teacher", file)
        ],
        tuned=lambda w: tuned.train_options(cfg, w.recipe),
    shell:
        r"""
        exec python -m satseg.stages.train --slice {params.slice:q} --code {params.code} \
            --raw {params.raw:q} --tiles {params.tiles:q} --split {input.split:q} --out {params.out:q} \
            {params.teacher:q} {params.tuned:q} --local-tiles {resources.local_tiles} --logger {resources.logger} --with-parent 1 &>{log:q}
        """
