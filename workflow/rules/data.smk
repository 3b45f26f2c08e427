# Per dataset: scenes as published, tiles, splits.


rule download:
    output:
        manifest="data/raw/{dataset}/manifest.json",
    log:
        "logs/download/{dataset}.log",
    benchmark:
        "logs/download/{dataset}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        slice=lambda w: slices.download_slice(cfg, w.dataset).argument(),
        code=lambda w: digest(download_code(slices.download_slice(cfg, w.dataset))),
        out=lambda w, output: dirname(output.manifest),
    shell:
        r"""
        exec python -m satseg.stages.download --slice {params.slice:q} --code {params.code} \
            --out {params.out:q} &>{log:q}
        """


rule tile:
    input:
        manifest=lambda w: targets.manifest_file(cfg, w.dataset),
        looked_at=looked_at,
    output:
        table="data/tiles/{dataset}/tiles.csv",
        images="data/tiles/{dataset}/images.npy",
        masks="data/tiles/{dataset}/masks.npy",
        agreement="data/tiles/{dataset}/agreement.csv",
        origin="data/tiles/{dataset}/origin.json",
        digests="data/tiles/{dataset}/digests.json",
    log:
        "logs/tile/{dataset}.log",
    benchmark:
        "logs/tile/{dataset}.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    params:
        slice=lambda w: slices.tile_slice(cfg, w.dataset).argument(),
        code=lambda w: digest(tile_code(slices.tile_slice(cfg, w.dataset))),
        raw=lambda w, input: dirname(input.manifest),
        out=lambda w, output: dirname(output.table),
    shell:
        r"""
        exec python -m satseg.stages.tile --slice {params.slice:q} --code {params.code} \
            --raw {params.raw:q} --out {params.out:q} &>{log:q}
        """


rule split:
    input:
        table="data/tiles/{dataset}/tiles.csv",
    output:
        split="data/splits/{dataset}/{split}{fold}.csv",
        leakage="data/splits/{dataset}/{split}{fold}.leakage.csv",
    log:
        "logs/split/{dataset}/{split}{fold}.log",
    benchmark:
        "logs/split/{dataset}/{split}{fold}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        slice=lambda w: slices.split_slice(
            cfg, w.split, targets.fold_number(w.fold)
        ).argument(),
        code=digest(code("split")),
        tiles=lambda w, input: dirname(input.table),
    shell:
        r"""
        exec python -m satseg.stages.split --slice {params.slice:q} --code {params.code} \
            --tiles {params.tiles:q} --out {output.split:q} &>{log:q}
        """
