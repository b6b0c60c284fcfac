"""What an extension's author is helped with: a skeleton to begin from, and a check of what was made."""
