-- Loaders take turns: the lock lasts until the transaction ends. It comes first, so that all that follows, on Redshift
-- too, sees what the loader before has committed.
LOCK TABLE fir_ledger;

CREATE TEMP TABLE fir_candidates (
  object_key VARCHAR(1024) NOT NULL,
  loaded_at TIMESTAMPTZ NOT NULL
);

CREATE TEMP TABLE fir_stage (LIKE fir_history);
