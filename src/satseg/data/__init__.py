"""From scenes as published to tiles a model is trained on."""
