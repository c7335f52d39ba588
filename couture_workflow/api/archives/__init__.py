"""Archives over HTTP: what each noun with an archive answers."""
