"""The lake as a place: where it is, its catalog, its files, its single writer, what its storage refuses."""
