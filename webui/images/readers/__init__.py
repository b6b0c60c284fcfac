"""How pictures are read that other programs have written: one module for each."""
