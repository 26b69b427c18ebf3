// Package postern is Supabase Auth (GoTrue) as a Go library: accounts, sessions
// and their administration inside your own process, on SQLite or PostgreSQL,
// with the same database and, through package httpadapter, the same HTTP API.
//
//	st, err := sqlite.Open(ctx, "auth.db") // or postgres.Open, or store.New(yourBunDB)
//	err = st.Migrate(ctx)
//	a, err := postern.New(st, postern.Config{})
//	go a.Run(ctx)
//	http.Handle("/auth/v1/", http.StripPrefix("/auth/v1", httpadapter.New(a, httpadapter.Options{})))
//
// # Who may do what
//
// Auth has one method for each endpoint. Methods that act for a signed-in user
// take the *Caller that Authenticate returned. Methods whose names begin with
// Admin take no credentials: whoever holds the *Auth is the operator.
//
// # Errors
//
// What a method refuses it refuses with an *Error, whose Code is GoTrue's and
// can be asked for with errors.Is:
//
//	if errors.Is(err, postern.ErrWeakPassword) { … }
//
// # Transactions
//
// No method hashes a password or talks to the network while it holds a
// transaction. In makes an Auth whose writes belong to a transaction of yours.
package postern

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/postern-auth/postern/internal/password"
	"github.com/postern-auth/postern/internal/redirect"
)

// Auth is the service. It is safe for concurrent use. Make it with New.
type Auth struct {
	cfg       Config
	store     Store
	joined    bool // store writes into a transaction that may yet be undone
	outbox    *outbox
	keys      *keyring
	passwords *password.Hasher
	redirects *redirect.List
	custom    *customCache
	limits    *limits
	paces     *paces
	events    *eventHub // nil without subscribers
	clock     *steadyClock
}

// Config says how an Auth behaves. Its zero value is safe and useful: e-mail
// sign-up with confirmation, sessions that last, access tokens signed with a
// key that is generated and kept in the database.
type Config struct {
	// Audience is the aud of accounts and tokens. Defaults to "authenticated".
	Audience string
	// Audiences are further ones that requests may name and whose tokens are
	// accepted. Accounts of different audiences do not know each other.
	Audiences []string
	// DefaultRole is the role of new users. Defaults to "authenticated".
	DefaultRole string
	// AdminRoles are the roles whose access tokens are an operator's. Defaults
	// to "service_role" and "supabase_admin".
	AdminRoles []string

	// DisableSignUp refuses new accounts, except those that an operator makes.
	DisableSignUp bool
	// AnonymousUsers lets people in who give neither address nor password.
	AnonymousUsers bool
	// HideAccounts makes answers alike for taken and free addresses where
	// GoTrue's clients are used to a difference (docs/differences.md).
	HideAccounts bool
	// AnonymousMaxAge is when Run deletes users who still are anonymous, counted
	// from when they were made. Zero: never.
	AnonymousMaxAge time.Duration

	// Providers are the services that people can sign in with (package provider).
	Providers []Provider
	// CustomProviders are those that operators describe to the running service.
	CustomProviders CustomProviderConfig
	// Web3 are the chains whose wallets people can sign in with (package
	// provider/web3).
	Web3 []Web3Chain
	// OAuth is about signing in with any of these.
	OAuth OAuthConfig

	// MaxMetadata is the largest user or app metadata in bytes. Defaults to
	// 64 KiB.
	MaxMetadata int

	// SiteURL is where browsers are sent when a request names no other place
	// that is allowed. Defaults to "http://localhost:3000".
	SiteURL string
	// RedirectURLs are patterns of further URLs that may be named (contract:
	// tokens.md §10).
	RedirectURLs []string
	// ExternalURL is where clients find this API, the base of the links in
	// mails. Defaults to SiteURL.
	ExternalURL string
	// FlowExpiry is how long the auth code of a PKCE flow is good once it was
	// handed out. Defaults to 5 minutes, which is also the least.
	FlowExpiry time.Duration

	// Mailer delivers mails. Without one they are decided on and not sent.
	Mailer Mailer
	// SMS delivers text messages. Without one nothing that needs them works,
	// but for PhoneConfig.TestCodes.
	SMS SMSSender
	// Hooks are called at turning points. They replace Mailer and SMS where they say so.
	Hooks Hooks

	Email      EmailConfig
	Phone      PhoneConfig
	Password   PasswordConfig
	JWT        JWTConfig
	Session    SessionConfig
	MFA        MFAConfig
	Passkeys   PasskeyConfig
	Encryption EncryptionConfig
	Audit      AuditConfig
	Limits     LimitConfig

	// WebAuthn does the ceremonies of passkeys and WebAuthn factors (package
	// webauthn). Without one there are none.
	WebAuthn WebAuthn
	// RefuseClonedCredentials refuses a passkey or WebAuthn factor whose counter went
	// back, as it does when there are two of it. Otherwise that is logged.
	RefuseClonedCredentials bool

	// Subscribers are told of what happens to users, by Run. Without any, no event is
	// written.
	Subscribers []Subscriber

	// Now is the clock. Defaults to time.Now. When it is set back, nothing lives
	// longer for it: time goes on from where it was, up to an hour ahead of Now.
	Now func() time.Time
	// Logger hears what nobody who asked can be told, with the id of the request
	// where there is one. Defaults to slog.Default().
	Logger *slog.Logger
	// Observe is told what happened, for those who count (packages telemetry/…). It
	// is called by whoever did it, so it must be quick. Defaults to nobody.
	Observe func(ctx context.Context, o Observation)
}

