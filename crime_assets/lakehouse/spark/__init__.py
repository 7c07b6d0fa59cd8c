"""Spark as a writer of the curated tables: its session, its view of the catalog, typing, merging and histories.

It writes the same as the embedded engine; the statements are those of sql/.
"""
