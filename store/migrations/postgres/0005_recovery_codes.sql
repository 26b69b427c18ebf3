-- Recovery codes, a kind of second factor that GoTrue's mfa_factors has no type for:
-- a user's set, and a keyed hash of each code of it.
CREATE TABLE auth.postern_recovery_factors (
  id            uuid PRIMARY KEY,
  user_id       uuid NOT NULL UNIQUE REFERENCES auth.users (id) ON DELETE CASCADE,
  friendly_name text NOT NULL,
  created_at    timestamptz NOT NULL,
  updated_at    timestamptz NOT NULL
);

CREATE TABLE auth.postern_recovery_codes (
  factor_id uuid NOT NULL REFERENCES auth.postern_recovery_factors (id) ON DELETE CASCADE,
  hash      text NOT NULL,
  used_at   timestamptz,
  PRIMARY KEY (factor_id, hash)
);

-- Without a policy only the owner gets in, as with GoTrue's tables.
ALTER TABLE auth.postern_recovery_factors ENABLE ROW LEVEL SECURITY;
ALTER TABLE auth.postern_recovery_codes ENABLE ROW LEVEL SECURITY;
