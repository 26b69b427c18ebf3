-- Lists of users are read and counted by an index, backwards for the newest. GoTrue has
-- none, and its table may be long: whoever cannot wait makes this index beforehand, with
-- CREATE INDEX CONCURRENTLY. Its condition keeps all queries but lists away from it.
CREATE INDEX IF NOT EXISTS postern_users_created_at_idx ON auth.users (aud, created_at, id)
  WHERE instance_id = '00000000-0000-0000-0000-000000000000' AND (created_at IS NULL) IS NOT NULL;
