"""Spark as a writer of the curated tables: its session, the catalog as it sees it, typing, merging and histories.

What it writes is what the embedded engine writes; the statements are those of sql/.
"""
