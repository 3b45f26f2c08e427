# The directive `include:` would not take over `rule all` as what plain `snakemake` builds.
workflow.include("workflow/Snakefile", overwrite_default_target=True)
