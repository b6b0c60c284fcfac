"""Samplers as generators that ask for predictions; one file for each kind."""
