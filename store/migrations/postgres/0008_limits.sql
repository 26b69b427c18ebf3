-- How often something was asked for, a row to a bucket. It is not worth a write to
-- the log: after a crash everybody starts anew. There is no index on full_at, which
-- every use changes.
CREATE UNLOGGED TABLE auth.postern_limits (
  key     text PRIMARY KEY,
  full_at bigint NOT NULL -- when the bucket is full again, in microseconds of Unix time
);

-- Without a policy only the owner gets in, as with GoTrue's tables.
ALTER TABLE auth.postern_limits ENABLE ROW LEVEL SECURITY;
