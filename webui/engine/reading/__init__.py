"""From files to networks: weights of every format, read straight into modules."""
