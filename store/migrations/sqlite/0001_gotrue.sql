-- GoTrue's tables, in SQLite's types:
--
--   uuid                  TEXT, 36 characters in lower case
--   timestamptz, timestamp TEXT, 2006-01-02T15:04:05.000000Z: always UTC, always six
--                         digits, so that text order is time order. No other
--                         declared type will do: drivers rewrite DATETIME columns
--   boolean               INTEGER, 0 or 1
--   jsonb, json, text[]   TEXT holding JSON
--   bytea                 BLOB
--   inet, enums           TEXT, enums with a CHECK
--   now(), gen_random_uuid() as defaults: none; what has to be set is NOT NULL
--
-- STRICT, so that bytes in a text column, or a number in place of a time, are an
-- error at once and no row that compares with nothing. Not WITHOUT ROWID, although
-- the keys are uuids: rows of this width leave such a tree a dozen to a page, and
-- every other index would carry 36 bytes in place of a small number. (With 300,000
-- sessions, reads by id cost a quarter more so, and inserts half again as much.)
--
-- GoTrue never runs on SQLite, so its list of migrations is not here, nor is
-- instances, which nothing reads. lower() folds ASCII only; Auth has folded an
-- address before it comes here.

-- Users and how they are known.

CREATE TABLE auth_users (
  instance_id                 TEXT,
  id                          TEXT NOT NULL PRIMARY KEY,
  aud                         TEXT CHECK (length(aud) <= 255),
  role                        TEXT CHECK (length(role) <= 255),
  email                       TEXT CHECK (length(email) <= 255),
  encrypted_password          TEXT CHECK (length(encrypted_password) <= 255),
  email_confirmed_at          TEXT CHECK (email_confirmed_at GLOB '????-??-??T??:??:??.??????Z'),
  invited_at                  TEXT CHECK (invited_at GLOB '????-??-??T??:??:??.??????Z'),
  confirmation_token          TEXT CHECK (length(confirmation_token) <= 255),
  confirmation_sent_at        TEXT CHECK (confirmation_sent_at GLOB '????-??-??T??:??:??.??????Z'),
  recovery_token              TEXT CHECK (length(recovery_token) <= 255),
  recovery_sent_at            TEXT CHECK (recovery_sent_at GLOB '????-??-??T??:??:??.??????Z'),
  email_change_token_new      TEXT CHECK (length(email_change_token_new) <= 255),
  email_change                TEXT CHECK (length(email_change) <= 255),
  email_change_sent_at        TEXT CHECK (email_change_sent_at GLOB '????-??-??T??:??:??.??????Z'),
  last_sign_in_at             TEXT CHECK (last_sign_in_at GLOB '????-??-??T??:??:??.??????Z'),
  raw_app_meta_data           TEXT CHECK (json_valid(raw_app_meta_data)),
  raw_user_meta_data          TEXT CHECK (json_valid(raw_user_meta_data)),
  is_super_admin              INTEGER CHECK (is_super_admin IN (0, 1)),
  created_at                  TEXT CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at                  TEXT CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
  phone                       TEXT UNIQUE,
  phone_confirmed_at          TEXT CHECK (phone_confirmed_at GLOB '????-??-??T??:??:??.??????Z'),
  phone_change                TEXT DEFAULT '',
  phone_change_token          TEXT DEFAULT '' CHECK (length(phone_change_token) <= 255),
  phone_change_sent_at        TEXT CHECK (phone_change_sent_at GLOB '????-??-??T??:??:??.??????Z'),
  confirmed_at                TEXT GENERATED ALWAYS AS (
    coalesce(min(email_confirmed_at, phone_confirmed_at), email_confirmed_at, phone_confirmed_at)) STORED,
  email_change_token_current  TEXT DEFAULT '' CHECK (length(email_change_token_current) <= 255),
  email_change_confirm_status INTEGER DEFAULT 0 CHECK (email_change_confirm_status BETWEEN 0 AND 2),
  banned_until                TEXT CHECK (banned_until GLOB '????-??-??T??:??:??.??????Z'),
  reauthentication_token      TEXT DEFAULT '' CHECK (length(reauthentication_token) <= 255),
  reauthentication_sent_at    TEXT CHECK (reauthentication_sent_at GLOB '????-??-??T??:??:??.??????Z'),
  is_sso_user                 INTEGER NOT NULL DEFAULT 0 CHECK (is_sso_user IN (0, 1)),
  deleted_at                  TEXT CHECK (deleted_at GLOB '????-??-??T??:??:??.??????Z'),
  is_anonymous                INTEGER NOT NULL DEFAULT 0 CHECK (is_anonymous IN (0, 1))
) STRICT;
CREATE INDEX auth_users_email_idx ON auth_users (lower(email));
CREATE UNIQUE INDEX auth_users_email_partial_key ON auth_users (email) WHERE is_sso_user = 0;
CREATE INDEX auth_users_created_at_idx ON auth_users (created_at, id);
CREATE INDEX auth_users_is_anonymous_idx ON auth_users (created_at) WHERE is_anonymous = 1;
-- What is empty, or digits only as the codes of old were, may repeat. A query
-- finds its row by one of these only if it repeats the condition.
CREATE UNIQUE INDEX auth_confirmation_token_idx ON auth_users (confirmation_token)
  WHERE confirmation_token GLOB '*[^0-9 ]*';
