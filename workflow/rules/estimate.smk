# What the studies will take: reported, not done.


rule estimate:
    log:
        "logs/estimate.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        studies=cfg.studies,
        # Functions: Snakemake would take braces in plain texts for wildcards.
        config_json=lambda w: json.dumps(config),
        config_files=lambda w: [
            f"--configfile={os.path.relpath(file)}"
            for file in workflow.overwrite_configfiles
        ],
    shell:
        r"""
        python -m satseg.estimate {params.studies:q} --config-json {params.config_json:q} \
            {params.config_files:q} 2>{log:q}
        """
