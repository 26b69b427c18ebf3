package postern

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// AuditConfig says where the audit log goes: what people and operators did, when,
// and from which address (docs/audit.md).
type AuditConfig struct {
	// NoTable writes no entries into the database, where AdminAuditLog looks.
	NoTable bool
	// Log writes entries to Logger, at slog.LevelInfo, once what they tell of is
	// committed. They name people by address or number.
	Log bool
	// Logger hears the entries, if Log is set. Defaults to Config.Logger.
	Logger *slog.Logger
	// Retention is how long entries stay in the database, those of GoTrue as well. Run
	// removes older ones. Zero: for ever.
	Retention time.Duration
}

// What the audit log says happened (contract: storage.md §1.9). Refreshes are
// not in it: they change nothing that anybody could have done wrong, and would
// make the log grow faster than all else together.
type action struct{ name, logType string }

var (
	actionLogin                 = action{"login", "account"}
	actionLogout                = action{"logout", "account"}
	actionInviteAccepted        = action{"invite_accepted", "account"}
	actionSignedUp              = action{"user_signedup", "team"}
	actionInvited               = action{"user_invited", "team"}
	actionDeleted               = action{"user_deleted", "team"}
	actionTokenRevoked          = action{"token_revoked", "token"}
	actionModified              = action{"user_modified", "user"}
	actionRecoveryRequested     = action{"user_recovery_requested", "user"}
	actionReauthRequested       = action{"user_reauthenticate_requested", "user"}
	actionConfirmationRequested = action{"user_confirmation_requested", "user"}
	actionRepeatedSignUp        = action{"user_repeated_signup", "user"}
	actionUpdatedPassword       = action{"user_updated_password", "user"}
	actionIdentityLinked        = action{"identity_linked", "user"}
	actionIdentityUnlinked      = action{"identity_unlinked", "user"}
	actionPasskeyCreated        = action{"passkey_created", "user"}
	actionPasskeyUpdated        = action{"passkey_updated", "user"}
	actionPasskeyDeleted        = action{"passkey_deleted", "user"}
	actionFactorEnrolled        = action{"factor_in_progress", "factor"}
	actionFactorUnenrolled      = action{"factor_unenrolled", "factor"}
	actionChallengeCreated      = action{"challenge_created", "factor"}
	actionFactorTried           = action{"verification_attempted", "factor"}
	actionFactorDeleted         = action{"factor_deleted", "factor"}
	actionFactorUpdated         = action{"factor_updated", "factor"}

	// Those that GoTrue does not have.
	actionCodesGenerated   = action{"recovery_codes_generated", "factor"}
	actionCodesRegenerated = action{"recovery_codes_regenerated", "factor"}
	actionCodesDeleted     = action{"recovery_codes_deleted", "factor"}
	actionProviderCreated  = action{"custom_provider_created", "provider"}
	actionProviderUpdated  = action{"custom_provider_updated", "provider"}
	actionProviderDeleted  = action{"custom_provider_deleted", "provider"}
)

// traits are what an entry tells besides.
type traits map[string]any

// of says besides whom an operator's action was about.
func (t traits) of(userID uuid.UUID) traits {
	t["user_id"] = userID
	return t
}

func viaProvider(provider string) traits { return traits{"provider": provider} }

// userTraits say whom an operator's action was about.
func userTraits(u *User) traits {
	return traits{"user_id": u.ID, "user_email": u.Email, "user_phone": u.Phone}
}

// audit appends to the log what an actor did, nil for an operator, in the
// transaction that does it.
func (a *Auth) audit(ctx context.Context, tx Tx, what action, actor *User, details traits) error {
	e, err := a.auditEntry(ctx, what, actor, details)
	if err != nil {
		return err
	}
	return tx.AddAuditEntry(ctx, e)
}

func (a *Auth) auditEntry(ctx context.Context, what action, actor *User, details traits) (e AuditEntry, err error) {
	payload := map[string]any{"action": what.name, "log_type": what.logType}
	if actor == nil {
		payload["actor_id"], payload["actor_username"], payload["actor_via_sso"] = uuid.Nil, a.operatorRole(ctx), false
	} else {
		payload["actor_id"], payload["actor_username"], payload["actor_via_sso"] = actor.ID, either(actor.Phone, actor.Email), actor.IsSSOUser
		if name := actor.fullName(); name != "" {
			payload["actor_name"] = name
		}
	}
	if details != nil {
		payload["traits"] = details
	}
	e = AuditEntry{ID: uuid.Must(uuid.NewV7()), CreatedAt: a.now()}
	if ip := RequestInfoFromContext(ctx).IP; ip.IsValid() {
		e.IPAddress = ip.WithZone("").String()
	}
	e.Payload, err = NewMetadata(payload)
	return e, err
}

// operatorRole is the role in the token that an operator came with, and the first
// of AdminRoles where no request stands behind what is done.
func (a *Auth) operatorRole(ctx context.Context) string {
	if c := ClaimsFromContext(ctx); c != nil && slices.Contains(a.cfg.AdminRoles, c.Role) {
		return c.Role
	}
	return a.cfg.AdminRoles[0]
}

