// Package goenv makes a postern.Config out of the variables that configure
// GoTrue, so that a deployment's environment goes on working as it is.
//
//	settings, err := goenv.Load(os.Environ())
//
// Names, values and defaults are GoTrue's (contract: config.md §1), and an empty
// value counts as none. The exceptions:
//
//   - Nothing is required. GOTRUE_JWT_SECRET and GOTRUE_JWT_KEYS both unset mean
//     a key that is generated and kept in the database.
//   - GOTRUE_JWT_AUD and GOTRUE_JWT_DEFAULT_GROUP_NAME default to "authenticated",
//     GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL to 10 seconds; 0 turns the
//     latter off.
//   - DATABASE_URL is sqlite:PATH, postgres://… or postgresql://…. What it says
//     decides, GOTRUE_DB_DRIVER may only agree. DB_NAMESPACE can only be "auth".
//   - GOTRUE_SECURITY_REFRESH_TOKEN_ALGORITHM_VERSION and _UPGRADE_PERCENTAGE have
//     no effect: refresh tokens are always of version 2. So have a few others for
//     which there is nothing here to switch; they are listed as such in this
//     package's source.
//   - With phone numbers switched on, what GOTRUE_SMS_PROVIDER needs has to be
//     there from the start, as has GOTRUE_SMTP_ADMIN_EMAIL with GOTRUE_SMTP_HOST. A
//     hook that sends text messages makes up for it.
//   - A hook over HTTP needs its _SECRETS. With SQLite there are no pg-functions://.
//   - Limits hold without GOTRUE_RATE_LIMIT_HEADER, and that header and
//     GOTRUE_SECURITY_SB_FORWARDED_FOR_ENABLED's are believed from
//     POSTERN_TRUSTED_PROXIES alone.
//   - Spaces around the entries of a list are ignored.
//   - A provider's _REDIRECT_URI is the API's /callback unless it is set. A provider
//     that is switched on and lacks anything else is in Settings.Incomplete.
//   - GOTRUE_EXTERNAL_ALLOWED_ID_TOKEN_ISSUERS adds to the providers that are
//     switched on; the issuers of GoTrue's own providers do nothing there.
//   - OpenTelemetry's own OTEL_EXPORTER_OTLP_ENDPOINT and _HEADERS are read as well.
//     GOTRUE_TRACING_HOST and _PORT, of an older protocol, have no effect.
//   - GOTRUE_PROFILER_HOST can only be of loopback.
//   - GOTRUE_DB_CLEANUP_ENABLED is about anonymous users alone: what has expired is
//     cleaned up in any case.
//
// Variables of features that Postern does not have yet are accepted and reported
// in Settings.NotYet.
//
// # Variables of Postern's own
//
//	POSTERN_AUDIT_LOG_LOGGED        Config.Audit.Log; false, and true with
//	                                GOTRUE_AUDIT_LOG_DISABLE_POSTGRES
//	POSTERN_AUDIT_LOG_RETENTION     Config.Audit.Retention; for ever
//	POSTERN_EVENTS_WEBHOOK_URL      where Config.Subscribers has a webhook that events
//	                                are posted to
//	POSTERN_EVENTS_WEBHOOK_SECRETS  what they are signed with, as GoTrue's hooks have
//	                                it: v1,whsec_…, several of them separated by "|"
//	POSTERN_EVENTS_WEBHOOK_TYPES    which ones are posted, a list; all
//	POSTERN_CAPTCHA_URL             who is asked about CAPTCHAs, in place of what
//	                                GOTRUE_SECURITY_CAPTCHA_PROVIDER names
//	POSTERN_ACCESS_LOG              httpadapter.Options.AccessLog; true, as in GoTrue
//	POSTERN_HIDE_ACCOUNTS           Config.HideAccounts; false
//	POSTERN_JWT_AUDIENCES           Config.Audiences, a list
//	POSTERN_LOG_FORMAT              "text" or "json"; for the program to choose
//	POSTERN_MAX_METADATA            Config.MaxMetadata in bytes; 65536
//	POSTERN_OUTBOUND_NETWORKS       addresses or CIDR prefixes that providers' servers
//	                                and the endpoints of hooks may be in although they
//	                                are not public, a list
//	POSTERN_PASSWORD_ALGORITHM      "bcrypt" or "argon2id"; bcrypt
//	POSTERN_BCRYPT_COST             4 to 16; 10
//	POSTERN_RATE_LIMITS             "shared" by all processes on a database, "memory" of
//	                                this one, or "off"; shared
//	POSTERN_REFUSE_COMMON_PASSWORDS whether the 10,000 most common passwords count as
//	                                leaked ones; false
//	POSTERN_REFUSE_UNDATED_TOKENS   Config.JWT.RefuseUndated; false
//	POSTERN_SCANNER_SAFE_LINKS      Config.Email.ScannerSafeLinks; false
//	POSTERN_TRUSTED_PROXIES         addresses or CIDR prefixes of proxies whose
//	                                X-Forwarded-For is believed, a list
package goenv

