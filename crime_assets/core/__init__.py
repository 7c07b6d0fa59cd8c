"""Pure functions and plain types: digests, envelopes, batches, object keys, SQL texts, errors.

Nothing here knows a city, a network, Dagster or the environment, and nothing here writes.
"""
