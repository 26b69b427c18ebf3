-- GoTrue's schema as its migration 20260625000000 leaves it.
--
-- In an empty database this makes all of it. In a database that GoTrue has used
-- it makes only what is missing, and whole: a table that is there is left as it
-- is, with the constraints and indexes it has or lacks.
--
-- The way back. In a database that GoTrue made, schema_migrations is GoTrue's own
-- list and is never touched, so GoTrue goes on where it stopped. In one that was
-- made here the list exists and is empty: GoTrue would take the database for a
-- new one and run all its migrations over finished tables, some of which rename
-- columns and replace keys. Whoever wants to hand such a database to GoTrue lists
-- GoTrue's versions up to 20260625000000 in it first.

-- An older GoTrue's tables cannot be completed here without changing them.
DO $$
DECLARE
  missing text;
BEGIN
  SELECT string_agg(format('auth.%s.%s', needed.relation, needed.part), ', ') INTO missing
  FROM (
    SELECT r.relation, unnest(string_to_array(r.parts, ' ')) AS part
    FROM (VALUES
      ('aal_level', 'aal1 aal2 aal3'),
      ('code_challenge_method', 's256 plain'),
      ('factor_status', 'unverified verified'),
      ('factor_type', 'totp webauthn phone'),
      ('oauth_authorization_status', 'pending approved denied expired'),
      ('oauth_client_type', 'public confidential'),
      ('oauth_registration_type', 'dynamic manual'),
      ('oauth_response_type', 'code'),
      ('one_time_token_type', 'confirmation_token reauthentication_token recovery_token email_change_token_new email_change_token_current phone_change_token'),
      ('audit_log_entries', 'instance_id id payload created_at ip_address'),
      ('custom_oauth_providers', 'id provider_type identifier name client_id client_secret acceptable_client_ids scopes pkce_enabled attribute_mapping authorization_params enabled email_optional issuer discovery_url skip_nonce_check cached_discovery discovery_cached_at authorization_url token_url userinfo_url jwks_uri created_at updated_at custom_claims_allowlist'),
      ('flow_state', 'id user_id auth_code code_challenge_method code_challenge provider_type provider_access_token provider_refresh_token created_at updated_at authentication_method auth_code_issued_at invite_token referrer oauth_client_state_id linking_target_id email_optional'),
      ('identities', 'provider_id user_id identity_data provider last_sign_in_at created_at updated_at email id'),
      ('instances', 'id uuid raw_base_config created_at updated_at'),
      ('mfa_amr_claims', 'session_id created_at updated_at authentication_method id'),
      ('mfa_challenges', 'id factor_id created_at verified_at ip_address otp_code web_authn_session_data'),
      ('mfa_factors', 'id user_id friendly_name factor_type status created_at updated_at secret phone last_challenged_at web_authn_credential web_authn_aaguid last_webauthn_challenge_data'),
      ('oauth_authorizations', 'id authorization_id client_id user_id redirect_uri scope state resource code_challenge code_challenge_method response_type status authorization_code created_at expires_at approved_at nonce'),
      ('oauth_client_states', 'id provider_type code_verifier created_at'),
      ('oauth_clients', 'id client_secret_hash registration_type redirect_uris grant_types client_name client_uri logo_uri created_at updated_at deleted_at client_type token_endpoint_auth_method'),
      ('oauth_consents', 'id user_id client_id scopes granted_at revoked_at'),
      ('one_time_tokens', 'id user_id token_type token_hash relates_to created_at updated_at'),
      ('refresh_tokens', 'instance_id id token user_id revoked created_at updated_at parent session_id'),
      ('saml_providers', 'id sso_provider_id entity_id metadata_xml metadata_url attribute_mapping created_at updated_at name_id_format'),
      ('saml_relay_states', 'id sso_provider_id request_id for_email redirect_to created_at updated_at flow_state_id'),
      ('schema_migrations', 'version'),
      ('sessions', 'id user_id created_at updated_at factor_id aal not_after refreshed_at user_agent ip tag oauth_client_id refresh_token_hmac_key refresh_token_counter scopes'),
      ('sso_domains', 'id sso_provider_id domain created_at updated_at'),
      ('sso_providers', 'id resource_id created_at updated_at disabled'),
      ('users', 'instance_id id aud role email encrypted_password email_confirmed_at invited_at confirmation_token confirmation_sent_at recovery_token recovery_sent_at email_change_token_new email_change email_change_sent_at last_sign_in_at raw_app_meta_data raw_user_meta_data is_super_admin created_at updated_at phone phone_confirmed_at phone_change phone_change_token phone_change_sent_at confirmed_at email_change_token_current email_change_confirm_status banned_until reauthentication_token reauthentication_sent_at is_sso_user deleted_at is_anonymous'),
      ('webauthn_challenges', 'id user_id challenge_type session_data created_at expires_at'),
      ('webauthn_credentials', 'id user_id credential_id public_key attestation_type aaguid sign_count transports backup_eligible backed_up friendly_name created_at updated_at last_used_at')
    ) AS r(relation, parts)
    WHERE to_regtype('auth.' || r.relation) IS NOT NULL
  ) AS needed
  WHERE NOT EXISTS (
      SELECT FROM pg_catalog.pg_attribute AS a
      WHERE a.attrelid = to_regclass('auth.' || needed.relation) AND a.attname = needed.part AND NOT a.attisdropped)
    AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_enum AS e
      WHERE e.enumtypid = to_regtype('auth.' || needed.relation) AND e.enumlabel = needed.part);

  IF missing IS NOT NULL THEN
    RAISE EXCEPTION 'an older GoTrue made this database, it lacks %: bring it up to date with GoTrue''s own migrations first', missing;
  END IF;
