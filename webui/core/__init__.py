"""The pure layer: values, rows and rules that import nothing of the house but each other, and never torch."""
