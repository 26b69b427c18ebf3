-- Keys that Postern made for itself. Retired ones stay while tokens that they
-- signed are valid.
CREATE TABLE auth_postern_keys (
  kid        TEXT NOT NULL PRIMARY KEY,
  purpose    TEXT NOT NULL CHECK (purpose IN ('signing', 'hmac')),
  secret     TEXT NOT NULL, -- a private JWK as JSON, or bytes as base64url
  created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  retired_at TEXT CHECK (retired_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;

-- One current key of each purpose: of two processes that each made one, the
-- second fails here and goes on with the first one's.
CREATE UNIQUE INDEX auth_postern_keys_current_key ON auth_postern_keys (purpose) WHERE retired_at IS NULL;
