# Per scene that the configuration's `predictions` name: a class map, made with a trained cell.


rule predict:
    input:
        map_files,


rule predict_scene:
    input:
        scene=lambda w: targets.as_input(
            targets.prediction_scenes(cfg, w.prediction)[w.scene]
        ),
        weights=lambda w: ancient(targets.prediction_weights(cfg, w.prediction)),
        run=lambda w: targets.prediction_weights(cfg, w.prediction).with_name(
            "run.json"
        ),
    output:
        map="results/predictions/{prediction}/{scene}.tif",
    log:
        "logs/predict/{prediction}/{scene}.log",
    benchmark:
        "logs/predict/{prediction}/{scene}.tsv"
    wildcard_constraints:
        prediction="|".join(cfg.predictions),
        scene="[^/]+",
    conda:
        "../../environment.yml"
    threads: share_of_cores()
    resources:
        gpu=1,
    params:
        scene=lambda w: str(targets.prediction_scenes(cfg, w.prediction)[w.scene]),
        slice=lambda w: slices.predict_slice(cfg, w.prediction).argument(),
        weights=lambda w: cfg.predictions[w.prediction].weights,
        run=lambda w, input: dirname(input.run),
        code=lambda w: stage_code("predict", cfg.predictions[w.prediction].model),
    shell:
        r"""
        exec python -m satseg.stages.predict {params.scene:q} --slice {params.slice:q} \
            --code {params.code} \
            --run {params.run:q} --weights {params.weights} -o {output.map:q} &>{log:q}
        """
