-- How often something was asked for, a row to a bucket. There is no index on full_at,
-- which every use changes.
CREATE TABLE auth_postern_limits (
  key     TEXT NOT NULL PRIMARY KEY,
  full_at INTEGER NOT NULL -- when the bucket is full again, in microseconds of Unix time
) STRICT, WITHOUT ROWID;
