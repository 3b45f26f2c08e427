# Per cell: a training. Its checkpoints lie beside the outputs and outlive a failed job, which then resumes.


rule train:
    input:
        manifest="data/raw/{dataset}/manifest.json",
        images="data/tiles/{dataset}/images.npy",
        masks="data/tiles/{dataset}/masks.npy",
        table="data/tiles/{dataset}/tiles.csv",
        split=lambda w: f"data/splits/{w.dataset}/{cfg.recipes[w.recipe].split}.csv",
        code=lambda w: code("train", f"satseg.models.{cfg.models[w.model].family}"),
    output:
        history="results/runs/{dataset}/{model}/{recipe}/seed{seed}/history.csv",
        best="results/runs/{dataset}/{model}/{recipe}/seed{seed}/best.pt",
        final="results/runs/{dataset}/{model}/{recipe}/seed{seed}/final.pt",
        run="results/runs/{dataset}/{model}/{recipe}/seed{seed}/run.json",
    log:
        "logs/train/{dataset}/{model}/{recipe}/seed{seed}.log",
    benchmark:
        "logs/train/{dataset}/{model}/{recipe}/seed{seed}.tsv"
    conda:
        "../../environment.yml"
    threads: 16
    resources:
        gpu=1,
    params:
        slice=lambda w: slices.train_slice(
            cfg, w.dataset, w.model, w.recipe, w.seed
        ).model_dump_json(),
    shell:
        r"""
        python -m satseg.stages.train --slice {params.slice:q} \
            --raw data/raw/{wildcards.dataset:q} --tiles data/tiles/{wildcards.dataset:q} --split {input.split:q} \
            --out results/runs/{wildcards.dataset:q}/{wildcards.model:q}/{wildcards.recipe:q}/seed{wildcards.seed} \
            &>{log:q}
        """
