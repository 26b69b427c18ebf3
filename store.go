package postern

import (
	"context"
	"net/netip"
	"time"

	"github.com/google/uuid"
)

// Store keeps what Auth decides. Implementations decide nothing: who may do a
// thing, what is normal and what has expired are Auth's to know. Package store
// has the one for SQLite and PostgreSQL; store/storetest is the suite that every
// other one has to pass.
//
// Methods called on a Store are transactions of their own. Every method is safe
// for concurrent use. Times are given and returned in UTC with microseconds.
type Store interface {
	Tx

	// InTx runs fn in one transaction: committed when fn returns nil, undone
	// without a trace when it returns an error, which InTx then returns
	// unchanged. fn must use only the Tx it is given, and must expect to be
	// called again when the database asks for that.
	InTx(ctx context.Context, fn func(Tx) error) error

	// Ping asks whether the database answers and has a schema, and changes nothing.
	Ping(ctx context.Context) error
}

// Tx is what the core asks of storage, by subject. Methods are named for the
// promise they keep. A row that is not there is ErrNoRow; the other
// StoreErrors are named where they can occur.
type Tx interface {
	userStore
	sessionStore
	factorStore
	recoveryCodeStore
	passkeyStore
	oneTimeStore
	flowStore
	counterStore
	limitStore
	customProviderStore
	keyStore
	auditStore
	eventStore
}

type userStore interface {
	// AddUser stores a new user and its identities. ErrEmailTaken,
	// ErrPhoneTaken, ErrIDTaken, ErrIdentityTaken when another user has them.
	AddUser(ctx context.Context, u *UserRecord) error

	// FindUser returns the user with its identities, oldest first, and its factors.
	FindUser(ctx context.Context, id uuid.UUID) (*UserRecord, error)

	// FindUserByEmail returns the user of an audience whose address equals
	// email without regard to case. Users that came through SSO are not found:
	// their addresses are not unique.
	FindUserByEmail(ctx context.Context, email, aud string) (*UserRecord, error)

	// FindUserByPhone is FindUserByEmail for a number of digits only.
	FindUserByPhone(ctx context.Context, phone, aud string) (*UserRecord, error)

	// FindUserByIdentity returns the user who has the identity of a provider with
	// a subject.
	FindUserByIdentity(ctx context.Context, provider, subject string) (*UserRecord, error)

	// UsersByEmails returns the users of whatever audience, SSO users included,
	// whose address is one of these, or who have an identity with one of them. The
	// addresses are in lower case. There may be more than are returned, which is
	// no fewer than ten.
	UsersByEmails(ctx context.Context, emails []string) ([]*UserRecord, error)

	// EmailTaken reports whether a user other than except, or the identity of
	// one, has the address. SSO users do not count.
	EmailTaken(ctx context.Context, email string, except uuid.UUID) (bool, error)

	// PhoneTaken reports whether a user other than except has the number.
	PhoneTaken(ctx context.Context, phone string, except uuid.UUID) (bool, error)

	// UpdateUser reads the user for update, lets change edit it, and writes
	// what was edited, identities added, altered and removed included; factors
	// are only read. UpdatedAt becomes now, ConfirmedAt is the database's and
	// returned as it was read. An error of change is returned unchanged and
	// nothing is written. ErrEmailTaken, ErrPhoneTaken, ErrIdentityTaken as for
	// AddUser.
	UpdateUser(ctx context.Context, id uuid.UUID, now time.Time, change func(*UserRecord) error) (*UserRecord, error)

	// DeleteUser removes the user and all that hangs on it. ErrReferenced
	// when rows of the application still point to it.
	DeleteUser(ctx context.Context, id uuid.UUID) error

	// DropOneTimeTokens makes every outstanding one-time token of the user void.
	DropOneTimeTokens(ctx context.Context, userID uuid.UUID) error

	// DropFactors removes the user's factors, recovery codes and passkeys.
	DropFactors(ctx context.Context, userID uuid.UUID) error

	// AnonymousUsers returns the ids of users who are anonymous and were made before
	// a time.
	AnonymousUsers(ctx context.Context, before time.Time) ([]uuid.UUID, error)

	// DeleteAnonymousUser is DeleteUser for a user who still is anonymous. ErrNoRow
	// when it is not.
	DeleteAnonymousUser(ctx context.Context, id uuid.UUID) error

	// ListUsers returns one page of users without identities and factors.
	ListUsers(ctx context.Context, q UserQuery) (*UserPage, error)
}

