# Per cell: counts on the test tiles. Per model and dataset: what the model costs.


rule evaluate:
    input:
        images=ancient("data/tiles/{dataset}/images.npy"),
        masks=ancient("data/tiles/{dataset}/masks.npy"),
        digests="data/tiles/{dataset}/digests.json",
        table="data/tiles/{dataset}/tiles.csv",
        origin="data/tiles/{dataset}/origin.json",
        split=lambda w: targets.recipe_split(
            cfg, w.dataset, w.recipe, targets.fold_number(w.fold)
        ),
        best=ancient("results/runs/{dataset}/{model}/{recipe}/seed{seed}{fold}/best.pt"),
        final=ancient(
            "results/runs/{dataset}/{model}/{recipe}/seed{seed}{fold}/final.pt"
        ),
        run="results/runs/{dataset}/{model}/{recipe}/seed{seed}{fold}/run.json",
        members=lambda w: ancient(targets.member_weights(cfg, cell_of(w))),
        member_runs=lambda w: [
            file.with_name("run.json")
            for file in targets.member_weights(cfg, cell_of(w))
        ],
    output:
        counts="results/runs/{dataset}/{model}/{recipe}/seed{seed}{fold}/counts.csv",
        confusion="results/runs/{dataset}/{model}/{recipe}/seed{seed}{fold}/confusion.csv",
        panels="results/runs/{dataset}/{model}/{recipe}/seed{seed}{fold}/panels.npz",
    log:
        "logs/evaluate/{dataset}/{model}/{recipe}/seed{seed}{fold}.log",
    benchmark:
        "logs/evaluate/{dataset}/{model}/{recipe}/seed{seed}{fold}.tsv"
    conda:
        "../../environment.yml"
    threads: share_of_cores()
    resources:
        gpu=1,
    params:
        slice=lambda w: slices.evaluate_slice(cfg, w.recipe, w.model).argument(),
        code=lambda w: stage_code("evaluate", w.model),
        tiles=lambda w, input: dirname(input.table),
        run=lambda w, input: dirname(input.run),
        members=lambda w: [
            option
            for file in targets.member_weights(cfg, cell_of(w))
            for option in ("--member", file)
        ],
    shell:
        r"""
        exec python -m satseg.stages.evaluate --slice {params.slice:q} --code {params.code} \
            --tiles {params.tiles:q} --split {input.split:q} --run {params.run:q} {params.members:q} &>{log:q}
        """


# For recipes that ask for it: the temperature, fitted to the validation tiles, and how far probabilities hold.
rule calibrate:
    input:
        images=ancient("data/tiles/{dataset}/images.npy"),
        masks=ancient("data/tiles/{dataset}/masks.npy"),
        digests="data/tiles/{dataset}/digests.json",
        table="data/tiles/{dataset}/tiles.csv",
        origin="data/tiles/{dataset}/origin.json",
        split=lambda w: targets.recipe_split(
            cfg, w.dataset, w.recipe, targets.fold_number(w.fold)
        ),
        best=ancient("results/runs/{dataset}/{model}/{recipe}/seed{seed}{fold}/best.pt"),
        final=ancient(
            "results/runs/{dataset}/{model}/{recipe}/seed{seed}{fold}/final.pt"
        ),
        run="results/runs/{dataset}/{model}/{recipe}/seed{seed}{fold}/run.json",
    output:
        numbers="results/runs/{dataset}/{model}/{recipe}/seed{seed}{fold}/calibration.json",
        figure="results/runs/{dataset}/{model}/{recipe}/seed{seed}{fold}/calibration.svg",
    log:
        "logs/calibrate/{dataset}/{model}/{recipe}/seed{seed}{fold}.log",
    benchmark:
        "logs/calibrate/{dataset}/{model}/{recipe}/seed{seed}{fold}.tsv"
    conda:
        "../../environment.yml"
    threads: share_of_cores()
    resources:
        gpu=1,
    params:
        slice=lambda w: slices.evaluate_slice(cfg, w.recipe, w.model).argument(),
        code=lambda w: stage_code("calibrate", w.model),
        tiles=lambda w, input: dirname(input.table),
        run=lambda w, input: dirname(input.run),
    shell:
        r"""
        exec python -m satseg.stages.calibrate --slice {params.slice:q} --code {params.code} \
            --tiles {params.tiles:q} --split {input.split:q} --run {params.run:q} &>{log:q}
        """


# It measures time: with `gpu=1` and all threads nothing else computes meanwhile.
rule profile:
    input:
        tiles=lambda w: ancient(targets.profiled_tiles(cfg, w.dataset)),
    output:
        profile="results/profiles/{dataset}/{model}.json",
    log:
        "logs/profile/{dataset}/{model}.log",
    benchmark:
        "logs/profile/{dataset}/{model}.tsv"
    conda:
        "../../environment.yml"
    threads: 16
    resources:
        gpu=1,
    params:
        slice=lambda w: slices.profile_slice(cfg, w.dataset, w.model).argument(),
        code=lambda w: stage_code("profile", w.model),
        tiles="data/tiles/{dataset}",
    shell:
        r"""
        exec python -m satseg.stages.profile --slice {params.slice:q} --code {params.code} \
            --tiles {params.tiles:q} --out {output.profile:q} &>{log:q}
        """