END
$$;

-- Types.
DO $$
BEGIN
  IF to_regtype('auth.aal_level') IS NULL THEN
    CREATE TYPE auth.aal_level AS ENUM ('aal1', 'aal2', 'aal3');
  END IF;
  IF to_regtype('auth.code_challenge_method') IS NULL THEN
    CREATE TYPE auth.code_challenge_method AS ENUM ('s256', 'plain');
  END IF;
  IF to_regtype('auth.factor_status') IS NULL THEN
    CREATE TYPE auth.factor_status AS ENUM ('unverified', 'verified');
  END IF;
  IF to_regtype('auth.factor_type') IS NULL THEN
    CREATE TYPE auth.factor_type AS ENUM ('totp', 'webauthn', 'phone');
  END IF;
  IF to_regtype('auth.oauth_authorization_status') IS NULL THEN
    CREATE TYPE auth.oauth_authorization_status AS ENUM ('pending', 'approved', 'denied', 'expired');
  END IF;
  IF to_regtype('auth.oauth_client_type') IS NULL THEN
    CREATE TYPE auth.oauth_client_type AS ENUM ('public', 'confidential');
  END IF;
  IF to_regtype('auth.oauth_registration_type') IS NULL THEN
    CREATE TYPE auth.oauth_registration_type AS ENUM ('dynamic', 'manual');
  END IF;
  IF to_regtype('auth.oauth_response_type') IS NULL THEN
    CREATE TYPE auth.oauth_response_type AS ENUM ('code');
  END IF;
  IF to_regtype('auth.one_time_token_type') IS NULL THEN
    CREATE TYPE auth.one_time_token_type AS ENUM (
      'confirmation_token', 'reauthentication_token', 'recovery_token',
      'email_change_token_new', 'email_change_token_current', 'phone_change_token');
  END IF;
END
$$;