// EmailConfig is about accounts with an e-mail address.
type EmailConfig struct {
	// Disabled refuses sign-up and sign-in by e-mail address.
	Disabled bool
	// Autoconfirm takes every address as proven, so that sign-up signs in.
	Autoconfirm bool
	// MaxFrequency is the least time between two mails of one kind to one
	// address. Defaults to a minute; negative turns it off.
	MaxFrequency time.Duration

	// NoMagicLinks refuses sign-in by a link or code that is mailed.
	NoMagicLinks bool
	// SingleChangeConfirmation lets the new address alone confirm a change of
	// address. Otherwise the one before has to agree, unless Autoconfirm is on:
	// then either of the two is enough, as in GoTrue.
	SingleChangeConfirmation bool
	// AuthorizedAddresses, if any, are the only ones that get mails. What
	// follows a "+" in the part before the "@" does not count.
	AuthorizedAddresses []string
	// Validate says what is wrong with an address that is going to get a mail, nil
	// for nothing (package message/recipient). It is asked whether or not anybody
	// has the address, in no transaction, and may be asked by many at once. What it
	// returns goes nowhere: the client is told that the address is invalid. Defaults
	// to nothing's being wrong.
	Validate func(ctx context.Context, address string) error
	// CodeLength is the number of digits of mailed codes, 6 to 10. Defaults to 6.
	CodeLength int
	// CodeExpiry is how long mailed codes and links are good. Defaults to a day.
	CodeExpiry time.Duration
	// LinkPaths are the paths of the links in mails, as ExternalURL resolves
	// them.
	LinkPaths LinkPaths
	// ScannerSafeLinks makes links in mails lead to a page with a button,
	// /confirm, so that a program that follows links uses nothing up. Those that
	// GenerateLink returns are as ever: mail them behind a page of your own.
	ScannerSafeLinks bool
	// AllowUnverifiedSignIns lets people in with a provider that does not vouch for
	// their address, which stays unconfirmed. It cannot go with Autoconfirm.
	AllowUnverifiedSignIns bool
	// Notify says of which changes users are told by mail.
	Notify NotifyConfig
}

