"""All that the store knows of a version, gathered once, and told as a model card or as a story."""
