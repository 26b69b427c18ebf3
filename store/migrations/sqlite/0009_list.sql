-- Lists of users are read and counted by an index.
DROP INDEX IF EXISTS auth_users_created_at_idx;
CREATE INDEX auth_postern_users_created_at_idx ON auth_users (aud, created_at, id)
  WHERE instance_id = '00000000-0000-0000-0000-000000000000';