// LinkPaths are the paths of the links in mails. Each defaults to the path of
// Config.ExternalURL followed by /verify.
type LinkPaths struct {
	Invite       string
	Confirmation string
	Recovery     string // of magic links too
	EmailChange  string
}

// NotifyConfig switches on the mails that tell of a change.
type NotifyConfig struct {
	PasswordChanged bool
	EmailChanged    bool // to the address before
	PhoneChanged    bool

	IdentityLinked   bool
	IdentityUnlinked bool

	FactorEnrolled   bool // once it is verified
	FactorUnenrolled bool // of those that were verified
}

// OAuthConfig is about signing in with what others vouch for.
type OAuthConfig struct {
	// ManualLinking lets users add identities to their account, and remove them.
	ManualLinking bool
	// RedirectURL is where browsers are sent in the end, in place of what requests
	// name.
	RedirectURL string
	// LinkingDomains names the domain of providers that are not of the default one.
	// Only identities of one domain become one account by a common address. The
	// users of further domains have IsSSOUser set, and need no address of their own.
	LinkingDomains map[string]string
}

// CustomProviderConfig is about providers that operators describe to the running
// service.
type CustomProviderConfig struct {
	// Maker makes them work; package provider has one. nil turns them off.
	Maker ProviderMaker
	// Max is how many there may be. Zero: any number.
	Max int
	// ExternalURL is the base of their callback, ExternalURL of the Config by
	// default.
	ExternalURL string
	// DiscoveryTTL is how long what an OpenID issuer said of itself is believed.
	// Defaults to an hour.
	DiscoveryTTL time.Duration
}

// PhoneConfig is about accounts with a phone number.
type PhoneConfig struct {
	// Enabled allows sign-up and sign-in by phone number.
	Enabled bool
	// Autoconfirm takes every number as proven, so that sign-up signs in.
	Autoconfirm bool
	// MaxFrequency is the least time between two messages to one user.
	// Defaults to a minute; negative turns it off.
	MaxFrequency time.Duration
	// Provider is the name of the SMS service, as Settings shows it.
	Provider string

	// WhatsApp says that Config.SMS reaches the channel "whatsapp" too.
	WhatsApp bool
	// CodeLength is the number of digits of codes, 6 to 10. Defaults to 6.
	CodeLength int
	// CodeExpiry is how long codes are good. Defaults to a minute.
	CodeExpiry time.Duration
	// Text writes the message that carries a code. Defaults to "Your code is …".
	Text func(code string) (string, error)
	// Check asks a service that makes its own codes whether one is right. With
	// it, codes that Postern made are of no use.
	Check func(ctx context.Context, phone, code string) (bool, error)
	// TestCodes are codes of numbers that get no message, for tests.
	TestCodes map[string]string
	// TestCodesUntil is when TestCodes end. Zero: never.
	TestCodesUntil time.Time
}

// PasswordConfig says which passwords are good enough and how they are kept.
type PasswordConfig struct {
	// MinLength is the least length in bytes. Defaults to 6, which is also
	// the least that can be set.
	MinLength int
	// RequiredCharacters are sets of characters. A password needs at least
	// one of each.
	RequiredCharacters []string
	// RequireReauthentication makes users whose session is older than a day
	// prove who they are (Auth.Reauthenticate) to change their password.
	RequireReauthentication bool
	// RequireCurrent makes users give their password to change it.
	RequireCurrent bool
	// EmailIdentity gives users with a proven address who set their first password an
	// identity of the provider "email".
	EmailIdentity bool
	// Leaked reports whether a password is known to others than its owner (package
	// pwned). Such a password cannot be set, and is weak at sign-in. It is asked in
	// no transaction, and may be asked by many at once. Defaults to nobody's being
	// known.
	Leaked func(ctx context.Context, password string) (bool, error)
	// LeakedFailClosed refuses to set a password while Leaked fails. Otherwise that
	// is logged.
	LeakedFailClosed bool

	// Algorithm of new hashes, "bcrypt" or "argon2id". Hashes of every kind
	// that GoTrue imports keep working (contract: user.md §5), and are
	// replaced at sign-in when their parameters are weaker. Defaults to "bcrypt".
	Algorithm string
	// BcryptCost defaults to 10.
	BcryptCost int
	// Argon2 is used with "argon2id". Defaults to 19 MiB, 2 passes, 1 lane.
	Argon2 Argon2Config

	// MaxHashing is how many passwords may be hashed at once. Others wait, and
	// when too many do, are refused with KindUnavailable. Defaults to GOMAXPROCS.
	MaxHashing int
}

