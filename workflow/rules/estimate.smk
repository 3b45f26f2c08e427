# What the studies will take: told, not done.


rule estimate:
    log:
        "logs/estimate.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        config=lambda w: json.dumps(config),
        studies=cfg.studies,
        told=[os.path.relpath(file) for file in workflow.overwrite_configfiles],
    shell:
        r"""
        python -m satseg.estimate {params.studies:q} --configfile <(printf %s {params.config:q}) \
            --told {params.told:q} 2>{log:q}
        """