CREATE UNIQUE INDEX auth_recovery_token_idx ON auth_users (recovery_token)
  WHERE recovery_token GLOB '*[^0-9 ]*';
CREATE UNIQUE INDEX auth_email_change_token_current_idx ON auth_users (email_change_token_current)
  WHERE email_change_token_current GLOB '*[^0-9 ]*';
CREATE UNIQUE INDEX auth_email_change_token_new_idx ON auth_users (email_change_token_new)
  WHERE email_change_token_new GLOB '*[^0-9 ]*';
CREATE UNIQUE INDEX auth_reauthentication_token_idx ON auth_users (reauthentication_token)
  WHERE reauthentication_token GLOB '*[^0-9 ]*';

CREATE TABLE auth_identities (
  provider_id     TEXT NOT NULL,
  user_id         TEXT NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE,
  identity_data   TEXT NOT NULL CHECK (json_valid(identity_data)),
  provider        TEXT NOT NULL,
  last_sign_in_at TEXT CHECK (last_sign_in_at GLOB '????-??-??T??:??:??.??????Z'),
  created_at      TEXT CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at      TEXT CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
  email           TEXT GENERATED ALWAYS AS (lower(identity_data ->> 'email')) STORED,
  id              TEXT NOT NULL PRIMARY KEY,
  CONSTRAINT auth_identities_provider_id_provider_unique UNIQUE (provider_id, provider)
) STRICT;
CREATE INDEX auth_identities_user_id_idx ON auth_identities (user_id);
CREATE INDEX auth_identities_email_idx ON auth_identities (email);

