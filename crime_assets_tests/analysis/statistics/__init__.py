"""Statistics: what is called remarkable is, and chance alone is called so no more often than stated."""
