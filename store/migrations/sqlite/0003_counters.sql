-- What is counted and spaced for all processes together: attempts, requests,
-- messages. The keys are Auth's own. Rows come and go: none is needed for long.
CREATE TABLE auth_postern_counters (
  key        TEXT NOT NULL PRIMARY KEY,
  value      INTEGER NOT NULL,
  started_at TEXT NOT NULL CHECK (started_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;

-- For dropping what is old.
CREATE INDEX auth_postern_counters_started_at_idx ON auth_postern_counters (started_at);