type sessionStore interface {
	// AddSession stores a new session with its AMR entries. ErrNoRow when the
	// user is gone.
	AddSession(ctx context.Context, s *SessionRecord) error

	// OpenSession notes in the user's row that it signed in with its password and which
	// hash of that is to be kept, writes the entry into the audit log, and stores the
	// session, at once or not at all. It returns the user as it then is. ErrNoRow when
	// the user is gone, or its password is no longer the one that was proven.
	OpenSession(ctx context.Context, o SessionOpening) (*UserRecord, error)

	// FindCaller returns a user as FindUser does, and its session of the given
	// id; the session is nil when it has none of that id. This is the one
	// statement behind every authenticated request.
	FindCaller(ctx context.Context, userID, sessionID uuid.UUID) (*UserRecord, *SessionRecord, error)

	// FindSession returns a session and its user, as FindCaller does.
	FindSession(ctx context.Context, id uuid.UUID) (*SessionRecord, *UserRecord, error)

	// UserSessions returns all sessions of a user, without AMR entries.
	UserSessions(ctx context.Context, userID uuid.UUID) ([]SessionRecord, error)

	// RotateSession moves the session's refresh-token counter from r.From to
	// the next number and notes where the refresh came from. ErrNoRow when the
	// counter no longer is r.From: somebody else was first.
	RotateSession(ctx context.Context, r SessionRotation) error

	// RefreshSession returns a session and its user as FindSession does. A store may
	// besides do in the same step what RotateSession does, and says so by rotated, if
	// r.Signed is signed with the session's key by r.MAC (package refreshtoken), the
	// counter is r.From, the session has neither an end nor an OAuth client, and its
	// user has never been banned; what it returns is how it is then.
	RefreshSession(ctx context.Context, r SessionRotation) (s *SessionRecord, u *UserRecord, rotated bool, err error)

	// RaiseSession notes that a second factor was used in a session: its level and
	// factor, and the method among its AMR entries, with the time where it is there
	// already. The session gets a new key, its counter grows by two, and its legacy
	// tokens go, so that no refresh token from before is known any more. It returns
	// the session as it now is. ErrNoRow when it is gone.
	RaiseSession(ctx context.Context, r SessionRaise) (*SessionRecord, error)

	// LowerSessions takes a factor, the level and the AMR entries of methods from
	// all sessions of a user that the factor raised. They are at "aal1" then.
	LowerSessions(ctx context.Context, userID, factorID uuid.UUID, methods []string, at time.Time) error

	// EndLowSessions removes the sessions of a user that no factor has raised: whose
	// level is "aal1" or not known. It returns their ids.
	EndLowSessions(ctx context.Context, userID uuid.UUID) (ended []uuid.UUID, err error)

	// EndSession removes a session, and with it its tokens, and returns whose it was:
	// uuid.Nil if there is none, which is no error.
	EndSession(ctx context.Context, id uuid.UUID) (userID uuid.UUID, err error)

	// EndSessions removes all sessions of a user but the one named by except,
	// which may be uuid.Nil. It returns their ids.
	EndSessions(ctx context.Context, userID, except uuid.UUID) (ended []uuid.UUID, err error)

	// FindLegacyToken returns a refresh token of the format before version 2.
	FindLegacyToken(ctx context.Context, token string) (*LegacyToken, error)

	// UpgradeSession spends a legacy token and gives its session a version-2
	// key with counter 0. ErrNoRow when the token was spent or the session
	// upgraded meanwhile.
	UpgradeSession(ctx context.Context, u SessionUpgrade) error

	// DropLegacyToken removes a refresh token that belongs to no session.
	DropLegacyToken(ctx context.Context, id int64) error

	// DropLegacyTokens removes up to limit refresh tokens that were spent before a
	// time, but for the last one of a session whose successor may not have reached its
	// client yet. more says that there may be others.
	DropLegacyTokens(ctx context.Context, before time.Time, limit int) (more bool, err error)

	// DropSessions removes up to limit sessions that are over, with their tokens. more
	// says that there may be others.
	DropSessions(ctx context.Context, over SessionsOver, limit int) (more bool, err error)
}

