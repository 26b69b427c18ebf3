package postern

import (
	"context"
	"errors"
	"slices"
)

// creation is an account that a flow makes if it has to, through all attempts of
// the flow.
type creation struct {
	asked    bool        // BeforeUserCreated
	approved *UserRecord // whom it let in
	made     *User       // whom the last attempt stored, as it was before
}

// unapproved undoes an attempt to store a user whom BeforeUserCreated has yet to
// let in.
type unapproved struct{ user *UserRecord }

func (unapproved) Error() string { return "the hook " + hookBeforeUserCreated + " was not asked yet" }

// maxApprovals is how often one flow asks BeforeUserCreated. More than once is only
// for who would now get another account than the one that was let in.
const maxApprovals = 3

// enrol runs in a transaction what may make an account, once more if somebody was
// faster with the same address: then it can be seen.
func (a *Auth) enrol(ctx context.Context, c *creation, fn func(Tx) error) error {
	err := a.attempt(ctx, c, fn)
	if errors.Is(err, ErrEmailTaken) || errors.Is(err, ErrPhoneTaken) || errors.Is(err, ErrIdentityTaken) {
		err = a.attempt(ctx, c, fn)
	}
	return err
}

// attempt runs fn in a transaction. Where that would store a new user,
// BeforeUserCreated is asked outside of it, and then all is decided again.
func (a *Auth) attempt(ctx context.Context, c *creation, fn func(Tx) error) error {
	for range maxApprovals {
		c.made = nil
		err := a.inTx(ctx, fn)
		var candidate unapproved
		if !errors.As(err, &candidate) {
			return err
		}
		if err := a.approve(ctx, c, candidate.user); err != nil {
			return err
		}
	}
	return changedMeanwhile()
}

func (a *Auth) approve(ctx context.Context, c *creation, u *UserRecord) error {
	c.asked = true
	err := a.paces.creation.Run(ctx, func() error {
		return hookFailure(hookBeforeUserCreated, a.cfg.Hooks.BeforeUserCreated(ctx, u.shown()))
	})
	if err == nil {
		c.approved = u
	}
	return err
}

// hideCreation takes as long as making an account would have taken, where none was
// to be made and nobody is to know (guarantees: D19).
func (a *Auth) hideCreation(ctx context.Context, c *creation) {
	if a.cfg.Hooks.BeforeUserCreated != nil && !c.asked {
		_ = a.paces.creation.Repeat(ctx, 0)
	}
}

// addUser stores a new user, as it was let in.
func (a *Auth) addUser(ctx context.Context, tx Tx, c *creation, u *UserRecord) error {
	if a.cfg.Hooks.BeforeUserCreated != nil {
		if c.approved == nil || c.approved.Email != u.Email || c.approved.Phone != u.Phone {
			candidate := *u
			return unapproved{&candidate}
		}
		*u = *c.approved
	}
	made := *u.shown()
	if err := a.storeUser(ctx, tx, u); err != nil {
		return err
	}
	c.made = &made
	return nil
}

// storeUser stores a new user together with what the application adds.
func (a *Auth) storeUser(ctx context.Context, tx Tx, u *UserRecord) error {
	if err := tx.AddUser(ctx, u); err != nil {
		return err
	}
	hook := a.cfg.Hooks.UserCreated
	if hook == nil {
		return nil
	}
	// A statement of the application's that is cancelled would take along what
	// others have written to SQLite.
	return hookFailure(hookUserCreated, hook(context.WithoutCancel(ctx), tx, u.shown()))
}

// shown is a copy for a hook, which may do with it what it likes.
func (u *User) shown() *User {
	c := *u
	c.Identities = slices.Clone(u.Identities)
	return &c
}

// news is what AfterUserCreated is told after the commit.
func (c *creation) news() []message {
	if c.made == nil {
		return nil
	}
	return []message{{created: c.made.shown(), failure: hookAfterUserCreated}}
}
