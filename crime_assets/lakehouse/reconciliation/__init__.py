"""Compares the lake with its source: what the lake lacks, what the source removed."""
