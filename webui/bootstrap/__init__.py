"""What happens before the program: Python, .venv, packages, a browser for the tests. Standard library only."""