type factorStore interface {
	// AddFactor stores a new factor. ErrRowTaken when its user has one of its name,
	// which may be empty any number of times, or with its number; ErrNoRow when the
	// user is gone.
	AddFactor(ctx context.Context, f *FactorRecord) error

	// FindFactor returns the factor of a user that has an id.
	FindFactor(ctx context.Context, userID, id uuid.UUID) (*FactorRecord, error)

	// UpdateFactor reads a factor for update, lets change edit it, and writes what
	// was edited; id, user, type and creation stay, UpdatedAt becomes now. An error
	// of change is returned unchanged and nothing is written. ErrRowTaken as for
	// AddFactor.
	UpdateFactor(ctx context.Context, id uuid.UUID, now time.Time, change func(*FactorRecord) error) (*FactorRecord, error)

	// DeleteFactor removes a factor and its challenges. ErrNoRow when there is none.
	DeleteFactor(ctx context.Context, id uuid.UUID) error

	// DropUnverifiedFactors removes up to limit factors that were made before a time
	// and never verified. more says that there may be others.
	DropUnverifiedFactors(ctx context.Context, before time.Time, limit int) (more bool, err error)

	// AddChallenge stores a challenge and notes its CreatedAt at the factor: by it
	// the newest is known. CreatedAt moves on by microseconds until no other factor
	// has it, and says so. ErrNoRow when the factor is gone.
	AddChallenge(ctx context.Context, c *ChallengeRecord) error

	// FindChallenge returns the challenge of a factor that has an id.
	FindChallenge(ctx context.Context, factorID, id uuid.UUID) (*ChallengeRecord, error)

	// TakeChallenge uses a challenge up. ErrNoRow when somebody else did.
	TakeChallenge(ctx context.Context, id uuid.UUID, at time.Time) error

	// DropChallenges removes up to limit challenges that were made before a time. more
	// says that there may be others.
	DropChallenges(ctx context.Context, before time.Time, limit int) (more bool, err error)
}

type recoveryCodeStore interface {
	// AddRecoveryCodes stores a user's set of recovery codes. It is among the factors
	// that FindUser returns. ErrRowTaken when the user has one, ErrNoRow when the user
	// is gone.
	AddRecoveryCodes(ctx context.Context, r *RecoveryCodesRecord) error

	// FindRecoveryCodes returns the set of a user, without what is used.
	FindRecoveryCodes(ctx context.Context, userID uuid.UUID) (*RecoveryCodesRecord, error)

	// ReplaceRecoveryCodes puts other codes in the place of all that a set has, and
	// UpdatedAt becomes at. ErrNoRow when the user has no set.
	ReplaceRecoveryCodes(ctx context.Context, userID uuid.UUID, hashes []string, at time.Time) error

	// TakeRecoveryCode uses a code of a set up. ErrNoRow when there is none of that
	// hash, or it was used before.
	TakeRecoveryCode(ctx context.Context, factorID uuid.UUID, hash string, at time.Time) error

	// DropRecoveryCodes removes a user's set. ErrNoRow when there is none.
	DropRecoveryCodes(ctx context.Context, userID uuid.UUID) error
}

type passkeyStore interface {
	// AddPasskey stores a new passkey. ErrRowTaken when its credential is known,
	// whoever has it; ErrNoRow when the user is gone.
	AddPasskey(ctx context.Context, p *PasskeyRecord) error

	// Passkeys returns the passkeys of a user, oldest first.
	Passkeys(ctx context.Context, userID uuid.UUID) ([]PasskeyRecord, error)

	// UpdatePasskey reads a passkey of a user for update, lets change edit it, and
	// writes what was edited; id, user, credential id, public key and creation stay,
	// UpdatedAt becomes now. An error of change is returned unchanged and nothing is
	// written.
	UpdatePasskey(ctx context.Context, userID, id uuid.UUID, now time.Time, change func(*PasskeyRecord) error) (*PasskeyRecord, error)

	// DeletePasskey removes a passkey of a user. ErrNoRow when it has none of that id.
	DeletePasskey(ctx context.Context, userID, id uuid.UUID) error

	// AddCeremony stores what is to be remembered of a ceremony that has begun.
	// ErrNoRow when its user is gone.
	AddCeremony(ctx context.Context, c CeremonyRecord) error

	// TakeCeremony removes a ceremony of a type and returns what it was: one of many
	// at once gets it, the others ErrNoRow.
	TakeCeremony(ctx context.Context, id uuid.UUID, kind CeremonyKind) (*CeremonyRecord, error)

	// DropCeremonies removes up to limit ceremonies that expired before a time. more
	// says that there may be others.
	DropCeremonies(ctx context.Context, before time.Time, limit int) (more bool, err error)
}

