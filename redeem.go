package postern

import (
	"context"
	"errors"
	"slices"
	"time"
)

// redeem takes a proof and grants what it stands for, in one transaction: a
// session, or what then makes of it in place of one.
func (a *Auth) redeem(ctx context.Context, p *proof, method string, then func(Tx, *UserRecord) error) (*Verification, error) {
	var user *UserRecord
	var session *SessionRecord
	var out []message
	half := false
	err := a.store.InTx(ctx, func(tx Tx) error {
		if err := tx.TakeOneTimeToken(ctx, p.user.ID, p.kind, p.stored); err != nil {
			return err
		}
		var err error
		if user, half, out, err = a.grant(ctx, tx, p); err != nil || half {
			return err
		}
		if err := a.recordProof(ctx, tx, user, p, then != nil); err != nil {
			return err
		}
		if then != nil {
			return then(tx, user)
		}
		session, err = a.addSession(ctx, tx, user, method)
		return err
	})
	switch {
	case errors.Is(err, ErrNoRow):
		return nil, a.expiredFor(p)
	case err != nil:
		return nil, internal("Error confirming user", duplicate(err))
	}
	a.tell(ctx, out...)
	switch {
	case half:
		return &Verification{Message: halfDone}, nil
	case session == nil:
		return &Verification{}, nil
	}
	s, err := a.firstSession(ctx, user, session)
	return &Verification{Session: s}, err
}

func (a *Auth) expiredFor(p *proof) error {
	switch p.purpose {
	case purposeSMS, purposePhoneChange:
		return codeExpired()
	}
	return linkExpired()
}

// grant changes an account as a proof allows. half says that another proof is
// needed before anything is granted.
func (a *Auth) grant(ctx context.Context, tx Tx, p *proof) (user *UserRecord, half bool, out []message, err error) {
	unproven := false
	user, err = tx.UpdateUser(ctx, p.user.ID, a.now(), func(u *UserRecord) error {
		if err := a.refuseBanned(u); err != nil {
			return err
		}
		if half = a.needsOtherHalf(u, p); half {
			u.EmailChangeConfirmStatus++
			return nil
		}
		unproven = u.ofAStranger() && !keeps(p.purpose)
		before := u.User
		if err := a.settle(u, p, unproven); err != nil {
			return err
		}
		u.LastSignInAt = ptr(a.now())
		out = a.notices(ctx, &before, ptr(u.User))
		return nil
	})
	if err != nil || half {
		return user, half, nil, err
	}
	user.ConfirmedAt = earlier(user.EmailConfirmedAt, user.PhoneConfirmedAt) // as the database has it by now
	return user, false, out, a.afterGrant(ctx, tx, user, p, unproven)
}

// needsOtherHalf reports whether the other address still has to agree to a change.
// With Autoconfirm none has to: the address before was never proven either.
func (a *Auth) needsOtherHalf(u *UserRecord, p *proof) bool {
	secure := !a.cfg.Email.SingleChangeConfirmation && !a.cfg.Email.Autoconfirm
	return p.purpose == purposeEmailChange && secure && u.Email != "" && u.EmailChangeConfirmStatus == 0
}

// keeps reports whether a proof leaves an account what it was signed up with.
func keeps(what purpose) bool {
	switch what {
	case purposeSignUp, purposeSMS, purposeEmailChange, purposePhoneChange:
		return true
	}
	return false
}

// settle edits an account for a proof. unproven says that what the account holds
// is not of whoever brought the proof.
func (a *Auth) settle(u *UserRecord, p *proof, unproven bool) (err error) {
	now := a.now()
	if unproven {
		if err := a.strip(u); err != nil {
			return err
		}
	}
	switch p.purpose {
	case purposeEmailChange:
		err = replaceEmail(u, u.NewEmail, now)
	case purposePhoneChange:
		err = replacePhone(u, u.NewPhone, now)
	case purposeSMS:
		u.PhoneConfirmedAt = either(u.PhoneConfirmedAt, &now)
		u.IsAnonymous = false
	default:
		err = confirmEmail(u, now)
	}
	if err != nil {
		return err
	}
	if p.purpose == purposeInvite {
		u.ConfirmationSentAt = nil // as GoTrue does, which gives the user a password here
	}
	u.AppMetadata, err = u.AppMetadata.merge(providersOf(u.Identities))
	return err
}

// strip takes from an account what somebody gave it who never showed to own its
// address: password, names, other ways of signing in (guarantees: B7).
func (a *Auth) strip(u *UserRecord) error {
	identity, err := newIdentity(u.ID, providerEmail, nil, map[string]any{"email": u.Email}, a.now())
	if err != nil {
		return err
	}
	u.reduceTo(*identity)
	u.PasswordHash = ""
	return nil
}

// afterGrant voids what else was sent, if anything, and what an account had that was
// not its owner's.
func (a *Auth) afterGrant(ctx context.Context, tx Tx, user *UserRecord, p *proof, unproven bool) error {
	switch {
	case unproven:
		return expel(ctx, tx, user.ID)
	case len(user.CodeHashes) > 0:
		return tx.DropOneTimeTokens(ctx, user.ID)
	}
	return nil
}

// recordProof writes into the audit log what a proof did. Where a code is to be
// exchanged for the session, that is the login.
func (a *Auth) recordProof(ctx context.Context, tx Tx, user *UserRecord, p *proof, exchanged bool) error {
	provider := providerEmail
	if p.purpose == purposeSMS {
		provider = providerPhone
	}
	switch known := p.user.confirmedAt(provider) != nil; { // as it was before
	case p.purpose == purposeInvite:
		return a.audit(ctx, tx, actionInviteAccepted, &user.User, viaProvider(provider))
	case p.purpose == purposeEmailChange, p.purpose == purposePhoneChange:
		return a.audit(ctx, tx, actionModified, &user.User, nil)
	case !known:
		return a.audit(ctx, tx, actionSignedUp, &user.User, viaProvider(provider))
	case exchanged:
		return nil
	case provider == providerPhone:
		return a.audit(ctx, tx, actionLogin, &user.User, viaProvider(provider))
	}
	return a.audit(ctx, tx, actionLogin, &user.User, nil)
}

// earlier returns the earlier of two times, of which either may be missing.
func earlier(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}

// confirmEmail notes that an account's address is its owner's, who is anonymous no
// more.
func confirmEmail(u *UserRecord, now time.Time) (err error) {
	if u.EmailConfirmedAt != nil {
		return nil
	}
	u.EmailConfirmedAt, u.IsAnonymous = &now, false
	verified := map[string]any{"email_verified": true}
	for i := range u.Identities {
		if identity := &u.Identities[i]; identity.Email == u.Email && u.Email != "" {
			if identity.IdentityData, err = identity.IdentityData.merge(verified); err != nil {
				return err
			}
		}
	}
	u.UserMetadata, err = u.UserMetadata.merge(verified)
	return err
}

// providersOf is what identities say in app_metadata (contract: user.md §6.2).
func providersOf(identities []Identity) map[string]any {
	if len(identities) == 0 {
		return nil
	}
	var names []string
	for _, i := range identities {
		if !slices.Contains(names, i.Provider) {
			names = append(names, i.Provider)
		}
	}
	return map[string]any{"provider": names[0], "providers": names}
}