// Argon2Config has the parameters of RFC 9106.
type Argon2Config struct {
	MemoryKiB   uint32
	Passes      uint32
	Parallelism uint8
}

// JWTConfig says how access tokens are signed. With neither Secret nor Keys an
// ES256 key is generated at first use and kept in the database, and
// Auth.RotateSigningKey replaces it.
type JWTConfig struct {
	// Secret signs with HS256, unless Keys has a key that signs. At least 32 bytes.
	Secret Secret
	// KeyID is the kid of Secret.
	KeyID string
	// Keys is a JSON array of private JWKs (RFC 7517) for RS256, RS512,
	// ES256, ES512, EdDSA or HS256. Exactly one says "sign" in its key_ops;
	// the others only verify.
	Keys Secret
	// ValidMethods are the algorithms that are accepted. Defaults to those of
	// the configured keys.
	ValidMethods []string

	// Issuer is the iss of tokens. When set, users' tokens must carry it.
	Issuer string
	// TTL is how long an access token lives. Defaults to an hour.
	TTL time.Duration
	// RefuseUndated refuses operators' tokens that have no exp.
	RefuseUndated bool
}

// SessionConfig says how long sessions last. It is enforced when they are
// refreshed, and for operators' tokens that belong to a session.
type SessionConfig struct {
	// Timebox ends sessions this long after sign-in. Zero: never.
	Timebox time.Duration
	// InactivityTimeout ends sessions that were not refreshed for this long.
	// Zero: never.
	InactivityTimeout time.Duration
	// AllowLowAAL is for how long a user who has a second factor may go on
	// without using it. Zero: for ever.
	AllowLowAAL time.Duration
	// SinglePerUser keeps only the newest session of a user (of each tag) alive.
	SinglePerUser bool
	// Tags are the tags that SinglePerUser tells apart. Sessions with no or
	// another tag count as the first.
	Tags []string

	// ReuseInterval is how long after a refresh an older refresh token still
	// gets the current one, for clients that refresh in several places at
	// once. Defaults to 10 seconds; negative turns it off.
	ReuseInterval time.Duration
	// AllowReuse gives the current token to every older one, at any time.
	AllowReuse bool
	// KeepOnReuse refuses a refresh token that was used long ago without
	// ending its session.
	KeepOnReuse bool
}

// EncryptionConfig is about columns that are encrypted at rest (contract:
// tokens.md §11): password hashes, the secrets of factors and the keys of refresh
// tokens.
type EncryptionConfig struct {
	// Encrypt turns encryption of what is written on. What was encrypted is
	// read in any case.
	Encrypt bool
	// KeyID names the key in Keys that encrypts.
	KeyID string
	// Keys are 32-byte keys in base64url, by id.
	Keys map[string]Secret
}