type oneTimeStore interface {
	// PutOneTimeToken stores a token in place of the user's older one of its kind.
	PutOneTimeToken(ctx context.Context, t OneTimeToken) error

	// TakeOneTimeToken uses a token up. ErrNoRow unless the user's token of that
	// kind still is the one with this CodeHash: it was used, replaced or voided.
	TakeOneTimeToken(ctx context.Context, userID uuid.UUID, kind OneTimeKind, codeHash string) error

	// FindOneTimeToken returns the token whose LinkHash is one of these, and its user.
	FindOneTimeToken(ctx context.Context, linkHashes []string) (*OneTimeToken, *UserRecord, error)

	// DropOldOneTimeTokens forgets up to limit tokens that were made before a time:
	// they are not found any more by their LinkHash, nor who waits for their address.
	// more says that there may be others.
	DropOldOneTimeTokens(ctx context.Context, before time.Time, limit int) (more bool, err error)

	// UsersByNewEmail returns the users of an audience who wait to have the
	// address confirmed. There may be several: it is nobody's yet.
	UsersByNewEmail(ctx context.Context, email, aud string) ([]*UserRecord, error)

	// UsersByNewPhone is UsersByNewEmail for numbers.
	UsersByNewPhone(ctx context.Context, phone, aud string) ([]*UserRecord, error)
}

type flowStore interface {
	// AddFlow stores a flow that has begun, and its ClientState if it has one.
	AddFlow(ctx context.Context, f FlowRecord) error

	// FindFlow returns the flow with an id.
	FindFlow(ctx context.Context, id uuid.UUID) (*FlowRecord, error)

	// FindFlowByCode returns the flow with an auth code.
	FindFlowByCode(ctx context.Context, authCode string) (*FlowRecord, error)

	// NewestFlow returns the user's newest flow of a method.
	NewestFlow(ctx context.Context, userID uuid.UUID, method string) (*FlowRecord, error)

	// ReturnToFlow notes that a browser came back from a provider, and removes the
	// flow's ClientState. ErrNoRow when one came back before, the flow has a user,
	// or it is gone.
	ReturnToFlow(ctx context.Context, id uuid.UUID, at time.Time) error

	// IssueAuthCode notes that a flow's code was handed out, and for whom, with the
	// tokens of its provider if there are any. ErrNoRow when the flow is gone.
	IssueAuthCode(ctx context.Context, i AuthCodeIssue) error

	// TakeFlow uses a flow up. ErrNoRow when somebody else did.
	TakeFlow(ctx context.Context, id uuid.UUID) error

	// DropFlows removes up to limit flows, and as many client states and relay states,
	// that began before a time. more says that there may be others.
	DropFlows(ctx context.Context, before time.Time, limit int) (more bool, err error)
}

type customProviderStore interface {
	// AddCustomProvider stores a new provider. ErrRowTaken when its identifier has
	// one, ErrUnstorable when it is against the table's rules.
	AddCustomProvider(ctx context.Context, p *CustomProviderRecord) error

	// FindCustomProvider returns the provider with an identifier.
	FindCustomProvider(ctx context.Context, identifier string) (*CustomProviderRecord, error)

	// CustomProviders returns the providers of a type, "" for all, newest first.
	CustomProviders(ctx context.Context, providerType string) ([]CustomProviderRecord, error)

	// UpdateCustomProvider reads a provider for update, lets change edit it, and
	// writes what was edited; id, identifier and creation stay. An error of change
	// is returned unchanged and nothing is written.
	UpdateCustomProvider(ctx context.Context, identifier string, change func(*CustomProviderRecord) error) (*CustomProviderRecord, error)

	// DeleteCustomProvider removes a provider. ErrNoRow when there is none.
	DeleteCustomProvider(ctx context.Context, identifier string) error
}

