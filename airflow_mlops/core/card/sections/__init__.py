"""The sections of a model card, each a pure function of the dossier."""
