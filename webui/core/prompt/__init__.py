"""The prompt language: what a person types, as values. Pure and torch-free; nothing in here raises for any text."""
