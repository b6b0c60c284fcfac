"""Pictures put into words by captioners in transformers' form."""
