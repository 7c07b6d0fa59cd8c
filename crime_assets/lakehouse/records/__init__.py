"""From a source's texts to typed rows."""
