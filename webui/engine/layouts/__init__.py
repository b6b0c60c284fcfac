"""How the tensors of a network are named in files of other programs: one table for reading and writing alike."""
