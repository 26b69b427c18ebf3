-- Recovery codes, a kind of second factor that GoTrue's mfa_factors has no type for:
-- a user's set, and a keyed hash of each code of it.
CREATE TABLE auth_postern_recovery_factors (
  id            TEXT NOT NULL PRIMARY KEY,
  user_id       TEXT NOT NULL UNIQUE REFERENCES auth_users (id) ON DELETE CASCADE,
  friendly_name TEXT NOT NULL,
  created_at    TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at    TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;

CREATE TABLE auth_postern_recovery_codes (
  factor_id TEXT NOT NULL REFERENCES auth_postern_recovery_factors (id) ON DELETE CASCADE,
  hash      TEXT NOT NULL,
  used_at   TEXT CHECK (used_at GLOB '????-??-??T??:??:??.??????Z'),
  PRIMARY KEY (factor_id, hash)
) STRICT;