type counterStore interface {
	// Count adds one to a counter and returns its new value. A counter that was
	// last started before since starts at one.
	Count(ctx context.Context, key string, at, since time.Time) (int, error)

	// Claim sets a counter's time to at if it was set no later than before, and
	// otherwise returns ErrRowTaken and the time that it has.
	Claim(ctx context.Context, key string, at, before time.Time) (time.Time, error)

	// DropCounter removes a counter. It is no error if there is none.
	DropCounter(ctx context.Context, key string) error

	// DropCounters removes up to limit counters that were last started before a time.
	// more says that there may be others.
	DropCounters(ctx context.Context, before time.Time, limit int) (more bool, err error)
}

type auditStore interface {
	// AddAuditEntry appends to the audit log.
	AddAuditEntry(ctx context.Context, e AuditEntry) error

	// ListAuditEntries returns those that match, newest first, whoever wrote them.
	ListAuditEntries(ctx context.Context, q AuditSearch) (*AuditEntries, error)

	// DropAuditEntries removes up to limit entries from before a time. more says that
	// there may be others.
	DropAuditEntries(ctx context.Context, before time.Time, limit int) (more bool, err error)
}

type limitStore interface {
	// Spend takes a token out of a bucket. If there is none it takes nothing, and
	// returns how long it is until there is one.
	Spend(ctx context.Context, b Bucket, at time.Time) (wait time.Duration, err error)

	// DropBucket fills a bucket.
	DropBucket(ctx context.Context, key string) error

	// DropBuckets removes what is known of up to limit buckets that are full at a time.
	// more says that there may be others.
	DropBuckets(ctx context.Context, at time.Time, limit int) (more bool, err error)
}

// Bucket is a token bucket: Size tokens at most, of which one comes back Every so
// often. It is full until something is taken out of it.
type Bucket struct {
	Key   string
	Every time.Duration // at least a microsecond
	Size  int           // at least 1
}

type keyStore interface {
	// Keys returns all keys, newest first.
	Keys(ctx context.Context) ([]KeyRecord, error)

	// AddKey stores a key. ErrRowTaken when its purpose has a current one.
	AddKey(ctx context.Context, k KeyRecord) error

	// RetireKey marks the current key as replaced. ErrNoRow when it was not
	// current.
	RetireKey(ctx context.Context, kid string, at time.Time) error

	// DropKeys removes keys that were retired before a time.
	DropKeys(ctx context.Context, retiredBefore time.Time) error
}

type eventStore interface {
	// AddEvents stores events, and for each who waits for it, from its CreatedAt on.
	// One that nobody waits for need not be stored.
	AddEvents(ctx context.Context, events []EventRecord) error

	// TakeDeliveries returns events that a subscriber waits for, some limit of them,
	// that are due by now: those due longest, each with the number of the attempt that
	// this is. They are due again at until. Of several who ask at once, each gets
	// others, and no one waits.
	TakeDeliveries(ctx context.Context, subscriber string, now, until time.Time, limit int) ([]Delivery, error)

	// EndDelivery notes that a subscriber waits for an event no more. An event for
	// which nobody waits is gone. It is no error if there is none.
	EndDelivery(ctx context.Context, eventID uuid.UUID, subscriber string) error

	// PutOffDelivery has an event that a subscriber waits for due at another time. It
	// does nothing if that was taken again since this attempt at it.
	PutOffDelivery(ctx context.Context, d Delivery, subscriber string, due time.Time) error

	// DropEvents removes the events that were stored before a time, whoever waits for
	// them.
	DropEvents(ctx context.Context, before time.Time) error
}

// StoreError is what a Store answers when rows are not as the core assumed.
type StoreError string

