"""What is done when memory is short."""