// New returns an Auth on a store whose schema is up to date (Store.Migrate). It
// opens nothing and starts nothing. Its error has a sentence for every mistake
// in cfg.
func New(st Store, cfg Config) (*Auth, error) {
	if st == nil {
		return nil, errors.New("postern: New needs a store")
	}
	cfg = cfg.withDefaults()
	keys, keysErr := newKeyring(cfg)
	passwords, passwordErr := cfg.Password.hasher(cfg.hashed())
	redirects, redirectErr := redirect.NewList(cfg.SiteURL, cfg.RedirectURLs)
	if err := errors.Join(cfg.check(), keysErr, passwordErr, redirectErr); err != nil {
		return nil, fmt.Errorf("postern: %w", err)
	}
	events := newEventHub(cfg)
	a := &Auth{
		cfg: cfg, keys: keys, passwords: passwords, redirects: redirects, events: events,
		custom: &customCache{made: map[string]madeProvider{}}, limits: &limits{}, paces: &paces{},
		clock: &steadyClock{read: cfg.Now, logger: cfg.Logger},
	}
	a.store = a.audited(events.recording(st))
	return a, nil
}

func (c Config) withDefaults() Config {
	c.Audience = either(c.Audience, "authenticated")
	c.DefaultRole = either(c.DefaultRole, "authenticated")
	if len(c.AdminRoles) == 0 {
		c.AdminRoles = []string{"service_role", "supabase_admin"}
	}
	c.MaxMetadata = either(c.MaxMetadata, 64<<10)
	c.SiteURL = either(c.SiteURL, "http://localhost:3000")
	c.ExternalURL = either(c.ExternalURL, c.SiteURL)
	c.FlowExpiry = max(c.FlowExpiry, 5*time.Minute)
	c.Email.CodeExpiry = either(c.Email.CodeExpiry, 24*time.Hour)
	c.Phone.CodeExpiry = either(c.Phone.CodeExpiry, time.Minute)
	c.Email.LinkPaths = c.Email.LinkPaths.withDefault(c.ExternalURL)
	if c.Hooks.SendEmail != nil {
		c.Email.Validate = nil // the hook is to know (contract: config.md §2.5)
	}
	if c.Phone.Text == nil {
		c.Phone.Text = plainText
	}
	if c.Hooks.SendSMS != nil {
		c.Phone.Check = nil // the service knows nothing of the codes that the hook sends
	}
	c.Email.MaxFrequency = either(c.Email.MaxFrequency, time.Minute)
	c.Phone.MaxFrequency = either(c.Phone.MaxFrequency, time.Minute)
	c.JWT.TTL = either(c.JWT.TTL, time.Hour)
	c.CustomProviders.DiscoveryTTL = either(c.CustomProviders.DiscoveryTTL, time.Hour)
	c.MFA = c.MFA.withDefaults()
	c.Limits = c.Limits.withDefaults()
	c.Passkeys.Max = either(c.Passkeys.Max, 10)
	c.Passkeys.ChallengeExpiry = either(c.Passkeys.ChallengeExpiry, 5*time.Minute)
	c.Session.ReuseInterval = either(c.Session.ReuseInterval, 10*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Audit.Logger == nil {
		c.Audit.Logger = c.Logger
	}
	c.Logger = slog.New(LogRequestID(c.Logger.Handler()))
	return c
}

func plainText(code string) (string, error) { return "Your code is " + code, nil }

// either returns v, or the fallback when v is its type's zero value.
func either[T comparable](v, fallback T) T {
	if v == *new(T) {
		return fallback
	}
	return v
}

// check returns a sentence for every setting that contradicts itself or another.
func (c Config) check() error {
	var mistakes []error
	mistake := func(format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf(format, args...))
	}
	if c.MaxMetadata < 0 {
		mistake("MaxMetadata is %d; it is a number of bytes", c.MaxMetadata)
	}
	if c.JWT.TTL < time.Second {
		mistake("JWT.TTL is %v; an access token has to live for a second at least", c.JWT.TTL)
	}
	for name, d := range map[string]time.Duration{
		"Timebox": c.Session.Timebox, "InactivityTimeout": c.Session.InactivityTimeout, "AllowLowAAL": c.Session.AllowLowAAL,
	} {
		if d < 0 {
			mistake("Session.%s is %v; it cannot be negative", name, d)
		}
	}
	if c.Email.Autoconfirm && c.Email.AllowUnverifiedSignIns {
		mistake("Email.Autoconfirm and Email.AllowUnverifiedSignIns are both set; where every address counts as proven, none is unverified")
	}
	if c.Audit.Retention < 0 {
		mistake("Audit.Retention is %v; it cannot be negative", c.Audit.Retention)
	}
	if slices.Contains(c.AdminRoles, c.DefaultRole) {
		mistake("DefaultRole is %q, which is one of AdminRoles: every new user would be an operator", c.DefaultRole)
	}
	if c.WebAuthn == nil && (c.Passkeys.Enabled || c.MFA.WebAuthn.Enroll || c.MFA.WebAuthn.Verify) {
		mistake("Passkeys and MFA.WebAuthn need WebAuthn, which does their ceremonies (package webauthn)")
	}
	mistakes = append(mistakes, c.checkOutsiders()...)
	mistakes = append(mistakes, c.checkSubscribers()...)
	return errors.Join(append(mistakes, c.Encryption.check(), c.Limits.check())...)
}

