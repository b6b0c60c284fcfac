"""Pictures on disk: atomic saving, numbering, metadata, the gallery."""
