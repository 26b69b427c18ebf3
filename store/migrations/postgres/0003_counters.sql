-- What is counted and spaced for all processes together: attempts, requests,
-- messages. The keys are Auth's own. Rows come and go: none is needed for long.
CREATE TABLE auth.postern_counters (
  key        text PRIMARY KEY,
  value      integer NOT NULL,
  started_at timestamptz NOT NULL
);

-- For dropping what is old.
CREATE INDEX postern_counters_started_at_idx ON auth.postern_counters (started_at);

-- Without a policy only the owner gets in, as with GoTrue's tables.
ALTER TABLE auth.postern_counters ENABLE ROW LEVEL SECURITY;