-- What an application's row-level security policies ask about a request. The
-- gateway sets either the single claims or all of them as one JSON object.
DO $$
BEGIN
  IF to_regprocedure('auth.jwt()') IS NULL THEN
    CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS $fn$
      SELECT coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), ''))::jsonb
    $fn$;
  END IF;
  IF to_regprocedure('auth.uid()') IS NULL THEN
    CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $fn$
      SELECT coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
    $fn$;
  END IF;
  IF to_regprocedure('auth.role()') IS NULL THEN
    CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE AS $fn$
      SELECT coalesce(
        nullif(current_setting('request.jwt.claim.role', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')
    $fn$;
  END IF;
  IF to_regprocedure('auth.email()') IS NULL THEN
    CREATE FUNCTION auth.email() RETURNS text LANGUAGE sql STABLE AS $fn$
      SELECT coalesce(
        nullif(current_setting('request.jwt.claim.email', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email')
    $fn$;
  END IF;
END
$$;

-- Users and how they are known.
DO $$
BEGIN
  IF to_regclass('auth.users') IS NULL THEN
    CREATE TABLE auth.users (
      instance_id                 uuid,
      id                          uuid PRIMARY KEY,
      aud                         varchar(255),
      role                        varchar(255),
      email                       varchar(255),
      encrypted_password          varchar(255),
      email_confirmed_at          timestamptz,
      invited_at                  timestamptz,
      confirmation_token          varchar(255),
      confirmation_sent_at        timestamptz,
      recovery_token              varchar(255),
      recovery_sent_at            timestamptz,
      email_change_token_new      varchar(255),
      email_change                varchar(255),
      email_change_sent_at        timestamptz,
      last_sign_in_at             timestamptz,
      raw_app_meta_data           jsonb,
      raw_user_meta_data          jsonb,
      is_super_admin              boolean,
      created_at                  timestamptz,
      updated_at                  timestamptz,
      phone                       text DEFAULT NULL::varchar UNIQUE,
      phone_confirmed_at          timestamptz,
      phone_change                text DEFAULT ''::varchar,
      phone_change_token          varchar(255) DEFAULT '',
      phone_change_sent_at        timestamptz,
      confirmed_at                timestamptz GENERATED ALWAYS AS (least(email_confirmed_at, phone_confirmed_at)) STORED,
      email_change_token_current  varchar(255) DEFAULT '',
      email_change_confirm_status smallint DEFAULT 0 CHECK (email_change_confirm_status BETWEEN 0 AND 2),
      banned_until                timestamptz,
      reauthentication_token      varchar(255) DEFAULT '',
      reauthentication_sent_at    timestamptz,
      is_sso_user                 boolean NOT NULL DEFAULT false,
      deleted_at                  timestamptz,
      is_anonymous                boolean NOT NULL DEFAULT false
    );
    CREATE INDEX users_instance_id_idx ON auth.users (instance_id);
    CREATE INDEX users_instance_id_email_idx ON auth.users (instance_id, lower(email));
    CREATE UNIQUE INDEX users_email_partial_key ON auth.users (email) WHERE is_sso_user = false;
    CREATE INDEX users_is_anonymous_idx ON auth.users (is_anonymous);
    -- What is empty, or digits only as the codes of old were, may repeat.
    CREATE UNIQUE INDEX confirmation_token_idx ON auth.users (confirmation_token)
      WHERE confirmation_token !~ '^[0-9 ]*$';
    CREATE UNIQUE INDEX recovery_token_idx ON auth.users (recovery_token)
      WHERE recovery_token !~ '^[0-9 ]*$';
    CREATE UNIQUE INDEX email_change_token_current_idx ON auth.users (email_change_token_current)
      WHERE email_change_token_current !~ '^[0-9 ]*$';
    CREATE UNIQUE INDEX email_change_token_new_idx ON auth.users (email_change_token_new)
      WHERE email_change_token_new !~ '^[0-9 ]*$';
    CREATE UNIQUE INDEX reauthentication_token_idx ON auth.users (reauthentication_token)
      WHERE reauthentication_token !~ '^[0-9 ]*$';
    ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
  END IF;

  IF to_regclass('auth.identities') IS NULL THEN
    CREATE TABLE auth.identities (
      provider_id     text NOT NULL,
      user_id         uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
      identity_data   jsonb NOT NULL,
      provider        text NOT NULL,
      last_sign_in_at timestamptz,
      created_at      timestamptz,
      updated_at      timestamptz,
      email           text GENERATED ALWAYS AS (lower(identity_data ->> 'email')) STORED,
      id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      CONSTRAINT identities_provider_id_provider_unique UNIQUE (provider_id, provider)
    );
    CREATE INDEX identities_user_id_idx ON auth.identities (user_id);
    CREATE INDEX identities_email_idx ON auth.identities (email text_pattern_ops);
    ALTER TABLE auth.identities ENABLE ROW LEVEL SECURITY;
  END IF;

  IF to_regclass('auth.one_time_tokens') IS NULL THEN
    CREATE TABLE auth.one_time_tokens (
      id         uuid PRIMARY KEY,
      user_id    uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
      token_type auth.one_time_token_type NOT NULL,
      token_hash text NOT NULL CHECK (char_length(token_hash) > 0),
      relates_to text NOT NULL,
      created_at timestamp NOT NULL DEFAULT now(),
      updated_at timestamp NOT NULL DEFAULT now()
    );
    CREATE UNIQUE INDEX one_time_tokens_user_id_token_type_key ON auth.one_time_tokens (user_id, token_type);
    CREATE INDEX one_time_tokens_token_hash_hash_idx ON auth.one_time_tokens USING hash (token_hash);
    CREATE INDEX one_time_tokens_relates_to_hash_idx ON auth.one_time_tokens USING hash (relates_to);
    ALTER TABLE auth.one_time_tokens ENABLE ROW LEVEL SECURITY;
  END IF;
END
$$;

-- The OAuth server.
DO $$
BEGIN
  IF to_regclass('auth.oauth_clients') IS NULL THEN
    CREATE TABLE auth.oauth_clients (
      id                         uuid PRIMARY KEY,
      client_secret_hash         text,
      registration_type          auth.oauth_registration_type NOT NULL,
      redirect_uris              text NOT NULL,
      grant_types                text NOT NULL,
      client_name                text,
      client_uri                 text,
      logo_uri                   text,
      created_at                 timestamptz NOT NULL DEFAULT now(),
      updated_at                 timestamptz NOT NULL DEFAULT now(),
      deleted_at                 timestamptz,
      client_type                auth.oauth_client_type NOT NULL DEFAULT 'confidential',
      token_endpoint_auth_method text NOT NULL CHECK (token_endpoint_auth_method IN ('client_secret_basic', 'client_secret_post', 'none')),
      CONSTRAINT oauth_clients_client_name_length CHECK (char_length(client_name) <= 1024),
      CONSTRAINT oauth_clients_client_uri_length CHECK (char_length(client_uri) <= 2048),
      CONSTRAINT oauth_clients_logo_uri_length CHECK (char_length(logo_uri) <= 2048)
    );
    CREATE INDEX oauth_clients_deleted_at_idx ON auth.oauth_clients (deleted_at);
  END IF;

  IF to_regclass('auth.oauth_authorizations') IS NULL THEN
    CREATE TABLE auth.oauth_authorizations (
      id                    uuid PRIMARY KEY,
      authorization_id      text NOT NULL UNIQUE,
      client_id             uuid NOT NULL REFERENCES auth.oauth_clients (id) ON DELETE CASCADE,
      user_id               uuid REFERENCES auth.users (id) ON DELETE CASCADE,
      redirect_uri          text NOT NULL,
      scope                 text NOT NULL,
      state                 text,
      resource              text,
      code_challenge        text,
      code_challenge_method auth.code_challenge_method,
      response_type         auth.oauth_response_type NOT NULL DEFAULT 'code',
      status                auth.oauth_authorization_status NOT NULL DEFAULT 'pending',
      authorization_code    text UNIQUE,
      created_at            timestamptz NOT NULL DEFAULT now(),
      expires_at            timestamptz NOT NULL DEFAULT now() + '3 minutes'::interval,
      approved_at           timestamptz,
      nonce                 text,
      CONSTRAINT oauth_authorizations_redirect_uri_length CHECK (char_length(redirect_uri) <= 2048),
      CONSTRAINT oauth_authorizations_scope_length CHECK (char_length(scope) <= 4096),
      CONSTRAINT oauth_authorizations_state_length CHECK (char_length(state) <= 4096),
      CONSTRAINT oauth_authorizations_resource_length CHECK (char_length(resource) <= 2048),
      CONSTRAINT oauth_authorizations_code_challenge_length CHECK (char_length(code_challenge) <= 128),
      CONSTRAINT oauth_authorizations_authorization_code_length CHECK (char_length(authorization_code) <= 255),
      CONSTRAINT oauth_authorizations_nonce_length CHECK (char_length(nonce) <= 255),
      CONSTRAINT oauth_authorizations_expires_at_future CHECK (expires_at > created_at)
    );
    CREATE INDEX oauth_auth_pending_exp_idx ON auth.oauth_authorizations (expires_at) WHERE status = 'pending';
  END IF;

  IF to_regclass('auth.oauth_consents') IS NULL THEN
    CREATE TABLE auth.oauth_consents (
      id         uuid PRIMARY KEY,
      user_id    uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
      client_id  uuid NOT NULL REFERENCES auth.oauth_clients (id) ON DELETE CASCADE,
      scopes     text NOT NULL,
      granted_at timestamptz NOT NULL DEFAULT now(),
      revoked_at timestamptz,
      CONSTRAINT oauth_consents_user_client_unique UNIQUE (user_id, client_id),
      CONSTRAINT oauth_consents_scopes_length CHECK (char_length(scopes) <= 2048),
      CONSTRAINT oauth_consents_scopes_not_empty CHECK (char_length(trim(scopes)) > 0),
      CONSTRAINT oauth_consents_revoked_after_granted CHECK (revoked_at IS NULL OR revoked_at >= granted_at)
    );
    CREATE INDEX oauth_consents_active_client_idx ON auth.oauth_consents (client_id) WHERE revoked_at IS NULL;
    CREATE INDEX oauth_consents_active_user_client_idx ON auth.oauth_consents (user_id, client_id) WHERE revoked_at IS NULL;
    CREATE INDEX oauth_consents_user_order_idx ON auth.oauth_consents (user_id, granted_at DESC);
  END IF;
END
$$;

-- Sessions and their tokens.
DO $$
BEGIN
  IF to_regclass('auth.sessions') IS NULL THEN
    CREATE TABLE auth.sessions (
      id                     uuid PRIMARY KEY,
      user_id                uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
      created_at             timestamptz,
      updated_at             timestamptz,
      factor_id              uuid,
      aal                    auth.aal_level,
      not_after              timestamptz,
      refreshed_at           timestamp,
      user_agent             text,
      ip                     inet,
      tag                    text,
      oauth_client_id        uuid REFERENCES auth.oauth_clients (id) ON DELETE CASCADE,
      refresh_token_hmac_key text,
      refresh_token_counter  bigint,
      scopes                 text,
      CONSTRAINT sessions_scopes_length CHECK (char_length(scopes) <= 4096)
    );
    CREATE INDEX sessions_user_id_idx ON auth.sessions (user_id);
    CREATE INDEX user_id_created_at_idx ON auth.sessions (user_id, created_at);
    CREATE INDEX sessions_not_after_idx ON auth.sessions (not_after DESC);
    CREATE INDEX sessions_oauth_client_id_idx ON auth.sessions (oauth_client_id);
    ALTER TABLE auth.sessions ENABLE ROW LEVEL SECURITY;
  END IF;

  IF to_regclass('auth.refresh_tokens') IS NULL THEN
    CREATE TABLE auth.refresh_tokens (
      instance_id uuid,
      id          bigserial PRIMARY KEY,
      token       varchar(255) CONSTRAINT refresh_tokens_token_unique UNIQUE,
      user_id     varchar(255),
      revoked     boolean,
      created_at  timestamptz,
      updated_at  timestamptz,
      parent      varchar(255),
      session_id  uuid REFERENCES auth.sessions (id) ON DELETE CASCADE
    );
    CREATE INDEX refresh_tokens_instance_id_idx ON auth.refresh_tokens (instance_id);
    CREATE INDEX refresh_tokens_instance_id_user_id_idx ON auth.refresh_tokens (instance_id, user_id);
    CREATE INDEX refresh_tokens_parent_idx ON auth.refresh_tokens (parent);
    CREATE INDEX refresh_tokens_session_id_revoked_idx ON auth.refresh_tokens (session_id, revoked);
    CREATE INDEX refresh_tokens_updated_at_idx ON auth.refresh_tokens (updated_at DESC);
    ALTER TABLE auth.refresh_tokens ENABLE ROW LEVEL SECURITY;
  END IF;

  IF to_regclass('auth.mfa_amr_claims') IS NULL THEN
    CREATE TABLE auth.mfa_amr_claims (
      session_id            uuid NOT NULL REFERENCES auth.sessions (id) ON DELETE CASCADE,
      created_at            timestamptz NOT NULL,
      updated_at            timestamptz NOT NULL,
      authentication_method text NOT NULL,
      id                    uuid CONSTRAINT amr_id_pk PRIMARY KEY,
      CONSTRAINT mfa_amr_claims_session_id_authentication_method_pkey UNIQUE (session_id, authentication_method)
    );
    ALTER TABLE auth.mfa_amr_claims ENABLE ROW LEVEL SECURITY;
  END IF;
END
$$;

-- Factors and passkeys.
DO $$
BEGIN
  IF to_regclass('auth.mfa_factors') IS NULL THEN
    CREATE TABLE auth.mfa_factors (
      id                           uuid PRIMARY KEY,
      user_id                      uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
      friendly_name                text,
      factor_type                  auth.factor_type NOT NULL,
      status                       auth.factor_status NOT NULL,
      created_at                   timestamptz NOT NULL,
      updated_at                   timestamptz NOT NULL,
      secret                       text,
      phone                        text,
      last_challenged_at           timestamptz UNIQUE,
      web_authn_credential         jsonb,
      web_authn_aaguid             uuid,
      last_webauthn_challenge_data jsonb
    );
    CREATE INDEX mfa_factors_user_id_idx ON auth.mfa_factors (user_id);
    CREATE INDEX factor_id_created_at_idx ON auth.mfa_factors (user_id, created_at);
    CREATE UNIQUE INDEX unique_phone_factor_per_user ON auth.mfa_factors (user_id, phone);
    CREATE UNIQUE INDEX mfa_factors_user_friendly_name_unique ON auth.mfa_factors (friendly_name, user_id)
      WHERE trim(friendly_name) <> '';
    ALTER TABLE auth.mfa_factors ENABLE ROW LEVEL SECURITY;
  END IF;

  IF to_regclass('auth.mfa_challenges') IS NULL THEN
    CREATE TABLE auth.mfa_challenges (
      id                     uuid PRIMARY KEY,
      factor_id              uuid NOT NULL CONSTRAINT mfa_challenges_auth_factor_id_fkey REFERENCES auth.mfa_factors (id) ON DELETE CASCADE,
      created_at             timestamptz NOT NULL,
      verified_at            timestamptz,
      ip_address             inet NOT NULL,
      otp_code               text,
      web_authn_session_data jsonb
    );
    CREATE INDEX mfa_challenge_created_at_idx ON auth.mfa_challenges (created_at DESC);
    ALTER TABLE auth.mfa_challenges ENABLE ROW LEVEL SECURITY;
  END IF;

  IF to_regclass('auth.webauthn_credentials') IS NULL THEN
    CREATE TABLE auth.webauthn_credentials (
      id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      user_id          uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
      credential_id    bytea NOT NULL,
      public_key       bytea NOT NULL,
      attestation_type text NOT NULL DEFAULT '',
      aaguid           uuid,
      sign_count       bigint NOT NULL DEFAULT 0,
      transports       jsonb NOT NULL DEFAULT '[]',
      backup_eligible  boolean NOT NULL DEFAULT false,
      backed_up        boolean NOT NULL DEFAULT false,
      friendly_name    text NOT NULL DEFAULT '',
      created_at       timestamptz NOT NULL DEFAULT now(),
      updated_at       timestamptz NOT NULL DEFAULT now(),
      last_used_at     timestamptz
    );
    CREATE UNIQUE INDEX webauthn_credentials_credential_id_key ON auth.webauthn_credentials (credential_id);
    CREATE INDEX webauthn_credentials_user_id_idx ON auth.webauthn_credentials (user_id);
  END IF;

  IF to_regclass('auth.webauthn_challenges') IS NULL THEN
    CREATE TABLE auth.webauthn_challenges (
      id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      user_id        uuid REFERENCES auth.users (id) ON DELETE CASCADE,
      challenge_type text NOT NULL CHECK (challenge_type IN ('signup', 'registration', 'authentication')),
      session_data   jsonb NOT NULL,
      created_at     timestamptz NOT NULL DEFAULT now(),
      expires_at     timestamptz NOT NULL
    );
    CREATE INDEX webauthn_challenges_user_id_idx ON auth.webauthn_challenges (user_id);
    CREATE INDEX webauthn_challenges_expires_at_idx ON auth.webauthn_challenges (expires_at);
  END IF;
END
$$;

-- Sign-in through others.
DO $$
BEGIN
  IF to_regclass('auth.flow_state') IS NULL THEN
    CREATE TABLE auth.flow_state (
      id                     uuid PRIMARY KEY,
      user_id                uuid,
      auth_code              text,
      code_challenge_method  auth.code_challenge_method,
      code_challenge         text,
      provider_type          text NOT NULL,
      provider_access_token  text,
      provider_refresh_token text,
      created_at             timestamptz,
      updated_at             timestamptz,
      authentication_method  text NOT NULL,
      auth_code_issued_at    timestamptz,
      invite_token           text,
      referrer               text,
      oauth_client_state_id  uuid,
      linking_target_id      uuid,
      email_optional         boolean NOT NULL DEFAULT false
    );
    CREATE INDEX idx_auth_code ON auth.flow_state (auth_code);
    CREATE INDEX idx_user_id_auth_method ON auth.flow_state (user_id, authentication_method);
    CREATE INDEX flow_state_created_at_idx ON auth.flow_state (created_at DESC);
    ALTER TABLE auth.flow_state ENABLE ROW LEVEL SECURITY;
  END IF;

  IF to_regclass('auth.oauth_client_states') IS NULL THEN
    CREATE TABLE auth.oauth_client_states (
      id            uuid PRIMARY KEY,
      provider_type text NOT NULL,
      code_verifier text,
      created_at    timestamptz NOT NULL
    );
    CREATE INDEX idx_oauth_client_states_created_at ON auth.oauth_client_states (created_at);
  END IF;

  IF to_regclass('auth.custom_oauth_providers') IS NULL THEN
    CREATE TABLE auth.custom_oauth_providers (
      id                      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      provider_type           text NOT NULL CHECK (provider_type IN ('oauth2', 'oidc')),
      identifier              text NOT NULL UNIQUE,
      name                    text NOT NULL,
      client_id               text NOT NULL,
      client_secret           text NOT NULL,
      acceptable_client_ids   text[] NOT NULL DEFAULT '{}',
      scopes                  text[] NOT NULL DEFAULT '{}',
      pkce_enabled            boolean NOT NULL DEFAULT true,
      attribute_mapping       jsonb NOT NULL DEFAULT '{}',
      authorization_params    jsonb NOT NULL DEFAULT '{}',
      enabled                 boolean NOT NULL DEFAULT true,
      email_optional          boolean NOT NULL DEFAULT false,
      issuer                  text,
      discovery_url           text,
      skip_nonce_check        boolean NOT NULL DEFAULT false,
      cached_discovery        jsonb,
      discovery_cached_at     timestamptz,
      authorization_url       text,
      token_url               text,
      userinfo_url            text,
      jwks_uri                text,
      created_at              timestamptz NOT NULL DEFAULT now(),
      updated_at              timestamptz NOT NULL DEFAULT now(),
      custom_claims_allowlist text[] NOT NULL DEFAULT '{}',
      CONSTRAINT custom_oauth_providers_identifier_format CHECK (identifier ~ '^[a-z0-9][a-z0-9:-]{0,48}[a-z0-9]$'),
      CONSTRAINT custom_oauth_providers_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
      CONSTRAINT custom_oauth_providers_client_id_length CHECK (char_length(client_id) BETWEEN 1 AND 512),
      CONSTRAINT custom_oauth_providers_issuer_length CHECK (issuer IS NULL OR char_length(issuer) BETWEEN 1 AND 2048),
      CONSTRAINT custom_oauth_providers_discovery_url_length CHECK (discovery_url IS NULL OR char_length(discovery_url) <= 2048),
      CONSTRAINT custom_oauth_providers_authorization_url_length CHECK (authorization_url IS NULL OR char_length(authorization_url) <= 2048),
      CONSTRAINT custom_oauth_providers_token_url_length CHECK (token_url IS NULL OR char_length(token_url) <= 2048),
      CONSTRAINT custom_oauth_providers_userinfo_url_length CHECK (userinfo_url IS NULL OR char_length(userinfo_url) <= 2048),
      CONSTRAINT custom_oauth_providers_jwks_uri_length CHECK (jwks_uri IS NULL OR char_length(jwks_uri) <= 2048),
      CONSTRAINT custom_oauth_providers_authorization_url_https CHECK (authorization_url IS NULL OR authorization_url LIKE 'https://%'),
      CONSTRAINT custom_oauth_providers_token_url_https CHECK (token_url IS NULL OR token_url LIKE 'https://%'),
      CONSTRAINT custom_oauth_providers_userinfo_url_https CHECK (userinfo_url IS NULL OR userinfo_url LIKE 'https://%'),
      CONSTRAINT custom_oauth_providers_jwks_uri_https CHECK (jwks_uri IS NULL OR jwks_uri LIKE 'https://%'),
      CONSTRAINT custom_oauth_providers_oidc_requires_issuer CHECK (provider_type <> 'oidc' OR issuer IS NOT NULL),
      CONSTRAINT custom_oauth_providers_oidc_issuer_https CHECK (provider_type <> 'oidc' OR issuer IS NULL OR issuer LIKE 'https://%'),
      CONSTRAINT custom_oauth_providers_oidc_discovery_url_https CHECK (provider_type <> 'oidc' OR discovery_url IS NULL OR discovery_url LIKE 'https://%'),
      CONSTRAINT custom_oauth_providers_oauth2_requires_endpoints CHECK (provider_type <> 'oauth2' OR authorization_url IS NOT NULL AND token_url IS NOT NULL AND userinfo_url IS NOT NULL)
    );
    CREATE INDEX custom_oauth_providers_identifier_idx ON auth.custom_oauth_providers (identifier);
    CREATE INDEX custom_oauth_providers_provider_type_idx ON auth.custom_oauth_providers (provider_type);
    CREATE INDEX custom_oauth_providers_enabled_idx ON auth.custom_oauth_providers (enabled);
    CREATE INDEX custom_oauth_providers_created_at_idx ON auth.custom_oauth_providers (created_at);
  END IF;
END
$$;

-- Single sign-on. The two checks with = NULL are GoTrue's, and refuse nothing: of
-- an empty string they make NULL.
DO $$
BEGIN
  IF to_regclass('auth.sso_providers') IS NULL THEN
    CREATE TABLE auth.sso_providers (
      id          uuid PRIMARY KEY,
      resource_id text,
      created_at  timestamptz,
      updated_at  timestamptz,
      disabled    boolean,
      CONSTRAINT "resource_id not empty" CHECK (resource_id = NULL OR char_length(resource_id) > 0)
    );
    CREATE UNIQUE INDEX sso_providers_resource_id_idx ON auth.sso_providers (lower(resource_id));
    CREATE INDEX sso_providers_resource_id_pattern_idx ON auth.sso_providers (resource_id text_pattern_ops);
    ALTER TABLE auth.sso_providers ENABLE ROW LEVEL SECURITY;
  END IF;

  IF to_regclass('auth.sso_domains') IS NULL THEN
    CREATE TABLE auth.sso_domains (
      id              uuid PRIMARY KEY,
      sso_provider_id uuid NOT NULL REFERENCES auth.sso_providers (id) ON DELETE CASCADE,
      domain          text NOT NULL,
      created_at      timestamptz,
      updated_at      timestamptz,
      CONSTRAINT "domain not empty" CHECK (char_length(domain) > 0)
    );
    CREATE UNIQUE INDEX sso_domains_domain_idx ON auth.sso_domains (lower(domain));
    CREATE INDEX sso_domains_sso_provider_id_idx ON auth.sso_domains (sso_provider_id);
    ALTER TABLE auth.sso_domains ENABLE ROW LEVEL SECURITY;
  END IF;

  IF to_regclass('auth.saml_providers') IS NULL THEN
    CREATE TABLE auth.saml_providers (
      id                uuid PRIMARY KEY,
      sso_provider_id   uuid NOT NULL REFERENCES auth.sso_providers (id) ON DELETE CASCADE,
      entity_id         text NOT NULL UNIQUE,
      metadata_xml      text NOT NULL,
      metadata_url      text,
      attribute_mapping jsonb,
      created_at        timestamptz,
      updated_at        timestamptz,
      name_id_format    text,
      CONSTRAINT "entity_id not empty" CHECK (char_length(entity_id) > 0),
      CONSTRAINT "metadata_xml not empty" CHECK (char_length(metadata_xml) > 0),
      CONSTRAINT "metadata_url not empty" CHECK (metadata_url = NULL OR char_length(metadata_url) > 0)
    );
    CREATE INDEX saml_providers_sso_provider_id_idx ON auth.saml_providers (sso_provider_id);
    ALTER TABLE auth.saml_providers ENABLE ROW LEVEL SECURITY;
  END IF;

  IF to_regclass('auth.saml_relay_states') IS NULL THEN
    CREATE TABLE auth.saml_relay_states (
      id              uuid PRIMARY KEY,
      sso_provider_id uuid NOT NULL REFERENCES auth.sso_providers (id) ON DELETE CASCADE,
      request_id      text NOT NULL,
      for_email       text,
      redirect_to     text,
      created_at      timestamptz,
      updated_at      timestamptz,
      flow_state_id   uuid REFERENCES auth.flow_state (id) ON DELETE CASCADE,
      CONSTRAINT "request_id not empty" CHECK (char_length(request_id) > 0)
    );
    CREATE INDEX saml_relay_states_sso_provider_id_idx ON auth.saml_relay_states (sso_provider_id);
    CREATE INDEX saml_relay_states_for_email_idx ON auth.saml_relay_states (for_email);
    CREATE INDEX saml_relay_states_created_at_idx ON auth.saml_relay_states (created_at DESC);
    ALTER TABLE auth.saml_relay_states ENABLE ROW LEVEL SECURITY;
  END IF;
END
$$;

-- The audit log, GoTrue's list of its own migrations, and a table from when one
-- server served several sites, which nothing reads any more.
DO $$
BEGIN
  IF to_regclass('auth.audit_log_entries') IS NULL THEN
    CREATE TABLE auth.audit_log_entries (
      instance_id uuid,
      id          uuid PRIMARY KEY,
      payload     json,
      created_at  timestamptz,
      ip_address  varchar(64) NOT NULL DEFAULT ''
    );
    CREATE INDEX audit_logs_instance_id_idx ON auth.audit_log_entries (instance_id);
    ALTER TABLE auth.audit_log_entries ENABLE ROW LEVEL SECURITY;
  END IF;

  IF to_regclass('auth.schema_migrations') IS NULL THEN
    CREATE TABLE auth.schema_migrations (
      version varchar(14) PRIMARY KEY
    );
    CREATE UNIQUE INDEX schema_migrations_version_idx ON auth.schema_migrations (version);
    ALTER TABLE auth.schema_migrations ENABLE ROW LEVEL SECURITY;
  END IF;

  IF to_regclass('auth.instances') IS NULL THEN
    CREATE TABLE auth.instances (
      id              uuid PRIMARY KEY,
      uuid            uuid,
      raw_base_config text,
      created_at      timestamptz,
      updated_at      timestamptz
    );
    ALTER TABLE auth.instances ENABLE ROW LEVEL SECURITY;
  END IF;
END
$$;
