"""What networks look like from outside: each module recognises one kind by its tensors and tells its form."""