const (
	// ErrNoRow says that what was asked for, or was to be changed, is not there.
	ErrNoRow StoreError = "no such row"
	// ErrEmailTaken says that another user has the address.
	ErrEmailTaken StoreError = "the e-mail address is taken"
	// ErrPhoneTaken says that another user has the number.
	ErrPhoneTaken StoreError = "the phone number is taken"
	// ErrIDTaken says that another user has the id.
	ErrIDTaken StoreError = "the user id is taken"
	// ErrIdentityTaken says that another user has the identity.
	ErrIdentityTaken StoreError = "the identity is taken"
	// ErrRowTaken says that another row stands where only one may.
	ErrRowTaken StoreError = "such a row exists"
	// ErrReferenced says that rows outside still point to what was to go.
	ErrReferenced StoreError = "other rows refer to it"
	// ErrUnstorable says that a value does not fit its column: text with NUL,
	// a string that is too long.
	ErrUnstorable StoreError = "a value cannot be stored"
	// ErrStoreDown says that the database cannot be reached, is full, or is
	// too busy. The same call may succeed later.
	ErrStoreDown StoreError = "the database is not available"
)

// Error returns the sentence.
func (e StoreError) Error() string { return "store: " + string(e) }

// UserRecord is a user's row whole: the User that the API shows, and what it
// never shows.
type UserRecord struct {
	User

	// PasswordHash is the password's hash, or its encrypted envelope; "" for a
	// user who has no password.
	PasswordHash Secret

	// CodeHashes are those of the user's outstanding one-time tokens. They are
	// changed by PutOneTimeToken, TakeOneTimeToken and DropOneTimeTokens only.
	CodeHashes map[OneTimeKind]string

	// EmailChangeConfirmStatus counts the halves of a secure address change
	// that were confirmed: 0 or 1.
	EmailChangeConfirmStatus int
}

// SessionRecord is a session's row, with its entries in mfa_amr_claims.
type SessionRecord struct {
	ID        uuid.UUID
	UserID    uuid.UUID
	CreatedAt time.Time
	UpdatedAt time.Time

	FactorID    *uuid.UUID // the factor that raised the session, if one did
	AAL         string     // "aal1", "aal2", "aal3"; "" in old rows
	AMR         []AMREntry // how the user authenticated, newest first
	NotAfter    *time.Time // set when whoever vouched for the user set an end
	RefreshedAt *time.Time // nil until the first refresh

	UserAgent string
	IP        netip.Addr // invalid when unknown
	Tag       string

	OAuthClientID *uuid.UUID // set for sessions that an OAuth client holds
	Scopes        string     // what such a client was granted, separated by spaces

	// RefreshTokenKey is the key that signs the session's version-2 refresh
	// tokens, as stored: base64url, or an encrypted envelope.
	RefreshTokenKey Secret

	// RefreshTokenCounter is the number of the newest refresh token. It is
	// nil in a session that still lives on legacy tokens.
	RefreshTokenCounter *int64
}

// SessionsOver are the sessions that ended before some times, of which all but
// NotAfter may be zero.
type SessionsOver struct {
	NotAfter    time.Time // by the end that whoever vouched for the user had set
	SignedIn    time.Time // by their age
	LastRefresh time.Time // by not being used
}

// AMREntry is one way in which a session's user authenticated, and when last.
type AMREntry struct {
	Method string // contract: tokens.md §1
	At     time.Time
}

// SessionRotation is what one refresh changes in a session.
type SessionRotation struct {
	ID        uuid.UUID
	From      int64
	At        time.Time
	UserAgent string
	IP        netip.Addr

	// Signed and MAC are the refresh token's text and signature, for RefreshSession.
	Signed, MAC []byte
}

// SessionOpening is a sign-in with a password. Its time is the session's CreatedAt.
type SessionOpening struct {
	PasswordHash Secret // that was proven
	NewHash      Secret // what is to be there from now on, mostly the same
	Session      *SessionRecord
	Entry        *AuditEntry // nil for none
}

// SessionRaise is what a second factor changes in a session.
type SessionRaise struct {
	ID       uuid.UUID
	FactorID *uuid.UUID
	AAL      string
	Method   string // of the AMR entry
	Key      Secret // the new RefreshTokenKey
	At       time.Time
}

// SessionUpgrade moves a session from legacy refresh tokens to version 2.
type SessionUpgrade struct {
	TokenID   int64     // the legacy token that is spent
	SessionID uuid.UUID // its session
	Key       Secret    // the new RefreshTokenKey
	At        time.Time
	UserAgent string
	IP        netip.Addr
}