CREATE TABLE auth_one_time_tokens (
  id         TEXT NOT NULL PRIMARY KEY,
  user_id    TEXT NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE,
  token_type TEXT NOT NULL CHECK (token_type IN (
    'confirmation_token', 'reauthentication_token', 'recovery_token',
    'email_change_token_new', 'email_change_token_current', 'phone_change_token')),
  token_hash TEXT NOT NULL CHECK (length(token_hash) > 0),
  relates_to TEXT NOT NULL,
  created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;
CREATE UNIQUE INDEX auth_one_time_tokens_user_id_token_type_key ON auth_one_time_tokens (user_id, token_type);
CREATE INDEX auth_one_time_tokens_token_hash_idx ON auth_one_time_tokens (token_hash);
CREATE INDEX auth_one_time_tokens_relates_to_idx ON auth_one_time_tokens (relates_to);

-- The OAuth server.

CREATE TABLE auth_oauth_clients (
  id                         TEXT NOT NULL PRIMARY KEY,
  client_secret_hash         TEXT,
  registration_type          TEXT NOT NULL CHECK (registration_type IN ('dynamic', 'manual')),
  redirect_uris              TEXT NOT NULL,
  grant_types                TEXT NOT NULL,
  client_name                TEXT CHECK (length(client_name) <= 1024),
  client_uri                 TEXT CHECK (length(client_uri) <= 2048),
  logo_uri                   TEXT CHECK (length(logo_uri) <= 2048),
  created_at                 TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at                 TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
  deleted_at                 TEXT CHECK (deleted_at GLOB '????-??-??T??:??:??.??????Z'),
  client_type                TEXT NOT NULL DEFAULT 'confidential' CHECK (client_type IN ('public', 'confidential')),
  token_endpoint_auth_method TEXT NOT NULL CHECK (token_endpoint_auth_method IN ('client_secret_basic', 'client_secret_post', 'none'))
) STRICT;

CREATE TABLE auth_oauth_authorizations (
  id                    TEXT NOT NULL PRIMARY KEY,
  authorization_id      TEXT NOT NULL UNIQUE,
  client_id             TEXT NOT NULL REFERENCES auth_oauth_clients (id) ON DELETE CASCADE,
  user_id               TEXT REFERENCES auth_users (id) ON DELETE CASCADE,
  redirect_uri          TEXT NOT NULL CHECK (length(redirect_uri) <= 2048),
  scope                 TEXT NOT NULL CHECK (length(scope) <= 4096),
  state                 TEXT CHECK (length(state) <= 4096),
  resource              TEXT CHECK (length(resource) <= 2048),
  code_challenge        TEXT CHECK (length(code_challenge) <= 128),
  code_challenge_method TEXT CHECK (code_challenge_method IN ('s256', 'plain')),
  response_type         TEXT NOT NULL DEFAULT 'code' CHECK (response_type IN ('code')),
  status                TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'denied', 'expired')),
  authorization_code    TEXT UNIQUE CHECK (length(authorization_code) <= 255),
  created_at            TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  expires_at            TEXT NOT NULL CHECK (expires_at GLOB '????-??-??T??:??:??.??????Z'),
  approved_at           TEXT CHECK (approved_at GLOB '????-??-??T??:??:??.??????Z'),
  nonce                 TEXT CHECK (length(nonce) <= 255),
  CONSTRAINT auth_oauth_authorizations_expires_at_future CHECK (expires_at > created_at)
) STRICT;
CREATE INDEX auth_oauth_authorizations_client_id_idx ON auth_oauth_authorizations (client_id);
CREATE INDEX auth_oauth_authorizations_user_id_idx ON auth_oauth_authorizations (user_id);
CREATE INDEX auth_oauth_auth_pending_exp_idx ON auth_oauth_authorizations (expires_at) WHERE status = 'pending';

CREATE TABLE auth_oauth_consents (
  id         TEXT NOT NULL PRIMARY KEY,
  user_id    TEXT NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE,
  client_id  TEXT NOT NULL REFERENCES auth_oauth_clients (id) ON DELETE CASCADE,
  scopes     TEXT NOT NULL CHECK (length(scopes) <= 2048 AND length(trim(scopes)) > 0),
  granted_at TEXT NOT NULL CHECK (granted_at GLOB '????-??-??T??:??:??.??????Z'),
  revoked_at TEXT CHECK (revoked_at GLOB '????-??-??T??:??:??.??????Z'),
  CONSTRAINT auth_oauth_consents_user_client_unique UNIQUE (user_id, client_id),
  CONSTRAINT auth_oauth_consents_revoked_after_granted CHECK (revoked_at >= granted_at)
) STRICT;
CREATE INDEX auth_oauth_consents_client_id_idx ON auth_oauth_consents (client_id);
CREATE INDEX auth_oauth_consents_user_order_idx ON auth_oauth_consents (user_id, granted_at);

-- Sessions and their tokens.

CREATE TABLE auth_sessions (
  id                     TEXT NOT NULL PRIMARY KEY,
  user_id                TEXT NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE,
  created_at             TEXT CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at             TEXT CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
  factor_id              TEXT,
  aal                    TEXT CHECK (aal IN ('aal1', 'aal2', 'aal3')),
  not_after              TEXT CHECK (not_after GLOB '????-??-??T??:??:??.??????Z'),
  refreshed_at           TEXT CHECK (refreshed_at GLOB '????-??-??T??:??:??.??????Z'),
  user_agent             TEXT,
  ip                     TEXT,
  tag                    TEXT,
  oauth_client_id        TEXT REFERENCES auth_oauth_clients (id) ON DELETE CASCADE,
  refresh_token_hmac_key TEXT,
  refresh_token_counter  INTEGER,
  scopes                 TEXT CHECK (length(scopes) <= 4096)
) STRICT;
CREATE INDEX auth_user_id_created_at_idx ON auth_sessions (user_id, created_at);
CREATE INDEX auth_sessions_not_after_idx ON auth_sessions (not_after) WHERE not_after IS NOT NULL;
CREATE INDEX auth_sessions_oauth_client_id_idx ON auth_sessions (oauth_client_id) WHERE oauth_client_id IS NOT NULL;

