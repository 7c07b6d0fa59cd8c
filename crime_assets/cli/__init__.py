"""What a person types: `main` parses, `runner` runs the graph, `status` and `output` say what came of it."""