// LegacyToken is a row of refresh_tokens, and what its neighbours tell.
type LegacyToken struct {
	ID        int64
	Token     Secret
	SessionID uuid.UUID // uuid.Nil in tokens from before sessions existed
	Revoked   bool
	UpdatedAt time.Time

	// Successor is the session's active token when it was issued for this
	// one, and "" otherwise.
	Successor Secret
	// Newest says that no later token was issued in the session.
	Newest bool
}

// FactorRecord is a factor's row whole: the Factor that the API shows, and what it
// never shows.
type FactorRecord struct {
	Factor
	UserID uuid.UUID

	// Secret is the seed of a TOTP factor in base32, or its encrypted envelope.
	Secret Secret
	// WebAuthnCredential is the credential of a WebAuthn factor.
	WebAuthnCredential Metadata
}

// RecoveryCodesRecord is a user's set of recovery codes.
type RecoveryCodesRecord struct {
	ID           uuid.UUID // among the user's factors
	UserID       uuid.UUID
	FriendlyName string
	CreatedAt    time.Time
	UpdatedAt    time.Time

	Hashes []string // of the codes that are not used, in their order
	Used   int      // how many are
}

// ChallengeRecord is a row of mfa_challenges.
type ChallengeRecord struct {
	ID         uuid.UUID
	FactorID   uuid.UUID
	CreatedAt  time.Time
	VerifiedAt *time.Time // set when it was used
	IP         netip.Addr // of the client; invalid when unknown

	// Code is the hash of the code that was sent to a phone. Rows of an adopted
	// database hold the code itself, or its encrypted envelope.
	Code Secret
	// WebAuthnSessionData is what a WebAuthn ceremony has to remember.
	WebAuthnSessionData Metadata
}

// PasskeyRecord is a row of webauthn_credentials.
type PasskeyRecord struct {
	ID           uuid.UUID
	UserID       uuid.UUID
	FriendlyName string
	CreatedAt    time.Time
	UpdatedAt    time.Time
	LastUsedAt   *time.Time

	CredentialID    []byte
	PublicKey       []byte // COSE
	AttestationType string
	AAGUID          *uuid.UUID
	SignCount       uint32
	Transports      []string
	BackupEligible  bool
	BackedUp        bool
}

// CeremonyKind says what a ceremony is for. The values are those of
// webauthn_challenges.
type CeremonyKind string

const (
	// CeremonyRegistration makes a passkey.
	CeremonyRegistration CeremonyKind = "registration"
	// CeremonyAuthentication signs in with one.
	CeremonyAuthentication CeremonyKind = "authentication"
)

// CeremonyRecord is a row of webauthn_challenges: a passkey ceremony that has begun.
type CeremonyRecord struct {
	ID          uuid.UUID
	UserID      *uuid.UUID // nil while nobody knows who signs in
	Kind        CeremonyKind
	SessionData Metadata
	CreatedAt   time.Time
	ExpiresAt   time.Time
}

// OneTimeKind says which of a user's places for a one-time token is meant. A
// user has one token of each kind at most. The values are GoTrue's enum
// one_time_token_type, and the names of columns of users.
type OneTimeKind string

// The kinds of one-time tokens.
const (
	OneTimeConfirmation       OneTimeKind = "confirmation_token"
	OneTimeRecovery           OneTimeKind = "recovery_token"
	OneTimeEmailChangeNew     OneTimeKind = "email_change_token_new"
	OneTimeEmailChangeCurrent OneTimeKind = "email_change_token_current"
	OneTimePhoneChange        OneTimeKind = "phone_change_token"
	OneTimeReauthentication   OneTimeKind = "reauthentication_token"
)

// OneTimeToken is what is kept of a code and a link that were sent to a user.
// In rows that GoTrue wrote both hashes are the same.
type OneTimeToken struct {
	UserID    uuid.UUID
	Kind      OneTimeKind
	CodeHash  string // of the code; kept in the user's row
	LinkHash  string // of what the link carries; kept in one_time_tokens
	RelatesTo string // the address or number that it was sent to
	CreatedAt time.Time
}

