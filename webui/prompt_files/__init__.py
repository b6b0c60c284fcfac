"""The files that hold words: styles and wildcards, as they are on the disk now."""
