package goenv_test

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/goenv"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/internal/envtest"
)

// load reads an environment that has to be in order.
func load(t *testing.T, environ ...string) *goenv.Settings {
	t.Helper()
	s, err := goenv.Load(environ)
	if err != nil {
		t.Fatalf("Load(%q): %v", environ, err)
	}
	return s
}

func TestNothingSetMeansGoTruesDefaults(t *testing.T) {
	t.Parallel()
	want := &goenv.Settings{
		Config: postern.Config{
			Audience:    "authenticated",
			DefaultRole: "authenticated",
			AdminRoles:  []string{"service_role", "supabase_admin"},
			MaxMetadata: 65536,
			FlowExpiry:  5 * time.Minute,
			Email:       defaultEmail(),
			Phone:       defaultPhone(),
			Password:    postern.PasswordConfig{MinLength: 6, Algorithm: "bcrypt", BcryptCost: 10},
			JWT:         postern.JWTConfig{TTL: time.Hour},
			Session:     postern.SessionConfig{ReuseInterval: 10 * time.Second},
			MFA:         defaultMFA(),
			Limits:      defaultLimits(),
			Passkeys:    postern.PasskeyConfig{Max: 10, ChallengeExpiry: 5 * time.Minute},
			Encryption:  postern.EncryptionConfig{Keys: map[string]postern.Secret{}},

			OAuth:           postern.OAuthConfig{LinkingDomains: map[string]string{}},
			CustomProviders: postern.CustomProviderConfig{DiscoveryTTL: time.Hour},
		},
		HTTP:    httpadapter.Options{MaxRequestDuration: 10 * time.Second, AccessLog: true},
		Address: ":8081",
		Log:     goenv.Log{Level: slog.LevelInfo},
		Telemetry: goenv.Telemetry{
			Traces:      goenv.OTLP{Protocol: "http/protobuf", Endpoint: "http://localhost:4318/v1/traces"},
			Metrics:     goenv.OTLP{Protocol: "http/protobuf", Endpoint: "http://localhost:4318/v1/metrics"},
			ServiceName: "gotrue",
		},
	}
	got := load(t, "HOME=/root", "LANG=C")
	if got.Renderer == nil || got.Mailer != nil || got.Config.Mailer != nil || got.Config.SMS != nil {
		t.Errorf("got the renderer %v, the mailers %v and %v, the SMS sender %v; want only a renderer",
			got.Renderer, got.Mailer, got.Config.Mailer, got.Config.SMS)
	}
	if got.Config.CustomProviders.Maker == nil {
		t.Error("custom providers: got none, want GoTrue's default, which is on")
	}
	if text, err := got.Config.Phone.Text("123456"); text != "Your code is 123456" || err != nil {
		t.Errorf("message: got %q and error %v, want GoTrue's", text, err)
	}
	if got := withoutFuncs(got); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func defaultEmail(changes ...func(*postern.EmailConfig)) postern.EmailConfig {
	c := postern.EmailConfig{
		MaxFrequency: time.Minute, CodeLength: 6, CodeExpiry: 24 * time.Hour,
		LinkPaths: postern.LinkPaths{Invite: "/verify", Confirmation: "/verify", Recovery: "/verify", EmailChange: "/verify"},
	}
	for _, change := range changes {
		change(&c)
	}
	return c
}

func defaultPhone(changes ...func(*postern.PhoneConfig)) postern.PhoneConfig {
	c := postern.PhoneConfig{MaxFrequency: time.Minute, CodeLength: 6, CodeExpiry: time.Minute, TestCodes: map[string]string{}}
	for _, change := range changes {
		change(&c)
	}
	return c
}

func defaultMFA(changes ...func(*postern.MFAConfig)) postern.MFAConfig {
	c := postern.MFAConfig{
		Phone:           postern.PhoneFactorConfig{MaxFrequency: time.Minute, CodeLength: 6},
		ChallengeExpiry: 5 * time.Minute, FactorExpiry: 5 * time.Minute, MaxEnrolled: 10, MaxVerified: 10,
	}
	for _, change := range changes {
		change(&c)
	}
	return c
}

func defaultLimits(changes ...func(*postern.LimitConfig)) postern.LimitConfig {
	few := postern.Rate{N: 30, Per: 5 * time.Minute, Burst: 30}
	c := postern.LimitConfig{
		OTP: few, Web3: few, Verify: few, Passkey: few,
		Anonymous: postern.Rate{N: 30, Per: time.Hour},
		Token:     postern.Rate{N: 150, Per: 5 * time.Minute, Burst: 30},
		Factor:    postern.Rate{N: 15, Per: time.Minute, Burst: 30},
		Mails:     postern.Quota{N: 30, Per: time.Hour},
		SMS:       postern.Quota{N: 30, Per: time.Hour},
	}
	for _, change := range changes {
		change(&c)
	}
	return c
}

// withoutFuncs is s without what reflect.DeepEqual finds different every time.
func withoutFuncs(s *goenv.Settings) *goenv.Settings {
	bare := *s
	bare.Renderer = nil
	bare.Config.Phone.Text, bare.Config.Phone.Check, bare.Config.MFA.Phone.Text = nil, nil, nil
	bare.Config.CustomProviders.Maker = nil
	return &bare
}

func TestEmptyCountsAsUnset(t *testing.T) {
	t.Parallel()
	var environ []string
	for _, name := range goenv.KnownNames() {
		environ = append(environ, name+"=")
	}
	if got, want := withoutFuncs(load(t, environ...)), withoutFuncs(load(t)); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// Every case sets variables and says what one setting becomes.
func TestVariables(t *testing.T) {
	t.Parallel()
	const key, otherKey = "M-uHzXIZWr6kZQsU41I_Em7_CqEC599AyvaEtNat7Wg", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	const secret = "a secret of at least thirty-two bytes"
	const ceremonies = "GOTRUE_WEBAUTHN_RP_ID=example.com GOTRUE_WEBAUTHN_RP_DISPLAY_NAME=Notes GOTRUE_WEBAUTHN_RP_ORIGINS=https://example.com,https://app.example.com "
	off := time.Duration(-1)
	type cases []struct {
		environ string // separated by spaces
		got     func(*goenv.Settings) any
		want    any
	}
	for section, cases := range map[string]cases{
		"limits": {
			{"POSTERN_RATE_LIMITS=off", limits, defaultLimits(func(c *postern.LimitConfig) { c.Off = true })},
			{"POSTERN_RATE_LIMITS=memory", limits, defaultLimits(func(c *postern.LimitConfig) { c.InMemory = true })},
			{"GOTRUE_RATE_LIMIT_OTP=5", limits, defaultLimits(func(c *postern.LimitConfig) { c.OTP.N = 5 })},
			{"GOTRUE_RATE_LIMIT_ANONYMOUS_USERS=5", limits, defaultLimits(func(c *postern.LimitConfig) { c.Anonymous.N = 5 })},
			{"GOTRUE_RATE_LIMIT_TOKEN_REFRESH=1800", limits, defaultLimits(func(c *postern.LimitConfig) { c.Token.N = 1800 })},
			{"GOTRUE_RATE_LIMIT_VERIFY=0", limits, defaultLimits(func(c *postern.LimitConfig) { c.Verify.N = -1 })},
			{"GOTRUE_RATE_LIMIT_WEB3=5/10s", limits, defaultLimits(func(c *postern.LimitConfig) { c.Web3 = postern.Rate{N: 1, Per: 10 * time.Second, Burst: 5} })},
			{"GOTRUE_RATE_LIMIT_PASSKEY=7", limits, defaultLimits(func(c *postern.LimitConfig) { c.Passkey.N = 7 })},
			{"GOTRUE_MFA_RATE_LIMIT_CHALLENGE_AND_VERIFY=30", limits, defaultLimits(func(c *postern.LimitConfig) { c.Factor.N = 30 })},
			{"GOTRUE_RATE_LIMIT_EMAIL_SENT=0", limits, defaultLimits(func(c *postern.LimitConfig) { c.Mails.N = -1 })},
			{"GOTRUE_RATE_LIMIT_EMAIL_SENT=100/1m", limits, defaultLimits(func(c *postern.LimitConfig) { c.Mails = postern.Quota{N: 100, Per: time.Minute, Refill: true} })},
			{"GOTRUE_RATE_LIMIT_SMS_SENT=100", limits, defaultLimits(func(c *postern.LimitConfig) { c.SMS.N = 100 })},
			{"GOTRUE_RATE_LIMIT_HEADER=x-forwarded-for POSTERN_TRUSTED_PROXIES=10.0.0.0/8", clientHeader, ""},
			{"GOTRUE_RATE_LIMIT_HEADER=CF-Connecting-IP POSTERN_TRUSTED_PROXIES=10.0.0.0/8", clientHeader, "CF-Connecting-IP"},
			{"GOTRUE_SECURITY_SB_FORWARDED_FOR_ENABLED=true GOTRUE_RATE_LIMIT_HEADER=X POSTERN_TRUSTED_PROXIES=10.0.0.0/8", clientHeader, "Sb-Forwarded-For"},
			{"GOTRUE_RATE_LIMIT_HEADER=CF-Connecting-IP", advice, 1},
			{"GOTRUE_RATE_LIMIT_HEADER=CF-Connecting-IP POSTERN_TRUSTED_PROXIES=10.0.0.0/8", advice, 0},
		},
		"server": {
			{"GOTRUE_API_HOST=0.0.0.0 PORT=9999", address, "0.0.0.0:9999"},
			{"GOTRUE_API_HOST=::1 GOTRUE_API_PORT=0", address, "[::1]:0"},
			{"PORT=1 GOTRUE_API_PORT=2", address, ":2"},
			{"PORT=1 PORT=2", address, ":2"},
			{"PORT=1 PORT=", address, ":1"},
			{"API_EXTERNAL_URL=https://example.com/auth/v1", func(s *goenv.Settings) any { return s.ExternalURL }, "https://example.com/auth/v1"},
			{"API_EXTERNAL_URL=https://example.com/auth/v1", func(s *goenv.Settings) any { return s.Config.ExternalURL }, "https://example.com/auth/v1"},
			{"GOTRUE_SITE_URL=https://example.com", func(s *goenv.Settings) any { return s.Config.SiteURL }, "https://example.com"},
			{"GOTRUE_URI_ALLOW_LIST=https://*.example.com/**,app://in", func(s *goenv.Settings) any { return s.Config.RedirectURLs },
				[]string{"https://*.example.com/**", "app://in"}},
			{"REQUEST_ID_HEADER=X-Request-Id", requestID, "X-Request-Id"},
			{"GOTRUE_API_REQUEST_ID_HEADER=Sb-Request-Id", requestID, "Sb-Request-Id"},
			{"GOTRUE_API_MAX_REQUEST_DURATION=1m30s", func(s *goenv.Settings) any { return s.HTTP.MaxRequestDuration }, 90 * time.Second},
			{"GOTRUE_CORS_ALLOWED_HEADERS=X-One,X-Two", func(s *goenv.Settings) any { return s.HTTP.AllowedHeaders }, []string{"X-One", "X-Two"}},
			{"GOTRUE_LOG_LEVEL=debug", logLevel, slog.LevelDebug},
			{"GOTRUE_LOG_LEVEL=WARNING", logLevel, slog.LevelWarn},
			{"GOTRUE_LOG_LEVEL=fatal", logLevel, slog.LevelError},
			{"GOTRUE_LOG_LEVEL=trace", logLevel, slog.LevelDebug - 4},
			{"GOTRUE_DISABLE_SIGNUP=true", func(s *goenv.Settings) any { return s.Config.DisableSignUp }, true},
		},
		"watching it": {
			{"GOTRUE_LOG_FILE=/var/log/auth.log GOTRUE_LOG_FIELDS=region:eu,url:http://a POSTERN_LOG_FORMAT=text", func(s *goenv.Settings) any { return s.Log },
				goenv.Log{File: "/var/log/auth.log", Format: "text", Fields: map[string]string{"region": "eu", "url": "http://a"}}},
			{"POSTERN_ACCESS_LOG=false", func(s *goenv.Settings) any { return s.HTTP.AccessLog }, false},
			{"GOTRUE_TRACING_ENABLED=true GOTRUE_TRACING_EXPORTER=opentelemetry OTEL_EXPORTER_OTLP_ENDPOINT=https://otel.example.com/in/ OTEL_EXPORTER_OTLP_HEADERS=a=b%20c,d=e=", traces,
				goenv.OTLP{Enabled: true, Protocol: "http/protobuf", Endpoint: "https://otel.example.com/in/v1/traces", Headers: map[string]postern.Secret{"a": "b c", "d": "e="}}},
			{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://otel.example.com/in OTEL_EXPORTER_OTLP_TRACES_HEADERS=a=1 OTEL_EXPORTER_OTLP_HEADERS=a=2", traces,
				goenv.OTLP{Protocol: "http/protobuf", Endpoint: "https://otel.example.com/in", Headers: map[string]postern.Secret{"a": "1"}}},
			{"GOTRUE_TRACING_OTEL_EXPORTER_OTLP_PROTOCOL=grpc", traces, goenv.OTLP{Protocol: "grpc", Endpoint: "http://localhost:4317"}},
			{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_ENDPOINT=http://otel:4317", traces, goenv.OTLP{Protocol: "grpc", Endpoint: "http://otel:4317"}},
			{"GOTRUE_METRICS_ENABLED=true GOTRUE_METRICS_OTEL_EXPORTER_OTLP_PROTOCOL=grpc", metrics, goenv.OTLP{Enabled: true, Protocol: "grpc", Endpoint: "http://localhost:4317"}},
			{"GOTRUE_METRICS_ENABLED=true GOTRUE_METRICS_EXPORTER=prometheus", func(s *goenv.Settings) any { return s.Telemetry.Metrics.Enabled }, false},
			{"GOTRUE_METRICS_EXPORTER=prometheus", prometheus, ""},
			{"GOTRUE_METRICS_ENABLED=true GOTRUE_METRICS_EXPORTER=prometheus", prometheus, "0.0.0.0:9100"},
			{"GOTRUE_METRICS_ENABLED=true GOTRUE_METRICS_EXPORTER=prometheus OTEL_EXPORTER_PROMETHEUS_HOST=::1 GOTRUE_METRICS_OTEL_EXPORTER_PROMETHEUS_PORT=9", prometheus, "[::1]:9"},
			{"GOTRUE_TRACING_SERVICE_NAME=auth", func(s *goenv.Settings) any { return s.Telemetry.ServiceName }, "auth"},
			{"GOTRUE_TRACING_TAGS=region:eu,tier:gold", func(s *goenv.Settings) any { return s.Telemetry.Tags }, map[string]string{"region": "eu", "tier": "gold"}},
			{"GOTRUE_PROFILER_ENABLED=true", profiler, "localhost:9998"},
			{"GOTRUE_PROFILER_ENABLED=true GOTRUE_PROFILER_HOST=::1 GOTRUE_PROFILER_PORT=0", profiler, "[::1]:0"},
			{"GOTRUE_PROFILER_HOST=0.0.0.0", profiler, ""},
		},
		"second factors": {
			{"GOTRUE_MFA_TOTP_ENROLL_ENABLED=false GOTRUE_MFA_TOTP_VERIFY_ENABLED=false", mfa, defaultMFA(func(c *postern.MFAConfig) {
				c.TOTP = postern.TOTPConfig{NoEnroll: true, NoVerify: true}
			})},
			{"GOTRUE_MFA_PHONE_ENROLL_ENABLED=true GOTRUE_MFA_PHONE_VERIFY_ENABLED=true GOTRUE_MFA_PHONE_OTP_LENGTH=8 GOTRUE_MFA_PHONE_MAX_FREQUENCY=0s",
				mfa, defaultMFA(func(c *postern.MFAConfig) {
					c.Phone = postern.PhoneFactorConfig{Enroll: true, Verify: true, CodeLength: 8, MaxFrequency: off}
				})},
			{"GOTRUE_MFA_CHALLENGE_EXPIRY_DURATION=600 GOTRUE_MFA_FACTOR_EXPIRY_DURATION=1h GOTRUE_MFA_MAX_ENROLLED_FACTORS=3 GOTRUE_MFA_MAX_VERIFIED_FACTORS=2",
				mfa, defaultMFA(func(c *postern.MFAConfig) {
					c.ChallengeExpiry, c.FactorExpiry, c.MaxEnrolled, c.MaxVerified = 10*time.Minute, time.Hour, 3, 2
				})},
			{"POSTERN_RECOVERY_CODES_ENROLL_ENABLED=false POSTERN_RECOVERY_CODES_VERIFY_ENABLED=false", mfa, defaultMFA(func(c *postern.MFAConfig) {
				c.RecoveryCodes = postern.RecoveryCodesConfig{NoEnroll: true, NoVerify: true}
			})},
			{"GOTRUE_MFA_PHONE_TEMPLATE={{.Code}}!", func(s *goenv.Settings) any {
				text, _ := s.Config.MFA.Phone.Text("123456")
				return text
			}, "123456!"},
			{"GOTRUE_MAILER_NOTIFICATIONS_MFA_FACTOR_ENROLLED_ENABLED=true GOTRUE_MAILER_NOTIFICATIONS_MFA_FACTOR_UNENROLLED_ENABLED=true",
				notify, postern.NotifyConfig{FactorEnrolled: true, FactorUnenrolled: true}},
		},
		"passkeys": {
			{ceremonies + "GOTRUE_PASSKEY_ENABLED=true GOTRUE_PASSKEY_MAX_PASSKEYS_PER_USER=3 GOTRUE_WEBAUTHN_CHALLENGE_EXPIRY_DURATION=1m",
				func(s *goenv.Settings) any { return s.Config.Passkeys },
				postern.PasskeyConfig{Enabled: true, Max: 3, ChallengeExpiry: time.Minute}},
			{ceremonies + "GOTRUE_MFA_WEB_AUTHN_ENROLL_ENABLED=true GOTRUE_MFA_WEB_AUTHN_VERIFY_ENABLED=true", mfa, defaultMFA(func(c *postern.MFAConfig) {
				c.WebAuthn = postern.WebAuthnFactorConfig{Enroll: true, Verify: true}
			})},
			{ceremonies + "GOTRUE_PASSKEY_ENABLED=true", hasCeremonies, true},
			{ceremonies, hasCeremonies, false},
			{"GOTRUE_WEBAUTHN_RP_ID=https://wrong.example", hasCeremonies, false}, // and not needed
			{"POSTERN_REFUSE_CLONED_CREDENTIALS=true", func(s *goenv.Settings) any { return s.Config.RefuseClonedCredentials }, true},
		},
		"database": {
			{"DATABASE_URL=sqlite:/var/lib/postern.db", databaseURL, "sqlite:/var/lib/postern.db"},
			{"DATABASE_URL=postgres://u:p@h/d GOTRUE_DB_DRIVER=postgres DB_NAMESPACE=auth", databaseURL, "postgres://u:p@h/d"},
			{"DATABASE_URL=sqlite:a GOTRUE_DB_DATABASE_URL=postgresql://h/d", databaseURL, "postgresql://h/d"},
			{"GOTRUE_DB_DRIVER=postgres", databaseURL, ""},
		},
		"tokens": {
			{"GOTRUE_JWT_AUD=app", func(s *goenv.Settings) any { return s.Config.Audience }, "app"},
			{"GOTRUE_JWT_DEFAULT_GROUP_NAME=member", func(s *goenv.Settings) any { return s.Config.DefaultRole }, "member"},
			{"GOTRUE_JWT_ADMIN_ROLES=root,", func(s *goenv.Settings) any { return s.Config.AdminRoles }, []string{"root"}},
			{"GOTRUE_JWT_EXP=120 GOTRUE_JWT_ISSUER=https://example.com", jwt, postern.JWTConfig{TTL: 2 * time.Minute, Issuer: "https://example.com"}},
			{"GOTRUE_JWT_EXP=0", jwt, postern.JWTConfig{TTL: time.Hour}},
			{"GOTRUE_JWT_KEY_ID=k1 GOTRUE_JWT_VALID_METHODS=HS256,ES256", jwt,
				postern.JWTConfig{TTL: time.Hour, KeyID: "k1", ValidMethods: []string{"HS256", "ES256"}}},
		},
		"audit log": {
			{"GOTRUE_SITE_URL=https://example.com", audit, postern.AuditConfig{}},
			{"GOTRUE_AUDIT_LOG_DISABLE_POSTGRES=true", audit, postern.AuditConfig{NoTable: true, Log: true}},
			{"GOTRUE_AUDIT_LOG_DISABLE_POSTGRES=true POSTERN_AUDIT_LOG_LOGGED=false", audit, postern.AuditConfig{NoTable: true}},
			{"POSTERN_AUDIT_LOG_LOGGED=true POSTERN_AUDIT_LOG_RETENTION=720h", audit, postern.AuditConfig{Log: true, Retention: 720 * time.Hour}},
		},
		"sign-in methods": {
			{"GOTRUE_EXTERNAL_EMAIL_ENABLED=false", func(s *goenv.Settings) any { return s.Config.Email.Disabled }, true},
			{"GOTRUE_EXTERNAL_EMAIL_MAGIC_LINK_ENABLED=false", func(s *goenv.Settings) any { return s.Config.Email.NoMagicLinks }, true},
			{"GOTRUE_EXTERNAL_EMAIL_AUTHORIZED_ADDRESSES=ada@example.com,bob@example.com",
				func(s *goenv.Settings) any { return s.Config.Email.AuthorizedAddresses }, []string{"ada@example.com", "bob@example.com"}},
			{"GOTRUE_EXTERNAL_FLOW_STATE_EXPIRY_DURATION=10m", func(s *goenv.Settings) any { return s.Config.FlowExpiry }, 10 * time.Minute},
			{"GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED=true", func(s *goenv.Settings) any { return s.Config.AnonymousUsers }, true},
			{"GOTRUE_EXTERNAL_PHONE_ENABLED=1", func(s *goenv.Settings) any { return s.Config.Phone.Enabled }, true},
			{"GOTRUE_EXPERIMENTAL_CURSOR_PAGINATION_ENABLED=t", func(s *goenv.Settings) any { return s.HTTP.CursorPagination }, true},
			{"GOTRUE_DB_CLEANUP_ENABLED=true GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED=true", anonymousMaxAge, 30 * 24 * time.Hour},
			{"GOTRUE_DB_CLEANUP_ENABLED=true", anonymousMaxAge, time.Duration(0)},
			{"GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED=true", anonymousMaxAge, time.Duration(0)},
		},
		"providers": {
			{"GOTRUE_EXTERNAL_GOOGLE_ENABLED=true GOTRUE_EXTERNAL_LINKEDIN_OIDC_ENABLED=true GOTRUE_EXTERNAL_APPLE_ENABLED=false",
				providerNames, []string{"google", "linkedin_oidc"}},
			{"GOTRUE_EXTERNAL_WEB3_SOLANA_ENABLED=true", chains, map[string]time.Duration{"solana": 10 * time.Minute}},
			{"GOTRUE_EXTERNAL_WEB3_ETHEREUM_ENABLED=true GOTRUE_EXTERNAL_WEB3_ETHEREUM_MAXIMUM_VALIDITY_DURATION=5m",
				chains, map[string]time.Duration{"ethereum": 5 * time.Minute}},
			{"GOTRUE_EXTERNAL_REDIRECTURL=com.example.app://in", oauth,
				postern.OAuthConfig{RedirectURL: "com.example.app://in", LinkingDomains: map[string]string{}}},
			{"GOTRUE_SECURITY_MANUAL_LINKING_ENABLED=true", oauth,
				postern.OAuthConfig{ManualLinking: true, LinkingDomains: map[string]string{}}},
			{"GOTRUE_EXPERIMENTAL_PROVIDERS_WITH_OWN_LINKING_DOMAIN=Notion,figma GOTRUE_EXPERIMENTAL_PROVIDER_LINKING_DOMAINS=google:staff,custom:okta:staff,figma:figma",
				oauth, postern.OAuthConfig{LinkingDomains: map[string]string{
					"notion": "notion", "figma": "figma", "google": "staff", "custom:okta": "staff",
				}}},
			{"GOTRUE_CUSTOM_OAUTH_MAX_PROVIDERS=3 GOTRUE_CUSTOM_OAUTH_EXTERNAL_URL=https://sso.example.com GOTRUE_EXTERNAL_OIDC_PROVIDER_CACHE_TTL=5m",
				func(s *goenv.Settings) any { return withoutFuncs(s).Config.CustomProviders },
				postern.CustomProviderConfig{Max: 3, ExternalURL: "https://sso.example.com", DiscoveryTTL: 5 * time.Minute}},
			{"GOTRUE_CUSTOM_OAUTH_ENABLED=false", func(s *goenv.Settings) any { return s.Config.CustomProviders },
				postern.CustomProviderConfig{DiscoveryTTL: time.Hour}},
		},
		"passwords": {
			{"GOTRUE_PASSWORD_MIN_LENGTH=12", func(s *goenv.Settings) any { return s.Config.Password.MinLength }, 12},
			{"GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION=true",
				func(s *goenv.Settings) any { return s.Config.Password.RequireReauthentication }, true},
			{"GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD=true", func(s *goenv.Settings) any { return s.Config.Password.RequireCurrent }, true},
			{`GOTRUE_PASSWORD_REQUIRED_CHARACTERS=abc:0123:`, requiredCharacters, []string{"abc", "0123"}},
			{`GOTRUE_PASSWORD_REQUIRED_CHARACTERS=a\:b\::\::\c`, requiredCharacters, []string{"a:b:", ":", `\c`}},
			{`GOTRUE_PASSWORD_REQUIRED_CHARACTERS=äß::`, requiredCharacters, []string{"äß"}},
			{`GOTRUE_PASSWORD_REQUIRED_CHARACTERS=:`, requiredCharacters, []string(nil)},
		},
		"sessions": {
			{"GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL=0", session, postern.SessionConfig{ReuseInterval: off}},
			{"GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL=30 GOTRUE_SECURITY_REFRESH_TOKEN_ALLOW_REUSE=true GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED=false",
				session, postern.SessionConfig{ReuseInterval: 30 * time.Second, AllowReuse: true, KeepOnReuse: true}},
			{"GOTRUE_SECURITY_REFRESH_TOKEN_ALGORITHM_VERSION=1 GOTRUE_SECURITY_REFRESH_TOKEN_UPGRADE_PERCENTAGE=5 GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED=true",
				session, postern.SessionConfig{ReuseInterval: 10 * time.Second}},
			{"GOTRUE_SESSIONS_TIMEBOX=24h GOTRUE_SESSIONS_INACTIVITY_TIMEOUT=1h GOTRUE_SESSIONS_ALLOW_LOW_AAL=15m GOTRUE_SESSIONS_SINGLE_PER_USER=true GOTRUE_SESSIONS_TAGS=web,mobile",
				session, postern.SessionConfig{
					ReuseInterval: 10 * time.Second, Timebox: 24 * time.Hour, InactivityTimeout: time.Hour, AllowLowAAL: 15 * time.Minute,
					SinglePerUser: true, Tags: []string{"web", "mobile"},
				}},
			{"GOTRUE_SESSIONS_TIMEBOX=0", session, postern.SessionConfig{ReuseInterval: 10 * time.Second}},
		},
		"encryption": {
			{"GOTRUE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS=k1:" + key + ",k2:" + otherKey, encryption,
				postern.EncryptionConfig{Keys: map[string]postern.Secret{"k1": key, "k2": otherKey}}},
			{"GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPT=true GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY_ID=k3 GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY=" + key +
				" GOTRUE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS=k2:" + otherKey, encryption,
				postern.EncryptionConfig{Encrypt: true, KeyID: "k3", Keys: map[string]postern.Secret{"k2": otherKey, "k3": key}}},
		},
		"mails and messages": {
			{"GOTRUE_MAILER_AUTOCONFIRM=true GOTRUE_SMTP_MAX_FREQUENCY=1ns", email,
				defaultEmail(func(c *postern.EmailConfig) { c.Autoconfirm, c.MaxFrequency = true, 1 })},
			{"GOTRUE_MAILER_ALLOW_UNVERIFIED_EMAIL_SIGN_INS=true", email,
				defaultEmail(func(c *postern.EmailConfig) { c.AllowUnverifiedSignIns = true })},
			{"GOTRUE_SMTP_MAX_FREQUENCY=0s", email, defaultEmail(func(c *postern.EmailConfig) { c.MaxFrequency = off })},
			{"GOTRUE_MAILER_OTP_LENGTH=8 GOTRUE_MAILER_OTP_EXP=3600 GOTRUE_MAILER_SECURE_EMAIL_CHANGE_ENABLED=false", email,
				defaultEmail(func(c *postern.EmailConfig) {
					c.CodeLength, c.CodeExpiry, c.SingleChangeConfirmation = 8, time.Hour, true
				})},
			{"GOTRUE_MAILER_URLPATHS_INVITE=/i GOTRUE_MAILER_URLPATHS_CONFIRMATION=/c GOTRUE_MAILER_URLPATHS_RECOVERY=/r " +
				"GOTRUE_MAILER_URLPATHS_EMAIL_CHANGE=/e GOTRUE_MAILER_URLPATHS_MAGIC_LINK=/m", email, defaultEmail(func(c *postern.EmailConfig) {
				c.LinkPaths = postern.LinkPaths{Invite: "/i", Confirmation: "/c", Recovery: "/r", EmailChange: "/e"}
			})},
			{"GOTRUE_MAILER_NOTIFICATIONS_PASSWORD_CHANGED_ENABLED=true", notify, postern.NotifyConfig{PasswordChanged: true}},
			{"GOTRUE_MAILER_NOTIFICATIONS_EMAIL_CHANGED_ENABLED=true", notify, postern.NotifyConfig{EmailChanged: true}},
			{"GOTRUE_MAILER_NOTIFICATIONS_PHONE_CHANGED_ENABLED=true", notify, postern.NotifyConfig{PhoneChanged: true}},
			{"GOTRUE_MAILER_NOTIFICATIONS_IDENTITY_LINKED_ENABLED=true", notify, postern.NotifyConfig{IdentityLinked: true}},
			{"GOTRUE_MAILER_NOTIFICATIONS_IDENTITY_UNLINKED_ENABLED=true", notify, postern.NotifyConfig{IdentityUnlinked: true}},
			{"GOTRUE_SMS_AUTOCONFIRM=true GOTRUE_SMS_MAX_FREQUENCY=5s GOTRUE_SMS_PROVIDER=twilio", phone,
				defaultPhone(func(c *postern.PhoneConfig) {
					c.Autoconfirm, c.MaxFrequency, c.Provider = true, 5*time.Second, "twilio"
				})},
			{"GOTRUE_SMS_MAX_FREQUENCY=0", phone, defaultPhone(func(c *postern.PhoneConfig) { c.MaxFrequency = off })},
			{"GOTRUE_SMS_OTP_LENGTH=9 GOTRUE_SMS_OTP_EXP=90", phone,
				defaultPhone(func(c *postern.PhoneConfig) { c.CodeLength, c.CodeExpiry = 9, 90*time.Second })},
			{"GOTRUE_SMS_OTP_EXP=0", phone, defaultPhone()},
			{"GOTRUE_SMS_TEST_OTP=+15550100010:123410,15550100011:123411 GOTRUE_SMS_TEST_OTP_VALID_UNTIL=2030-01-02T03:04:05Z", phone,
				defaultPhone(func(c *postern.PhoneConfig) {
					c.TestCodes = map[string]string{"15550100010": "123410", "15550100011": "123411"}
					c.TestCodesUntil = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
				})},
		},
		"ours": {
			{"POSTERN_HIDE_ACCOUNTS=true", func(s *goenv.Settings) any { return s.Config.HideAccounts }, true},
			{"POSTERN_JWT_AUDIENCES=one,two", func(s *goenv.Settings) any { return s.Config.Audiences }, []string{"one", "two"}},
			{"POSTERN_MAX_METADATA=1000", func(s *goenv.Settings) any { return s.Config.MaxMetadata }, 1000},
			{"POSTERN_PASSWORD_ALGORITHM=argon2id", func(s *goenv.Settings) any { return s.Config.Password.Algorithm }, "argon2id"},
			{"POSTERN_BCRYPT_COST=12", func(s *goenv.Settings) any { return s.Config.Password.BcryptCost }, 12},
			{"POSTERN_REFUSE_UNDATED_TOKENS=true", func(s *goenv.Settings) any { return s.Config.JWT.RefuseUndated }, true},
			{"POSTERN_SCANNER_SAFE_LINKS=true", email, defaultEmail(func(c *postern.EmailConfig) { c.ScannerSafeLinks = true })},
			{"POSTERN_TRUSTED_PROXIES=10.0.0.0/8,192.0.2.1,2001:db8::/32", func(s *goenv.Settings) any { return s.HTTP.TrustedProxies }, []netip.Prefix{
				netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32"),
			}},
		},
	} {
		t.Run(section, func(t *testing.T) {
			t.Parallel()
			for _, c := range cases {
				if got := c.got(load(t, strings.Fields(c.environ)...)); !reflect.DeepEqual(got, c.want) {
					t.Errorf("%s:\ngot  %+v\nwant %+v", c.environ, got, c.want)
				}
			}
		})
	}
	t.Run("secret", func(t *testing.T) {
		t.Parallel()
		if got := load(t, "GOTRUE_JWT_SECRET="+secret).Config.JWT.Secret; got != secret {
			t.Errorf("got %q, want %q", string(got), secret)
		}
	})
	t.Run("spaces in lists", func(t *testing.T) {
		t.Parallel()
		got, want := load(t, "GOTRUE_JWT_ADMIN_ROLES= root , service_role,").Config.AdminRoles, []string{"root", "service_role"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func traces(s *goenv.Settings) any             { return s.Telemetry.Traces }
func metrics(s *goenv.Settings) any            { return s.Telemetry.Metrics }
func prometheus(s *goenv.Settings) any         { return s.Telemetry.PrometheusAddress }
func profiler(s *goenv.Settings) any           { return s.Telemetry.ProfilerAddress }
func address(s *goenv.Settings) any            { return s.Address }
func requestID(s *goenv.Settings) any          { return s.HTTP.RequestIDHeader }
func logLevel(s *goenv.Settings) any           { return s.Log.Level }
func databaseURL(s *goenv.Settings) any        { return string(s.DatabaseURL) }
func jwt(s *goenv.Settings) any                { return s.Config.JWT }
func requiredCharacters(s *goenv.Settings) any { return s.Config.Password.RequiredCharacters }
func session(s *goenv.Settings) any            { return s.Config.Session }
func encryption(s *goenv.Settings) any         { return s.Config.Encryption }
func email(s *goenv.Settings) any              { return s.Config.Email }
func phone(s *goenv.Settings) any              { return withoutFuncs(s).Config.Phone }
func hasCeremonies(s *goenv.Settings) any      { return s.Config.WebAuthn != nil }
func mfa(s *goenv.Settings) any                { return withoutFuncs(s).Config.MFA }
func notify(s *goenv.Settings) any             { return s.Config.Email.Notify }
func oauth(s *goenv.Settings) any              { return s.Config.OAuth }
func audit(s *goenv.Settings) any              { return s.Config.Audit }
func limits(s *goenv.Settings) any             { return s.Config.Limits }
func clientHeader(s *goenv.Settings) any       { return s.HTTP.ClientAddressHeader }
func advice(s *goenv.Settings) any             { return len(s.Advice) }
func anonymousMaxAge(s *goenv.Settings) any    { return s.Config.AnonymousMaxAge }

func providerNames(s *goenv.Settings) any {
	var names []string
	for _, p := range s.Config.Providers {
		names = append(names, p.Name)
	}
	return names
}

// chains are the ages of messages by the chain.
func chains(s *goenv.Settings) any {
	ages := map[string]time.Duration{}
	for _, c := range s.Config.Web3 {
		ages[c.Name] = c.MaxAge
	}
	return ages
}

func TestMistakesAreOneSentenceEach(t *testing.T) {
	t.Parallel()
	const es256 = `[{"kty":"EC","crv":"P-256","kid":"k1","key_ops":["sign"],"d":"c2VjcmV0"}]`
	for _, c := range []struct{ environ, want string }{
		{"GOTRUE_DISABLE_SIGNUP=yes", `GOTRUE_DISABLE_SIGNUP is "yes"; it must be true or false`},
		{"GOTRUE_PASSKEY_ENABLED=true", `GOTRUE_WEBAUTHN_RP_ID, GOTRUE_WEBAUTHN_RP_ORIGINS: webauthn: RPID is ""; it is a domain, without scheme and port`},
		{"GOTRUE_JWT_EXP=1h", `GOTRUE_JWT_EXP is "1h"; it must be a whole number of at least 0`},
		{"GOTRUE_JWT_EXP=99999999999", `GOTRUE_JWT_EXP is "99999999999"; it must be a whole number of at least 0`},
		{"PORT=http", `PORT is "http"; it must be a whole number from 0 to 65535`},
		{"GOTRUE_API_PORT=65536", `GOTRUE_API_PORT is "65536"; it must be a whole number from 0 to 65535`},
		{"GOTRUE_SESSIONS_TIMEBOX=10", `GOTRUE_SESSIONS_TIMEBOX is "10"; it must be a duration such as 10s or 1h30m`},
		{"POSTERN_AUDIT_LOG_RETENTION=-1h", `POSTERN_AUDIT_LOG_RETENTION is "-1h"; it must be a duration such as 10s or 1h30m`},
		{"GOTRUE_SESSIONS_TIMEBOX=-1s", `GOTRUE_SESSIONS_TIMEBOX is "-1s"; it must be a duration such as 10s or 1h30m`},
		{"GOTRUE_API_MAX_REQUEST_DURATION=0", `GOTRUE_API_MAX_REQUEST_DURATION is "0"; it must be a duration such as 10s or 1h30m of at least 1ms`},
		{"API_EXTERNAL_URL=example.com", `API_EXTERNAL_URL is "example.com"; it must be an absolute http or https URL`},
		{"API_EXTERNAL_URL=http://[", `API_EXTERNAL_URL is "http://["; it must be an absolute http or https URL`},
		{"API_EXTERNAL_URL=https://u:hush@example.com", `API_EXTERNAL_URL must be an absolute http or https URL without a user; what it is now may be secret and is not shown`},
		{"GOTRUE_INTERNAL_HTTP_TIMEOUT=0", `GOTRUE_INTERNAL_HTTP_TIMEOUT is "0"; it must be a duration such as 10s or 1h30m of at least 1ms`},
		{"GOTRUE_LOG_LEVEL=loud", `GOTRUE_LOG_LEVEL is "loud"; it must be one of trace, debug, info, warn, error, fatal, panic`},
		{"POSTERN_RATE_LIMITS=on", `POSTERN_RATE_LIMITS is "on"; it must be shared, memory or off`},
		{"GOTRUE_RATE_LIMIT_OTP=many", `GOTRUE_RATE_LIMIT_OTP is "many"; it must be a number, or a number and a duration as in 30/2m`},
		{"GOTRUE_RATE_LIMIT_OTP=-1", `GOTRUE_RATE_LIMIT_OTP is "-1"; it must be a number, or a number and a duration as in 30/2m`},
		{"GOTRUE_RATE_LIMIT_EMAIL_SENT=30/hour", `GOTRUE_RATE_LIMIT_EMAIL_SENT is "30/hour"; it must be a number, or a number and a duration as in 30/2m`},
		{"POSTERN_LOG_FORMAT=xml", `POSTERN_LOG_FORMAT is "xml"; it must be text or json`},
		{"GOTRUE_LOG_FIELDS=region", `GOTRUE_LOG_FIELDS is "region"; it must be a list of pairs such as region:eu,tier:gold`},
		{"GOTRUE_TRACING_EXPORTER=opentracing", `GOTRUE_TRACING_EXPORTER is "opentracing"; it must be "opentelemetry"`},
		{"GOTRUE_METRICS_EXPORTER=statsd", `GOTRUE_METRICS_EXPORTER is "statsd"; it must be opentelemetry or prometheus`},
		{"OTEL_EXPORTER_OTLP_PROTOCOL=http/json", `OTEL_EXPORTER_OTLP_PROTOCOL is "http/json"; it must be http/protobuf or grpc`},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318", `OTEL_EXPORTER_OTLP_ENDPOINT is "localhost:4318"; it must be an absolute http or https URL`},
		{"OTEL_EXPORTER_OTLP_HEADERS=hush", `OTEL_EXPORTER_OTLP_HEADERS: entry 1 must be a name and a value, as in name=value, with special characters escaped`},
		{"GOTRUE_PROFILER_ENABLED=true GOTRUE_PROFILER_HOST=0.0.0.0", `GOTRUE_PROFILER_HOST is "0.0.0.0"; it must be localhost or another loopback address: forward its port to get there from elsewhere`},
		{"DB_NAMESPACE=public", `DB_NAMESPACE is "public"; it must be "auth"`},
		{"GOTRUE_DB_DRIVER=mysql", `GOTRUE_DB_DRIVER is "mysql"; it must be postgres or sqlite`},
		{"GOTRUE_DB_DRIVER=postgres DATABASE_URL=sqlite:a.db", `GOTRUE_DB_DRIVER is "postgres", but DATABASE_URL names a database of the kind "sqlite"`},
		{"DATABASE_URL=mysql://u:hush@h/d", `DATABASE_URL must be sqlite:PATH, postgres://… or postgresql://…; what it is now may be secret and is not shown`},
		{"DATABASE_URL=sqlite://postern.db", `DATABASE_URL must be sqlite:PATH, postgres://… or postgresql://…; what it is now may be secret and is not shown`},
		{"GOTRUE_DB_DATABASE_URL=sqlite:", `GOTRUE_DB_DATABASE_URL must be sqlite:PATH, postgres://… or postgresql://…; what it is now may be secret and is not shown`},
		{"GOTRUE_JWT_SECRET=hush", `GOTRUE_JWT_SECRET: secret has 4 bytes, at least 32 are needed`},
		{"GOTRUE_JWT_VALID_METHODS=HS256,none", `GOTRUE_JWT_VALID_METHODS is "HS256,none"; it must be a list, separated by commas, of HS256, RS256, RS512, ES256, ES512, EdDSA`},
		{"GOTRUE_JWT_ADMIN_ROLES=root,authenticated", `GOTRUE_JWT_DEFAULT_GROUP_NAME is "authenticated", which must not be one of GOTRUE_JWT_ADMIN_ROLES: every new user would be an operator`},
		{"GOTRUE_JWT_KEYS=" + es256, `GOTRUE_JWT_KEYS: key 1 of the list: kid "k1": member "x" is missing`},
		{"GOTRUE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS=hush", `GOTRUE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS: entry 1 must be an id and a key, as in id:key`},
		{"GOTRUE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS=k1:hush", `GOTRUE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS: entry 1: a key must be 32 bytes in base64url without padding`},
		{"GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPT=true", `GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPT needs a key to encrypt with: GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY, and its id in GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY_ID`},
		{"GOTRUE_SITE_URL=example.com", `GOTRUE_SITE_URL, GOTRUE_URI_ALLOW_LIST: site URL "example.com" is not an absolute URL that browsers can be redirected to`},
		{"GOTRUE_URI_ALLOW_LIST=https://[a", `GOTRUE_SITE_URL, GOTRUE_URI_ALLOW_LIST: redirect pattern "https://[a" has a "[" without its "]"`},
		{"GOTRUE_EXTERNAL_FLOW_STATE_EXPIRY_DURATION=soon", `GOTRUE_EXTERNAL_FLOW_STATE_EXPIRY_DURATION is "soon"; it must be a duration such as 10s or 1h30m`},
		{"GOTRUE_EXTERNAL_GITHUB_ENABLED=maybe", `GOTRUE_EXTERNAL_GITHUB_ENABLED is "maybe"; it must be true or false`},
		{"GOTRUE_EXTERNAL_GITHUB_ENABLED=true GOTRUE_EXTERNAL_GITHUB_URL=github.example.com", `GOTRUE_EXTERNAL_GITHUB_URL is "github.example.com"; it must be an absolute http or https URL`},
		{"GOTRUE_EXTERNAL_APPLE_ENABLED=true GOTRUE_EXTERNAL_APPLE_REDIRECT_URI=/callback", `GOTRUE_EXTERNAL_APPLE_REDIRECT_URI is "/callback"; it must be an absolute http or https URL`},
		{"GOTRUE_EXTERNAL_SLACK_ENABLED=true GOTRUE_EXTERNAL_SLACK_EMAIL_OPTIONAL=x", `GOTRUE_EXTERNAL_SLACK_EMAIL_OPTIONAL is "x"; it must be true or false`},
		{"GOTRUE_EXTERNAL_REDIRECTURL=/welcome", `GOTRUE_EXTERNAL_REDIRECTURL is "/welcome"; it must be an absolute URL`},
		{"GOTRUE_EXTERNAL_ALLOWED_ID_TOKEN_ISSUERS=login.example.com", `GOTRUE_EXTERNAL_ALLOWED_ID_TOKEN_ISSUERS has an entry that is not an absolute http or https URL`},
		{"GOTRUE_EXTERNAL_OIDC_PROVIDER_CACHE_TTL=0s", `GOTRUE_EXTERNAL_OIDC_PROVIDER_CACHE_TTL is "0s"; it must be a duration such as 10s or 1h30m of at least 1s`},
		{"GOTRUE_EXTERNAL_WEB3_SOLANA_MAXIMUM_VALIDITY_DURATION=10", `GOTRUE_EXTERNAL_WEB3_SOLANA_MAXIMUM_VALIDITY_DURATION is "10"; it must be a duration such as 10s or 1h30m of at least 1s`},
		{"GOTRUE_CUSTOM_OAUTH_MAX_PROVIDERS=-1", `GOTRUE_CUSTOM_OAUTH_MAX_PROVIDERS is "-1"; it must be a whole number of at least 0`},
		{"GOTRUE_CUSTOM_OAUTH_EXTERNAL_URL=sso", `GOTRUE_CUSTOM_OAUTH_EXTERNAL_URL is "sso"; it must be an absolute http or https URL`},
		{"GOTRUE_EXPERIMENTAL_PROVIDER_LINKING_DOMAINS=google", `GOTRUE_EXPERIMENTAL_PROVIDER_LINKING_DOMAINS has the entry "google"; it must be a provider and a domain, as in provider:domain`},
		{"GOTRUE_EXPERIMENTAL_PROVIDER_LINKING_DOMAINS=:staff", `GOTRUE_EXPERIMENTAL_PROVIDER_LINKING_DOMAINS has the entry ":staff"; it must be a provider and a domain, as in provider:domain`},
		{"GOTRUE_EXPERIMENTAL_PROVIDER_LINKING_DOMAINS=google:", `GOTRUE_EXPERIMENTAL_PROVIDER_LINKING_DOMAINS has the entry "google:"; it must be a provider and a domain, as in provider:domain`},
		{"GOTRUE_EXPERIMENTAL_PROVIDERS_WITH_OWN_LINKING_DOMAIN=google GOTRUE_EXPERIMENTAL_PROVIDER_LINKING_DOMAINS=google:staff",
			`GOTRUE_EXPERIMENTAL_PROVIDER_LINKING_DOMAINS: "google" is in the linking domain "google" already; it can be in one only`},
		{"GOTRUE_MAILER_AUTOCONFIRM=true GOTRUE_MAILER_ALLOW_UNVERIFIED_EMAIL_SIGN_INS=true",
			`GOTRUE_MAILER_AUTOCONFIRM and GOTRUE_MAILER_ALLOW_UNVERIFIED_EMAIL_SIGN_INS are both true; no more than one can be`},
		{"POSTERN_OUTBOUND_NETWORKS=intranet", `POSTERN_OUTBOUND_NETWORKS is "intranet"; it must be a list of addresses or CIDR prefixes such as 10.0.0.0/8, separated by commas`},
		{"GOTRUE_MAILER_SUBJECTS_INVITE={{end}}", `GOTRUE_MAILER_SUBJECTS, GOTRUE_MAILER_TEMPLATES: template: subject of invite:1: unexpected {{end}}`},
		{"GOTRUE_MAILER_TEMPLATES_INVITE=ftp://u:hush@example.com", `GOTRUE_MAILER_SUBJECTS, GOTRUE_MAILER_TEMPLATES: URLs["invite"]: ftp://u:xxxxx@example.com is neither http nor https`},
		{"GOTRUE_MAILER_TEMPLATE_MAX_AGE=0", `GOTRUE_MAILER_TEMPLATE_MAX_AGE is "0"; it must be a duration such as 10s or 1h30m of at least 1s`},
		{"GOTRUE_SMTP_HOST=smtp.example.com", `GOTRUE_SMTP_ADMIN_EMAIL is missing; with GOTRUE_SMTP_HOST set, mails need an address to come from`},
		{"GOTRUE_SMTP_HOST=smtp.example.com GOTRUE_SMTP_ADMIN_EMAIL=auth", `GOTRUE_SMTP: From is no address: "auth"`},
		{`GOTRUE_SMTP_HOST=smtp.example.com GOTRUE_SMTP_ADMIN_EMAIL=auth@example.com GOTRUE_SMTP_HEADERS={"To":["hush"]}`, `GOTRUE_SMTP: Headers must not have "To"`},
		{`GOTRUE_SMTP_HEADERS={"X-Key":"hush"}`, `GOTRUE_SMTP_HEADERS must be a JSON object of lists; what it is now may be secret and is not shown`},
		{"GOTRUE_SMTP_PORT=0", `GOTRUE_SMTP_PORT is "0"; it must be a whole number from 1 to 65535`},
		{"GOTRUE_SMS_PROVIDER=pigeon", `GOTRUE_SMS_PROVIDER is "pigeon"; it must be messagebird, textlocal, twilio, twilio_verify or vonage`},
		{"GOTRUE_SMS_TEMPLATE={{end}}", `GOTRUE_SMS_TEMPLATE: template: SMS:1: unexpected {{end}}`},
		{"GOTRUE_SMS_TEST_OTP=15550100010", `GOTRUE_SMS_TEST_OTP has an entry that is no phone:code`},
		{"GOTRUE_SMS_TEST_OTP=hush:123456", `GOTRUE_SMS_TEST_OTP has an entry that is no phone:code`},
		{"GOTRUE_SMS_TEST_OTP=15550100010:", `GOTRUE_SMS_TEST_OTP has an entry that is no phone:code`},
		{"GOTRUE_SMS_TEST_OTP_VALID_UNTIL=tomorrow", `GOTRUE_SMS_TEST_OTP_VALID_UNTIL is "tomorrow"; it must be a time as RFC 3339 writes it`},
		{"POSTERN_EVENTS_WEBHOOK_URL=https://x.example.com", `POSTERN_EVENTS_WEBHOOK_SECRETS is missing; with POSTERN_EVENTS_WEBHOOK_URL set, events have to be signed`},
		{"POSTERN_EVENTS_WEBHOOK_URL=https://u:hush@x.example.com", `POSTERN_EVENTS_WEBHOOK_URL must be an absolute http or https URL without a user; what it is now may be secret and is not shown`},
		{"POSTERN_EVENTS_WEBHOOK_URL=https://x.example.com POSTERN_EVENTS_WEBHOOK_SECRETS=hush", `POSTERN_EVENTS_WEBHOOK_SECRETS: webhook: secret 1 does not begin with v1,whsec_`},
		{"POSTERN_BCRYPT_COST=3", `POSTERN_BCRYPT_COST is "3"; it must be a whole number from 4 to 16`},
		{"POSTERN_PASSWORD_ALGORITHM=md5", `POSTERN_PASSWORD_ALGORITHM is "md5"; it must be bcrypt or argon2id`},
		{"POSTERN_TRUSTED_PROXIES=10.0.0.0/8,proxy", `POSTERN_TRUSTED_PROXIES is "10.0.0.0/8,proxy"; it must be a list of addresses or CIDR prefixes such as 10.0.0.0/8, separated by commas`},
	} {
		s, err := goenv.Load(strings.Fields(c.environ))
		if err == nil {
			t.Errorf("%s: got %+v, want the mistake %s", c.environ, s, c.want)
		} else if err.Error() != c.want {
			t.Errorf("%s:\ngot  %v\nwant %s", c.environ, err, c.want)
		}
	}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := goenv.Load([]string{"GOTRUE_DISABLE_SIGNUP=no way", "PORT=x", "GOTRUE_JWT_SECRET=short", "DB_NAMESPACE=public", "POSTERN_BCRYPT_COST=99"})
	if err == nil {
		t.Fatal("got no error")
	}
	for _, name := range []string{"GOTRUE_DISABLE_SIGNUP", "PORT", "GOTRUE_JWT_SECRET", "DB_NAMESPACE", "POSTERN_BCRYPT_COST"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != 5 {
		t.Errorf("got %d sentences, want 5: %v", got, err)
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	const canary = "canary"
	for _, environ := range []string{
		"GOTRUE_JWT_SECRET=canary",
		"GOTRUE_JWT_KEYS=canary",
		`GOTRUE_JWT_KEYS=[{"kty":"oct","kid":"k","key_ops":["sign"],"k":"canary"},{"kty":"EC","crv":"P-256","d":"canary","x":"canary","y":"canary"}]`,
		"DATABASE_URL=mysql://canary:canary@canary/canary",
		"GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY=canary",
		"GOTRUE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS=canary",
		"GOTRUE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS=canary:k1",
		"GOTRUE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS=k1:canary",
		"GOTRUE_SMTP_HEADERS=canary",
		"API_EXTERNAL_URL=https://u:canary@example.com",
		"GOTRUE_EXTERNAL_ALLOWED_ID_TOKEN_ISSUERS=https://u:canary@example.com",
		"GOTRUE_CUSTOM_OAUTH_EXTERNAL_URL=https://u:canary@%zz",
		"GOTRUE_MAILER_TEMPLATES_INVITE=https://u:canary@%zz",
		"GOTRUE_MAILER_TEMPLATES_INVITE=ftp://u:canary@example.com",
		"GOTRUE_SMS_TEST_OTP=no-number:canary",
	} {
		if _, err := goenv.Load([]string{environ}); err == nil {
			t.Errorf("%s: got no mistake", environ)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the mistake shows the secret: %v", environ, err)
		}
	}
}

func TestVariablesOfMissingFeaturesAreReportedOnce(t *testing.T) {
	t.Parallel()
	got := load(t, "GOTRUE_SAML_ENABLED=true", "GOTRUE_SAML_PRIVATE_KEY=hush",
		"GOTRUE_RATE_LIMIT_EMAIL_SENT=", "GOTRUE_JWT_EXP=60", "GOTRUE_OPERATOR_TOKEN=hush", "GOTRUE_SMTP_PASS=hush")
	want := []string{"GOTRUE_SAML_ENABLED", "GOTRUE_SAML_PRIVATE_KEY"}
	if !slices.Equal(got.NotYet, want) {
		t.Errorf("NotYet: got %q, want %q", got.NotYet, want)
	}
	if len(got.Unknown) != 0 {
		t.Errorf("Unknown: got %q, want none", got.Unknown)
	}
}

func TestUnknownVariablesGetTheNearestName(t *testing.T) {
	t.Parallel()
	for name, nearest := range map[string]string{
		"GOTRUE_JWT_SECRTE":        "GOTRUE_JWT_SECRET",
		"GOTRUE_API_EXTERNAL_URL":  "API_EXTERNAL_URL",
		"GOTRUE_DB_NAMESPACE":      "DB_NAMESPACE",
		"POSTERN_JWT_SECRET":       "GOTRUE_JWT_SECRET",
		"GOTRUE_MAILER_AUTOCONFRM": "GOTRUE_MAILER_AUTOCONFIRM",
		"POSTERN_HIDE_ACCOUNT":     "POSTERN_HIDE_ACCOUNTS",
		"GOTRUE_ZZZZZZZZZZZZZZZZ":  "",
		"POSTERN_":                 "",
	} {
		got := load(t, name+"=1", "PATH_GOTRUE_X=1").Unknown
		if want := []goenv.Unknown{{Name: name, Nearest: nearest}}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestEveryNameIsReadInOnePlace(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, name := range goenv.KnownNames() {
		if seen[name] {
			t.Errorf("%s is read twice", name)
		}
		if strings.ContainsAny(name, "{},") {
			t.Errorf("%s is not a name", name)
		}
		seen[name] = true
	}
}

// The recordings of the real server were made with these.
func TestInstancesOfTheRecordingsLoad(t *testing.T) {
	t.Parallel()
	all := strings.Fields(`
		API_EXTERNAL_URL=http://127.0.0.1:9999 GOTRUE_SITE_URL=http://127.0.0.1:3000 GOTRUE_URI_ALLOW_LIST=http://127.0.0.1:3000/**
		GOTRUE_DB_DRIVER=postgres DATABASE_URL=postgres://u:p@127.0.0.1/auth?search_path=auth DB_NAMESPACE=auth
		GOTRUE_JWT_SECRET=recorded-secret-of-thirty-two-bytes GOTRUE_JWT_EXP=3600 GOTRUE_JWT_AUD=authenticated
		GOTRUE_JWT_DEFAULT_GROUP_NAME=authenticated GOTRUE_JWT_ADMIN_ROLES=service_role,supabase_admin GOTRUE_MAILER_OTP_LENGTH=6
		GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED=true GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL=0
		GOTRUE_EXTERNAL_GITHUB_ENABLED=true GOTRUE_EXTERNAL_GITHUB_CLIENT_ID=smoke-github-client GOTRUE_EXTERNAL_GITHUB_SECRET=x
		GOTRUE_EXTERNAL_GITHUB_REDIRECT_URI=http://127.0.0.1:9999/callback GOTRUE_EXTERNAL_GITHUB_URL=http://127.0.0.1:1
		GOTRUE_SMTP_HOST=127.0.0.1 GOTRUE_SMTP_PORT=25 GOTRUE_SMTP_ADMIN_EMAIL=admin@example.com GOTRUE_RATE_LIMIT_EMAIL_SENT=100000`)
	for instance, environ := range map[string]string{
		"auto": `GOTRUE_MAILER_AUTOCONFIRM=true GOTRUE_MAILER_OTP_EXP=3600 GOTRUE_SMTP_MAX_FREQUENCY=1ns GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED=true
			GOTRUE_PASSWORD_MIN_LENGTH=6 GOTRUE_SECURITY_MANUAL_LINKING_ENABLED=true GOTRUE_EXTERNAL_PHONE_ENABLED=false
			GOTRUE_JWT_VALID_METHODS=ES256,HS256 GOTRUE_JWT_KEYS=` + signingKey,
		"confirm": `GOTRUE_MAILER_AUTOCONFIRM=false GOTRUE_MAILER_OTP_EXP=5 GOTRUE_SMTP_MAX_FREQUENCY=60s GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED=false
			GOTRUE_PASSWORD_REQUIRED_CHARACTERS=abcdefghijklmnopqrstuvwxyz:ABCDEFGHIJKLMNOPQRSTUVWXYZ:0123456789 GOTRUE_PASSWORD_MIN_LENGTH=8`,
		"phone": `GOTRUE_EXTERNAL_PHONE_ENABLED=true GOTRUE_SMS_AUTOCONFIRM=false GOTRUE_SMS_PROVIDER=twilio GOTRUE_SMS_MAX_FREQUENCY=1ns
			GOTRUE_SMS_TWILIO_ACCOUNT_SID=x GOTRUE_SMS_TWILIO_AUTH_TOKEN=x GOTRUE_SMS_TWILIO_MESSAGE_SERVICE_SID=x GOTRUE_SMS_OTP_EXP=60
			GOTRUE_SMS_TEST_OTP=15550100010:123410,15550100011:123411 GOTRUE_RATE_LIMIT_SMS_SENT=100000
			GOTRUE_MFA_PHONE_ENROLL_ENABLED=true GOTRUE_MFA_PHONE_VERIFY_ENABLED=true GOTRUE_MFA_PHONE_MAX_FREQUENCY=1ns`,
		"closed":  `GOTRUE_DISABLE_SIGNUP=true GOTRUE_MFA_TOTP_ENROLL_ENABLED=false GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD=true`,
		"noemail": `GOTRUE_EXTERNAL_EMAIL_ENABLED=false`,
		"v2":      `GOTRUE_SECURITY_REFRESH_TOKEN_ALGORITHM_VERSION=2 GOTRUE_JWT_KEY_ID=test-key-id`,
	} {
		if s := load(t, append(slices.Clone(all), strings.Fields(environ)...)...); len(s.Unknown) != 0 {
			t.Errorf("%s: unknown variables %q", instance, s.Unknown)
		}
	}
}

// RFC 7517, appendix A.2.
const signingKey = `[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",` +
	`"d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE","key_ops":["sign","verify"],"kid":"1"}]`

func TestDeploymentOfTheDataSetLoads(t *testing.T) {
	t.Parallel()
	text := envtest.ReadGoTrue(t, "gotrue", "manifest.json")
	var manifest struct {
		Config struct {
			Env map[string]string `json:"env"`
		} `json:"config"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	var environ []string
	for name, value := range manifest.Config.Env {
		environ = append(environ, name+"="+value)
	}
	if s := load(t, environ...); len(s.Unknown) != 0 || len(s.Config.Providers) != 3 {
		t.Errorf("got the unknown variables %q and the providers %q, want none and three", s.Unknown, providerNames(s))
	}
}