// FlowRecord is a row of flow_state: a flow that leaves this service and comes
// back. One that began with a request for a mail ends when its auth code is
// exchanged (PKCE, RFC 7636). One that leads over a Provider ends so, or, without
// a challenge, when the browser comes back; its id is OAuth's state.
type FlowRecord struct {
	ID                   uuid.UUID
	UserID               uuid.UUID // uuid.Nil while it is not known
	AuthCode             string
	CodeChallenge        string
	CodeChallengeMethod  string // "s256" or "plain"
	ProviderType         string
	AuthenticationMethod string // becomes the AMR method
	ProviderAccessToken  Secret
	ProviderRefreshToken Secret
	CreatedAt            time.Time
	UpdatedAt            time.Time
	AuthCodeIssuedAt     *time.Time

	// What only flows over a Provider have.
	InviteToken     string    // the invitation that is to be accepted
	Referrer        string    // where the browser goes in the end
	LinkingTargetID uuid.UUID // the user who wants another identity, uuid.Nil for a sign-in
	EmailOptional   bool      // whether the provider need not tell an address

	// What only FindFlow loads.
	ClientState *ClientState // what the provider's answer needs
	Browser     string       // hash of what the browser that began knows, "" if it knows nothing
	ReturnedAt  *time.Time   // when the browser came back, nil until then
}

// ClientState is a row of oauth_client_states: what the client of a provider has
// to remember of a start. Here it is ours to be the client.
type ClientState struct {
	ID           uuid.UUID
	ProviderType string
	CodeVerifier Secret // ProviderRedirect.Keep
	CreatedAt    time.Time
}

// AuthCodeIssue is what becomes of a flow when its auth code is handed out.
type AuthCodeIssue struct {
	FlowID               uuid.UUID
	UserID               uuid.UUID
	ProviderAccessToken  Secret
	ProviderRefreshToken Secret
	At                   time.Time
}

// CustomProviderRecord is a row of custom_oauth_providers: the provider that the
// API shows, and its secret.
type CustomProviderRecord struct {
	CustomProvider
	ClientSecret      Secret // or its encrypted envelope
	DiscoveryCachedAt *time.Time
}

// UserQuery asks for a page of users.
type UserQuery struct {
	Aud    string
	Filter string // part of the address (as stored) or of full_name (any case); "" for all
	Email  string // the whole address, in lower case, instead of a Filter; "" for all

	Ascending bool // by creation; newest first otherwise
	Offset    int
	Limit     int

	// After asks for the page that follows a user, instead of an Offset.
	After *UserCursor
	// Count asks for the number of users that match.
	Count bool
}

// UserCursor is a place in the order of users by creation.
type UserCursor struct {
	CreatedAt time.Time `json:"created_at"`
	ID        uuid.UUID `json:"id"`
}

// UserPage is the answer to a UserQuery.
type UserPage struct {
	Users []User
	Total int  // of all that match, when asked for; of more than 10,000 it may be a minute old
	More  bool // whether others follow
}

// AuditEntry is one line of the audit log (contract: storage.md §1.9).
type AuditEntry struct {
	ID        uuid.UUID `json:"id"`
	Payload   Metadata  `json:"payload"`
	CreatedAt time.Time `json:"created_at"`
	IPAddress string    `json:"ip_address"` // the client's; "" when unknown
}

// AuditSearch asks for entries of the audit log.
type AuditSearch struct {
	// Text has to be a part, in any case, of one of these members of the payload. No
	// members ask for all entries.
	Members []string
	Text    string

	Offset int
	Limit  int
	// CountTo is where counting what matches may end.
	CountTo int
}

// AuditEntries is the answer to an AuditSearch.
type AuditEntries struct {
	Entries []AuditEntry
	Total   int // of all that match, CountTo at most
}

// EventRecord is an event, and the names of those who wait for it.
type EventRecord struct {
	Event
	Subscribers []string
}

// Delivery is an event that is to be delivered to somebody.
type Delivery struct {
	Event
	Attempt int // 1 for the first
}

// KeyRecord is a key that Postern made and keeps in the database.
type KeyRecord struct {
	KID       string
	Purpose   string // KeyForSigning or KeyForCodes
	Secret    Secret // a private JWK as JSON
	CreatedAt time.Time
	RetiredAt *time.Time // nil while it is the current one
}

// The purposes of keys.
const (
	// KeyForSigning signs access tokens.
	KeyForSigning = "signing"
	// KeyForCodes keys the hashes of one-time codes.
	KeyForCodes = "hmac"
)