-- A later token must have the higher id for ever, also when the newest was deleted.
CREATE TABLE auth_refresh_tokens (
  instance_id TEXT,
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  token       TEXT CONSTRAINT auth_refresh_tokens_token_unique UNIQUE CHECK (length(token) <= 255),
  user_id     TEXT CHECK (length(user_id) <= 255),
  revoked     INTEGER CHECK (revoked IN (0, 1)),
  created_at  TEXT CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at  TEXT CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
  parent      TEXT CHECK (length(parent) <= 255),
  session_id  TEXT REFERENCES auth_sessions (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX auth_refresh_tokens_user_id_idx ON auth_refresh_tokens (user_id);
CREATE INDEX auth_refresh_tokens_parent_idx ON auth_refresh_tokens (parent);
CREATE INDEX auth_refresh_tokens_session_id_revoked_idx ON auth_refresh_tokens (session_id, revoked);
CREATE INDEX auth_refresh_tokens_updated_at_idx ON auth_refresh_tokens (updated_at);

CREATE TABLE auth_mfa_amr_claims (
  session_id            TEXT NOT NULL REFERENCES auth_sessions (id) ON DELETE CASCADE,
  created_at            TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at            TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
  authentication_method TEXT NOT NULL,
  id                    TEXT NOT NULL PRIMARY KEY,
  CONSTRAINT auth_mfa_amr_claims_session_id_authentication_method_pkey UNIQUE (session_id, authentication_method)
) STRICT;

-- Factors and passkeys.

CREATE TABLE auth_mfa_factors (
  id                           TEXT NOT NULL PRIMARY KEY,
  user_id                      TEXT NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE,
  friendly_name                TEXT,
  factor_type                  TEXT NOT NULL CHECK (factor_type IN ('totp', 'webauthn', 'phone')),
  status                       TEXT NOT NULL CHECK (status IN ('unverified', 'verified')),
  created_at                   TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at                   TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
  secret                       TEXT,
  phone                        TEXT,
  last_challenged_at           TEXT UNIQUE CHECK (last_challenged_at GLOB '????-??-??T??:??:??.??????Z'),
  web_authn_credential         TEXT CHECK (json_valid(web_authn_credential)),
  web_authn_aaguid             TEXT,
  last_webauthn_challenge_data TEXT CHECK (json_valid(last_webauthn_challenge_data))
) STRICT;
CREATE INDEX auth_factor_id_created_at_idx ON auth_mfa_factors (user_id, created_at);
CREATE UNIQUE INDEX auth_unique_phone_factor_per_user ON auth_mfa_factors (user_id, phone);
CREATE UNIQUE INDEX auth_mfa_factors_user_friendly_name_unique ON auth_mfa_factors (friendly_name, user_id)
  WHERE trim(friendly_name) <> '';

CREATE TABLE auth_mfa_challenges (
  id                     TEXT NOT NULL PRIMARY KEY,
  factor_id              TEXT NOT NULL REFERENCES auth_mfa_factors (id) ON DELETE CASCADE,
  created_at             TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  verified_at            TEXT CHECK (verified_at GLOB '????-??-??T??:??:??.??????Z'),
  ip_address             TEXT NOT NULL,
  otp_code               TEXT,
  web_authn_session_data TEXT CHECK (json_valid(web_authn_session_data))
) STRICT;
CREATE INDEX auth_mfa_challenges_factor_id_idx ON auth_mfa_challenges (factor_id);
CREATE INDEX auth_mfa_challenge_created_at_idx ON auth_mfa_challenges (created_at);

CREATE TABLE auth_webauthn_credentials (
  id               TEXT NOT NULL PRIMARY KEY,
  user_id          TEXT NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE,
  credential_id    BLOB NOT NULL UNIQUE,
  public_key       BLOB NOT NULL,
  attestation_type TEXT NOT NULL DEFAULT '',
  aaguid           TEXT,
  sign_count       INTEGER NOT NULL DEFAULT 0,
  transports       TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(transports)),
  backup_eligible  INTEGER NOT NULL DEFAULT 0 CHECK (backup_eligible IN (0, 1)),
  backed_up        INTEGER NOT NULL DEFAULT 0 CHECK (backed_up IN (0, 1)),
  friendly_name    TEXT NOT NULL DEFAULT '',
  created_at       TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at       TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
  last_used_at     TEXT CHECK (last_used_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;
CREATE INDEX auth_webauthn_credentials_user_id_idx ON auth_webauthn_credentials (user_id);

CREATE TABLE auth_webauthn_challenges (
  id             TEXT NOT NULL PRIMARY KEY,
  user_id        TEXT REFERENCES auth_users (id) ON DELETE CASCADE,
  challenge_type TEXT NOT NULL CHECK (challenge_type IN ('signup', 'registration', 'authentication')),
  session_data   TEXT NOT NULL CHECK (json_valid(session_data)),
  created_at     TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  expires_at     TEXT NOT NULL CHECK (expires_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;
CREATE INDEX auth_webauthn_challenges_user_id_idx ON auth_webauthn_challenges (user_id);
CREATE INDEX auth_webauthn_challenges_expires_at_idx ON auth_webauthn_challenges (expires_at);

-- Sign-in through others.

CREATE TABLE auth_flow_state (
  id                     TEXT NOT NULL PRIMARY KEY,
  user_id                TEXT,
  auth_code              TEXT,
  code_challenge_method  TEXT CHECK (code_challenge_method IN ('s256', 'plain')),
  code_challenge         TEXT,
  provider_type          TEXT NOT NULL,
  provider_access_token  TEXT,
  provider_refresh_token TEXT,
  created_at             TEXT CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at             TEXT CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
  authentication_method  TEXT NOT NULL,
  auth_code_issued_at    TEXT CHECK (auth_code_issued_at GLOB '????-??-??T??:??:??.??????Z'),
  invite_token           TEXT,
  referrer               TEXT,
  oauth_client_state_id  TEXT,
  linking_target_id      TEXT,
  email_optional         INTEGER NOT NULL DEFAULT 0 CHECK (email_optional IN (0, 1))
) STRICT;
CREATE INDEX auth_idx_auth_code ON auth_flow_state (auth_code);
CREATE INDEX auth_idx_user_id_auth_method ON auth_flow_state (user_id, authentication_method);
CREATE INDEX auth_flow_state_created_at_idx ON auth_flow_state (created_at);

CREATE TABLE auth_oauth_client_states (
  id            TEXT NOT NULL PRIMARY KEY,
  provider_type TEXT NOT NULL,
  code_verifier TEXT,
  created_at    TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;
CREATE INDEX auth_idx_oauth_client_states_created_at ON auth_oauth_client_states (created_at);

CREATE TABLE auth_custom_oauth_providers (
  id                      TEXT NOT NULL PRIMARY KEY,
  provider_type           TEXT NOT NULL CHECK (provider_type IN ('oauth2', 'oidc')),
  identifier              TEXT NOT NULL UNIQUE,
  name                    TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  client_id               TEXT NOT NULL CHECK (length(client_id) BETWEEN 1 AND 512),
  client_secret           TEXT NOT NULL,
  acceptable_client_ids   TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(acceptable_client_ids)),
  scopes                  TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(scopes)),
  pkce_enabled            INTEGER NOT NULL DEFAULT 1 CHECK (pkce_enabled IN (0, 1)),
  attribute_mapping       TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(attribute_mapping)),
  authorization_params    TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(authorization_params)),
  enabled                 INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
  email_optional          INTEGER NOT NULL DEFAULT 0 CHECK (email_optional IN (0, 1)),
  issuer                  TEXT CHECK (length(issuer) BETWEEN 1 AND 2048),
  discovery_url           TEXT CHECK (length(discovery_url) <= 2048),
  skip_nonce_check        INTEGER NOT NULL DEFAULT 0 CHECK (skip_nonce_check IN (0, 1)),
  cached_discovery        TEXT CHECK (json_valid(cached_discovery)),
  discovery_cached_at     TEXT CHECK (discovery_cached_at GLOB '????-??-??T??:??:??.??????Z'),
  authorization_url       TEXT CHECK (length(authorization_url) <= 2048 AND authorization_url GLOB 'https://*'),
  token_url               TEXT CHECK (length(token_url) <= 2048 AND token_url GLOB 'https://*'),
  userinfo_url            TEXT CHECK (length(userinfo_url) <= 2048 AND userinfo_url GLOB 'https://*'),
  jwks_uri                TEXT CHECK (length(jwks_uri) <= 2048 AND jwks_uri GLOB 'https://*'),
  created_at              TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at              TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
  custom_claims_allowlist TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(custom_claims_allowlist)),
  CONSTRAINT auth_custom_oauth_providers_identifier_format CHECK (
    length(identifier) BETWEEN 2 AND 50 AND identifier NOT GLOB '*[^a-z0-9:-]*' AND identifier GLOB '[a-z0-9]*[a-z0-9]'),
  CONSTRAINT auth_custom_oauth_providers_oidc_requires_issuer CHECK (provider_type <> 'oidc' OR issuer IS NOT NULL),
  CONSTRAINT auth_custom_oauth_providers_oidc_issuer_https CHECK (provider_type <> 'oidc' OR issuer GLOB 'https://*'),
  CONSTRAINT auth_custom_oauth_providers_oidc_discovery_url_https CHECK (provider_type <> 'oidc' OR discovery_url GLOB 'https://*'),
  CONSTRAINT auth_custom_oauth_providers_oauth2_requires_endpoints CHECK (
    provider_type <> 'oauth2' OR authorization_url IS NOT NULL AND token_url IS NOT NULL AND userinfo_url IS NOT NULL)
) STRICT;

-- Single sign-on. GoTrue's checks of resource_id and metadata_url refuse nothing
-- in PostgreSQL, and so are not here.

CREATE TABLE auth_sso_providers (
  id          TEXT NOT NULL PRIMARY KEY,
  resource_id TEXT,
  created_at  TEXT CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at  TEXT CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
  disabled    INTEGER CHECK (disabled IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX auth_sso_providers_resource_id_idx ON auth_sso_providers (lower(resource_id));

CREATE TABLE auth_sso_domains (
  id              TEXT NOT NULL PRIMARY KEY,
  sso_provider_id TEXT NOT NULL REFERENCES auth_sso_providers (id) ON DELETE CASCADE,
  domain          TEXT NOT NULL CHECK (length(domain) > 0),
  created_at      TEXT CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at      TEXT CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;
CREATE UNIQUE INDEX auth_sso_domains_domain_idx ON auth_sso_domains (lower(domain));
CREATE INDEX auth_sso_domains_sso_provider_id_idx ON auth_sso_domains (sso_provider_id);

CREATE TABLE auth_saml_providers (
  id                TEXT NOT NULL PRIMARY KEY,
  sso_provider_id   TEXT NOT NULL REFERENCES auth_sso_providers (id) ON DELETE CASCADE,
  entity_id         TEXT NOT NULL UNIQUE CHECK (length(entity_id) > 0),
  metadata_xml      TEXT NOT NULL CHECK (length(metadata_xml) > 0),
  metadata_url      TEXT,
  attribute_mapping TEXT CHECK (json_valid(attribute_mapping)),
  created_at        TEXT CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at        TEXT CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
  name_id_format    TEXT
) STRICT;
CREATE INDEX auth_saml_providers_sso_provider_id_idx ON auth_saml_providers (sso_provider_id);

CREATE TABLE auth_saml_relay_states (
  id              TEXT NOT NULL PRIMARY KEY,
  sso_provider_id TEXT NOT NULL REFERENCES auth_sso_providers (id) ON DELETE CASCADE,
  request_id      TEXT NOT NULL CHECK (length(request_id) > 0),
  for_email       TEXT,
  redirect_to     TEXT,
  created_at      TEXT CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  updated_at      TEXT CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
  flow_state_id   TEXT REFERENCES auth_flow_state (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX auth_saml_relay_states_sso_provider_id_idx ON auth_saml_relay_states (sso_provider_id);
CREATE INDEX auth_saml_relay_states_flow_state_id_idx ON auth_saml_relay_states (flow_state_id);
CREATE INDEX auth_saml_relay_states_created_at_idx ON auth_saml_relay_states (created_at);

-- The audit log.

CREATE TABLE auth_audit_log_entries (
  instance_id TEXT,
  id          TEXT NOT NULL PRIMARY KEY,
  payload     TEXT CHECK (json_valid(payload)),
  created_at  TEXT CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
  ip_address  TEXT NOT NULL DEFAULT '' CHECK (length(ip_address) <= 64)
) STRICT;
CREATE INDEX auth_audit_log_entries_created_at_idx ON auth_audit_log_entries (created_at);
