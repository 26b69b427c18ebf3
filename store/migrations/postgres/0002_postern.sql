-- Keys that Postern made for itself, where GoTrue takes them from its
-- configuration. Retired ones stay while tokens that they signed are valid.
CREATE TABLE auth.postern_keys (
  kid        text PRIMARY KEY,
  purpose    text NOT NULL CHECK (purpose IN ('signing', 'hmac')),
  secret     text NOT NULL, -- a private JWK as JSON, or bytes as base64url
  created_at timestamptz NOT NULL,
  retired_at timestamptz
);

-- One current key of each purpose: of two processes that each made one, the
-- second fails here and goes on with the first one's.
CREATE UNIQUE INDEX postern_keys_current_key ON auth.postern_keys (purpose) WHERE retired_at IS NULL;

-- Without a policy only the owner gets in, as with GoTrue's tables.
ALTER TABLE auth.postern_keys ENABLE ROW LEVEL SECURITY;