// checkOutsiders returns a sentence for every provider and chain that could not
// work.
func (c Config) checkOutsiders() (mistakes []error) {
	mistake := func(format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf(format, args...))
	}
	names := map[string]bool{"": true, providerEmail: true, providerPhone: true, providerWeb3: true}
	for i, p := range c.Providers {
		switch {
		case names[p.Name]:
			mistake("Providers[%d] has the name %q, which is another's or none", i, p.Name)
		case strings.HasPrefix(p.Name, customPrefix):
			mistake("Providers[%d] has the name %q; names that begin with %q are for those that operators describe", i, p.Name, customPrefix)
		case p.Authorize != nil && (p.Exchange == nil || p.Profile == nil):
			mistake("the provider %q has Authorize, and so needs Exchange and Profile", p.Name)
		case p.Authorize == nil && p.VerifyIDToken == nil && p.Unusable == nil:
			mistake("the provider %q has neither Authorize nor VerifyIDToken", p.Name)
		}
		names[p.Name] = true
	}
	for i, chain := range c.Web3 {
		if chain.Name == "" || chain.Verify == nil {
			mistake("Web3[%d] needs a Name and Verify", i)
		}
	}
	return mistakes
}

// In returns an Auth that works as a does, but on another store: usually one
// that joins a transaction of the application, so that an account and the
// application's own rows are committed together or not at all:
//
//	res, err := a.In(st.Join(tx)).SignUp(ctx, …)
//
// What such an Auth answers holds only once the transaction is committed. It keeps
// the messages that it decides to send: call Deliver after the commit.
func (a *Auth) In(st Store) *Auth {
	b := *a
	b.store = b.audited(a.events.recording(st))
	b.joined = true
	b.outbox = &outbox{}
	return &b
}

// Logger returns what Config.Logger set, for adapters to log to. Lines get the id
// of the request whose context they are logged with.
func (a *Auth) Logger() *slog.Logger { return a.cfg.Logger }

// ExternalURL returns where clients find this API (Config.ExternalURL), for
// adapters to know.
func (a *Auth) ExternalURL() string { return a.cfg.ExternalURL }

// Now returns the time that everything here goes by, in UTC and microseconds: that of
// Config.Now, unless it was set back.
func (a *Auth) Now() time.Time { return a.now() }

// now is the time of one operation, as precise as the database keeps it.
func (a *Auth) now() time.Time { return a.clock.now().UTC().Truncate(time.Microsecond) }

// RequestInfo is what flows record of the request that they serve. It travels
// in the context; httpadapter puts it there.
type RequestInfo struct {
	IP        netip.Addr // the client's address; invalid when unknown
	UserAgent string

	// ID is what the request is called in logs, "" for a request without a name.
	ID string

	// Languages are what the client would like to read, the best first, as
	// BCP 47 tags. Mails are written in one of them, unless the user's metadata
	// names a "locale".
	Languages []string

	// ExternalURL is where the client found this API, "" for Config.ExternalURL:
	// links in the mails of the request begin like that. It must be one of the
	// operator's own places.
	ExternalURL string
}

