package postern

import (
	"context"
	"errors"

	"github.com/google/uuid"
)

// SignInAnonymouslyParams is what an anonymous user may bring along.
type SignInAnonymouslyParams struct {
	Data     map[string]any // becomes user_metadata
	Audience string         // defaults to Config.Audience
}

// SignInAnonymously makes an account without an address and signs it in. Whoever
// loses the session has lost the account. Errors: ErrAnonymousDisabled,
// ErrSignUpDisabled, ErrValidationFailed (contract: user.md §10).
func (a *Auth) SignInAnonymously(ctx context.Context, p SignInAnonymouslyParams) (_ *Session, err error) {
	defer a.attempted(ctx, "anonymous", &err)
	if !a.cfg.AnonymousUsers {
		return nil, fail(KindUnprocessable, ErrAnonymousDisabled, "Anonymous sign-ins are disabled")
	}
	if a.cfg.DisableSignUp {
		return nil, signUpDisabled()
	}
	if err := a.checkData(p.Data); err != nil {
		return nil, err
	}
	now := a.now()
	user := &UserRecord{User: User{
		ID: uuid.Must(uuid.NewRandom()), Aud: a.audience(p.Audience), Role: a.cfg.DefaultRole, IsAnonymous: true,
		Identities: []Identity{}, CreatedAt: now, UpdatedAt: now, LastSignInAt: &now,
	}}
	if user.UserMetadata, err = a.mergeMetadata(nil, p.Data); err != nil {
		return nil, err
	}
	var who creation
	session, err := a.enrolAnonymous(ctx, &who, user)
	if err != nil {
		return nil, internal("Database error creating anonymous user", err)
	}
	if _, err := a.send(ctx, who.news()...); err != nil {
		return nil, err
	}
	return a.firstSession(ctx, user, session)
}

func (a *Auth) enrolAnonymous(ctx context.Context, c *creation, user *UserRecord) (session *SessionRecord, err error) {
	err = a.enrol(ctx, c, func(tx Tx) error {
		if err := a.addUser(ctx, tx, c, user); err != nil {
			return err
		}
		if err := a.audit(ctx, tx, actionSignedUp, &user.User, viaProvider(methodAnonymous)); err != nil {
			return err
		}
		session, err = a.addSession(ctx, tx, user, methodAnonymous)
		return err
	})
	return session, err
}

// dropAnonymous deletes the users who never became more than anonymous. Each is
// deleted by itself, so that nobody waits for long, and one to whom rows of the
// application point keeps no other.
func (a *Auth) dropAnonymous(ctx context.Context) error {
	if a.cfg.AnonymousMaxAge <= 0 {
		return nil
	}
	ids, err := a.store.AnonymousUsers(ctx, a.now().Add(-a.cfg.AnonymousMaxAge))
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := a.store.DeleteAnonymousUser(ctx, id)
		if err != nil && !errors.Is(err, ErrReferenced) && !errors.Is(err, ErrNoRow) {
			return err
		}
	}
	return nil
}