import (
	"errors"
	"slices"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/message/mail"
)

// Settings is what an environment says.
type Settings struct {
	Config postern.Config
	HTTP   httpadapter.Options

	// Mailer is the one in Config, to be closed at the end; nil where the
	// environment names no mail server.
	Mailer *mail.Mailer
	// Renderer writes the mails, whoever sends them.
	Renderer *mail.Renderer

	// HookFunctions are the hooks that functions of the database answer.
	HookFunctions []*HookFunction

	// DatabaseURL is sqlite:PATH, postgres://… or postgresql://…, or "" when
	// the environment names no database. It may have a password in it.
	DatabaseURL postern.Secret
	// Pool bounds the connections to a PostgreSQL database.
	Pool Pool
	// Address is where to listen, as net.Listen takes it. Without a host it
	// is all of the machine's addresses.
	Address string
	// ExternalURL is where clients find the service, or "".
	ExternalURL string
	Log         Log
	Telemetry   Telemetry

	// Incomplete are the providers that are switched on and cannot be used, since
	// something is missing.
	Incomplete []Incomplete

	// Advice are sentences about settings that do not do what they seem to.
	Advice []string
	// NotYet names the variables that are set and belong to features of
	// GoTrue's that Postern does not have yet, in order.
	NotYet []string
	// WithoutEffect names the variables that are set and for which there is nothing
	// to switch here, in order; docs/variables.md says why.
	WithoutEffect []string
	// Unknown has the variables that look like GoTrue's or Postern's and are
	// neither's, in order.
	Unknown []Unknown
}

// Pool bounds the connections to a database. A zero field leaves what the store
// has by itself.
type Pool struct {
	MaxOpen, MaxIdle         int
	Percentage               int // of what the server allows, in place of MaxOpen
	MaxLifetime, MaxIdleTime time.Duration
}

// Incomplete is a provider that nobody can be sent to. If it takes ID tokens, it
// takes them all the same.
type Incomplete struct {
	Provider string
	// Reason is what those are told who ask for it: "missing OAuth secret".
	Reason string
}

// Unknown is a variable that nobody knows.
type Unknown struct {
	Name string
	// Nearest is the known name that it may be a misspelling of, or "".
	Nearest string
}

// Load reads an environment as os.Environ gives it; of several values of one
// name the last counts, so that a program can put defaults before it. The error
// has a sentence for every mistake, joined by errors.Join, and shows no secret.
func Load(environ []string) (*Settings, error) {
	r := newReader(environ)
	s := r.settings()
	if err := errors.Join(r.mistakes...); err != nil {
		return nil, err
	}
	s.NotYet, s.WithoutEffect = slices.Sorted(slices.Values(r.notYet)), slices.Sorted(slices.Values(r.idle))
	s.Unknown = r.unknown()
	return s, nil
}

func (r *reader) settings() *Settings {
	s := &Settings{}
	for _, section := range []func(*reader, *Settings){
		server, logging, telemetry, database, auditLog, tokens, signInMethods, providers, passwords, sessions, encryption, secondFactors,
		limits, mails, hooks, messages, events, ours,
	} {
		section(r, s)
	}
	return s
}
