"""The lake as a place: where it lies, its catalog, its files, its one writer, what its storage refuses."""
