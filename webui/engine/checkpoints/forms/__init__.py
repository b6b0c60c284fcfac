"""How the models of a family are written: as one file, and as a folder in diffusers' form; one file for each kin."""