type requestInfoKey struct{}

// WithRequestInfo returns a context that carries r.
func WithRequestInfo(ctx context.Context, r RequestInfo) context.Context {
	return context.WithValue(ctx, requestInfoKey{}, r)
}

// RequestInfoFromContext returns what is known of the request, the zero RequestInfo
// for nothing.
func RequestInfoFromContext(ctx context.Context) RequestInfo {
	r, _ := ctx.Value(requestInfoKey{}).(RequestInfo)
	return r
}

// audience decides which audience a request is about. What the request asks
// for counts when the configuration lists it (guarantees: B10).
func (a *Auth) audience(requested string) string {
	if slices.Contains(a.cfg.Audiences, requested) {
		return requested
	}
	return a.cfg.Audience
}

// Health says that the service runs and what it is (contract: endpoints.md §1).
type Health struct {
	Version     string `json:"version"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// Health returns what GET /health answers. Name and description are GoTrue's,
// which clients know it by.
func (a *Auth) Health() Health {
	return Health{Version: Version, Name: "GoTrue", Description: "GoTrue is a user registration and authentication API"}
}

// readyTimeout is how long a database may take to answer Ready.
const readyTimeout = 2 * time.Second

// Ready says whether the service can do its work: nil when the database answers
// within two seconds, and an error of KindUnavailable otherwise. A process that is
// not ready may become so by itself; Health is for whether it runs at all.
func (a *Auth) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := a.store.Ping(ctx); err != nil {
		return storeDown(err)
	}
	return nil
}

// Version is this module's version.
const Version = "v0.1.0"

// Settings is what anyone may know of the configuration (contract:
// endpoints.md §1). External has a member for every provider that GoTrue lists.
type Settings struct {
	External                     map[string]bool `json:"external"`
	DisableSignup                bool            `json:"disable_signup"`
	MailerAutoconfirm            bool            `json:"mailer_autoconfirm"`
	PhoneAutoconfirm             bool            `json:"phone_autoconfirm"`
	SMSProvider                  string          `json:"sms_provider"`
	SAMLEnabled                  bool            `json:"saml_enabled"`
	SAMLPrivateKeyNextConfigured bool            `json:"saml_private_key_next_configured"`
	PasskeysEnabled              bool            `json:"passkeys_enabled"`
}

// The members of Settings.External besides anonymous_users, email and phone.
const listedProviders = "apple azure bitbucket discord facebook snapchat figma fly github gitlab google keycloak kakao " +
	"linkedin linkedin_oidc notion spotify slack slack_oidc workos twitch twitter zoom"

// knownProviders are those that GoTrue has.
const knownProviders = listedProviders + " vercel_marketplace x"

// Settings returns what GET /settings answers.
func (a *Auth) Settings() Settings {
	external := map[string]bool{
		"anonymous_users": a.cfg.AnonymousUsers,
		"email":           !a.cfg.Email.Disabled,
		"phone":           a.cfg.Phone.Enabled,
	}
	for _, name := range strings.Fields(listedProviders) {
		external[name] = slices.ContainsFunc(a.cfg.Providers, func(p Provider) bool { return p.Name == name })
	}
	return Settings{
		External:          external,
		DisableSignup:     a.cfg.DisableSignUp,
		MailerAutoconfirm: a.cfg.Email.Autoconfirm,
		PhoneAutoconfirm:  a.cfg.Phone.Autoconfirm,
		SMSProvider:       a.cfg.Phone.Provider,
		PasskeysEnabled:   a.cfg.Passkeys.Enabled,

		// GoTrue says so while SAML is off, whatever keys there are.
		SAMLPrivateKeyNextConfigured: true,
	}
}
