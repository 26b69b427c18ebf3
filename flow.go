package postern

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/pkce"
)

// Challenge is the client's half of PKCE (RFC 7636): what a flow's auth code will
// be exchanged with. The zero Challenge asks for the implicit flow.
type Challenge struct {
	CodeChallenge       string
	CodeChallengeMethod string // "s256" or "plain"
}

// Used reports whether there is a challenge.
func (c Challenge) Used() bool { return c.CodeChallenge != "" }

func (c Challenge) check() error {
	if err := pkce.Check(c.CodeChallenge, c.CodeChallengeMethod); err != nil {
		return invalid("%v", err)
	}
	return nil
}

// beginFlow notes a challenge for the auth code that the link of a mail will lead
// to. method becomes the session's AMR method.
func (a *Auth) beginFlow(ctx context.Context, tx Tx, user uuid.UUID, c Challenge, method string) error {
	if !c.Used() {
		return nil
	}
	now := a.now()
	return tx.AddFlow(ctx, FlowRecord{
		ID: uuid.Must(uuid.NewRandom()), UserID: user, AuthCode: uuid.NewString(),
		CodeChallenge: c.CodeChallenge, CodeChallengeMethod: strings.ToLower(c.CodeChallengeMethod),
		ProviderType: providerEmail, AuthenticationMethod: method, CreatedAt: now, UpdatedAt: now,
	})
}

// flowMethod is the AMR method of sessions that come from links.
func flowMethod(what purpose) string {
	if what == purposeSignUp {
		return methodSignUp
	}
	return string(what)
}

const methodSignUp = "email/signup"

func (a *Auth) issueAuthCode(ctx context.Context, tx Tx, user *UserRecord, method string) (string, error) {
	flow, err := tx.NewestFlow(ctx, user.ID, method)
	if err == nil {
		err = tx.IssueAuthCode(ctx, AuthCodeIssue{FlowID: flow.ID, UserID: user.ID, At: a.now()})
	}
	if errors.Is(err, ErrNoRow) {
		return "", fail(KindInvalid, ErrFlowStateNotFound, "No associated flow state found. The flow that asked for this link is over")
	}
	if err != nil {
		return "", err
	}
	return flow.AuthCode, nil
}

// ExchangeCodeForSession ends a PKCE flow: it exchanges the auth code that a link
// led to, once, for a session (RFC 7636 §4.6). A wrong verifier uses nothing up.
// Errors: ErrValidationFailed, ErrFlowStateNotFound, ErrFlowStateExpired,
// ErrBadCodeVerifier, ErrUserBanned.
func (a *Auth) ExchangeCodeForSession(ctx context.Context, authCode, verifier string) (_ *Session, err error) {
	defer a.attempted(ctx, "pkce", &err)
	if authCode == "" || verifier == "" {
		return nil, invalid("invalid request: both auth code and code verifier should be non-empty")
	}
	flow, err := a.store.FindFlowByCode(ctx, authCode)
	if errors.Is(err, ErrNoRow) || errors.Is(err, ErrUnstorable) {
		return nil, flowNotFound()
	}
	if err != nil {
		return nil, internal("Error loading flow state", err)
	}
	if err := a.mayExchange(flow, verifier); err != nil {
		return nil, err
	}
	return a.exchange(ctx, flow)
}

func flowNotFound() *Error {
	return fail(KindNotFound, ErrFlowStateNotFound, "invalid flow state, no valid flow state found")
}

func (a *Auth) mayExchange(flow *FlowRecord, verifier string) error {
	switch {
	case flow.UserID == uuid.Nil || flow.AuthCodeIssuedAt == nil && flow.ProviderType == providerEmail:
		return flowNotFound()
	case a.over(flow.issued(), a.cfg.FlowExpiry):
		return fail(KindUnprocessable, ErrFlowStateExpired, "invalid flow state, flow state has expired")
	case !pkce.Verify(flow.CodeChallenge, flow.CodeChallengeMethod, verifier):
		return fail(KindInvalid, ErrBadCodeVerifier, "code challenge does not match previously saved code verifier")
	}
	return nil
}

// issued is when the time of a flow's auth code began. GoTrue counts from the
// request for most mails, so that their codes are often over before the link is
// clicked.
func (f *FlowRecord) issued() time.Time {
	if f.AuthCodeIssuedAt != nil {
		return *f.AuthCodeIssuedAt
	}
	return f.CreatedAt
}

func (a *Auth) exchange(ctx context.Context, flow *FlowRecord) (*Session, error) {
	var user *UserRecord
	var session *SessionRecord
	err := a.store.InTx(ctx, func(tx Tx) error {
		if err := tx.TakeFlow(ctx, flow.ID); err != nil {
			return err
		}
		var err error
		if user, err = a.stampSignIn(ctx, tx, flow.UserID, a.refuseBanned); err != nil {
			return err
		}
		session, err = a.recordSignIn(ctx, tx, user, traits{"provider_type": flow.ProviderType}, flow.AuthenticationMethod)
		return err
	})
	if errors.Is(err, ErrNoRow) {
		return nil, flowNotFound()
	}
	if err != nil {
		return nil, internal("Error loading flow state", err)
	}
	s, err := a.firstSession(ctx, user, session)
	if err != nil {
		return nil, err
	}
	s.ProviderToken, s.ProviderRefreshToken = string(flow.ProviderAccessToken), string(flow.ProviderRefreshToken)
	return s, nil
}
