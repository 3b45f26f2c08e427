"""Whether what a paper claims holds on the results of a study, and in the paper's own tables."""
