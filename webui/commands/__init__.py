"""The program's commands, one file each: run(arguments) -> exit code. They write their answers to stdout."""