// fullName is what a user says to be called, "" for nothing.
func (u *User) fullName() string {
	var profile struct {
		FullName string `json:"full_name"`
	}
	if u.UserMetadata.Decode(&profile) != nil {
		return ""
	}
	return profile.FullName
}

// audited returns a store whose audit entries go where the configuration says.
func (a *Auth) audited(st Store) Store {
	if !a.cfg.Audit.Log && !a.cfg.Audit.NoTable {
		return st
	}
	return auditedStore{st, a}
}

// auditedStore tells its Auth of the audit entries that were committed. Entries are
// written in transactions, and with sessions.
type auditedStore struct {
	Store
	auth *Auth
}

func (s auditedStore) InTx(ctx context.Context, fn func(Tx) error) error {
	var tx *auditedTx
	err := s.Store.InTx(ctx, func(inner Tx) error {
		tx = &auditedTx{Tx: inner, noTable: s.auth.cfg.Audit.NoTable}
		return fn(tx)
	})
	if err == nil && s.auth.cfg.Audit.Log {
		s.auth.logAudit(ctx, tx.entries)
	}
	return err
}

func (s auditedStore) OpenSession(ctx context.Context, o SessionOpening) (user *UserRecord, err error) {
	err = s.InTx(ctx, func(tx Tx) error {
		user, err = tx.OpenSession(ctx, o)
		return err
	})
	return user, err
}

// auditedTx remembers what is written into the audit log.
type auditedTx struct {
	Tx
	noTable bool
	entries []AuditEntry
}

// Unwrap returns the Tx of the store itself.
func (tx *auditedTx) Unwrap() Tx { return tx.Tx }

func (tx *auditedTx) AddAuditEntry(ctx context.Context, e AuditEntry) error {
	tx.entries = append(tx.entries, e)
	if tx.noTable {
		return nil
	}
	return tx.Tx.AddAuditEntry(ctx, e)
}

func (tx *auditedTx) OpenSession(ctx context.Context, o SessionOpening) (*UserRecord, error) {
	tx.entries = append(tx.entries, *o.Entry)
	if tx.noTable {
		o.Entry = nil
	}
	return tx.Tx.OpenSession(ctx, o)
}

// logAudit logs entries, or keeps them until a transaction of the application is
// committed.
func (a *Auth) logAudit(ctx context.Context, entries []AuditEntry) {
	if a.outbox != nil {
		a.outbox.holdEntries(entries)
		return
	}
	for _, e := range entries {
		a.cfg.Audit.Logger.LogAttrs(ctx, slog.LevelInfo, "audit",
			slog.String("id", e.ID.String()), slog.Time("created_at", e.CreatedAt), slog.String("ip_address", e.IPAddress),
			slog.Any("payload", json.RawMessage(e.Payload)))
	}
}

// AuditQuery asks for a page of the audit log.
type AuditQuery struct {
	Page    int // from 1; 0 is 1
	PerPage int // defaults to 50, at most 1000

	// Search is "scope:text". Only entries are found that have the text, in any case,
	// in their author's name, address or number (scope "author"), in the action
	// ("action"), or in the type of the entry ("type"). "" finds all.
	Search string
}

// AuditPage is a page of the audit log.
type AuditPage struct {
	Entries []AuditEntry // newest first

	// Total is how many entries were found. What lies further behind the page than
	// 10,000 entries is not counted.
	Total   int
	Page    int
	PerPage int
}

// auditScopes are the members of a payload in which a scope looks.
var auditScopes = map[string][]string{
	"author": {"actor_username", "actor_name"}, "action": {"action"}, "type": {"log_type"},
}

// auditHorizon is how far behind a page entries are counted: a log may be so long
// that to count it whole takes minutes.
const auditHorizon = 10_000

// AdminAuditLog returns a page of the audit log, newest first, with the entries that
// GoTrue wrote. A search reads from the newest entry until the page is full, and
// takes long where it has to go far back. ErrValidationFailed for a scope that there
// is not (contract: endpoints.md, GET /admin/audit).
func (a *Auth) AdminAuditLog(ctx context.Context, q AuditQuery) (*AuditPage, error) {
	page := &AuditPage{Page: max(q.Page, 1), PerPage: pageSize(q.PerPage)}
	search := AuditSearch{Limit: page.PerPage, Offset: (page.Page - 1) * page.PerPage}
	search.CountTo = search.Offset + search.Limit + auditHorizon
	if q.Search != "" {
		scope, text, found := strings.Cut(q.Search, ":")
		if search.Members, search.Text = auditScopes[scope], text; !found || search.Members == nil {
			return nil, invalid("Invalid query scope: %s", scope)
		}
	}
	found, err := a.store.ListAuditEntries(ctx, search)
	if err != nil {
		return nil, internal("Error searching for audit logs", err)
	}
	page.Entries, page.Total = found.Entries, found.Total
	return page, nil
}
