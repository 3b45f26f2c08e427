"""The command `satseg`: a subcommand for each thing a person does, over what the package holds."""
