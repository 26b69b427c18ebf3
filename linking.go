package postern

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
)

func (a *Auth) mayLink() error {
	if !a.cfg.OAuth.ManualLinking {
		return fail(KindNotFound, ErrManualLinkingDisabled, "Manual linking is disabled")
	}
	return nil
}

// mayLinkTo refuses to begin for a caller what may not end. An account without an
// address is going to take the identity's.
func (a *Auth) mayLinkTo(c *Caller) error {
	if err := a.mayLink(); err != nil || c.User.Email != "" {
		return err
	}
	return mayChangeAddress(c)
}

func alreadyLinked(toWhom string) *Error {
	return fail(KindUnprocessable, ErrIdentityAlreadyExists, "Identity is already linked%s", toWhom)
}

// linkTo gives a user, who asked for it, somebody's identity. A user who has no
// address gets the identity's, and is anonymous no more once that is proven.
func (a *Auth) linkTo(ctx context.Context, tx Tx, who *vouched, ad *admission) error {
	owner, err := tx.FindUserByIdentity(ctx, who.provider, who.subject)
	switch {
	case err == nil && owner.ID == who.target:
		return alreadyLinked("")
	case err == nil:
		return alreadyLinked(" to another user")
	case !errors.Is(err, ErrNoRow):
		return err
	}
	taken := false
	if who.email.Email != "" {
		if taken, err = tx.EmailTaken(ctx, who.email.Email, who.target); err != nil {
			return err
		}
	}
	ad.user, err = tx.UpdateUser(ctx, who.target, a.now(), func(u *UserRecord) error { return a.addTo(u, who, taken) })
	if err != nil {
		return err
	}
	if err := a.noteLinked(ctx, tx, who, ad); err != nil {
		return err
	}
	u := ad.user
	if u.EmailConfirmedAt != nil || u.Email == "" || u.Email != who.email.Email || a.cfg.Email.AllowUnverifiedSignIns {
		return nil
	}
	ad.refusal = unverifiedMailed(ErrEmailNotConfirmed, who.provider)
	ad.mails, err = a.mail(ctx, tx, who.confirmation(u))
	return err
}

// addTo adds an identity to an account. What the account says of its user stays.
func (a *Auth) addTo(u *UserRecord, who *vouched, taken bool) (err error) {
	if err := a.refuseBanned(u); err != nil {
		return err
	}
	u.addIdentity(who, a.now())
	switch {
	case u.Email == "" && who.email.Email != "" && taken:
		return fail(KindInvalid, ErrEmailExists, "A user with this email address has already been registered")
	case u.Email == "":
		u.IsAnonymous = u.IsAnonymous && who.email.Email != "" // an identity without an address is a way back in as well
		if u.Email = who.email.Email; u.Email != "" && a.takesAsProven(who.email) {
			if err := confirmEmail(u, a.now()); err != nil {
				return err
			}
		}
	}
	u.AppMetadata, err = u.AppMetadata.merge(providersOf(u.Identities))
	return err
}

// UnlinkIdentity removes one of the caller's identities, which is named by its
// IdentityID. The last one cannot go. When the account's address goes with it,
// another identity's takes its place: what nobody vouched for has to be confirmed
// before it is good for anything. requestedAudience is what the request's
// X-JWT-AUD says, "" for nothing.
//
// Errors: ErrManualLinkingDisabled, ErrUnexpectedAudience,
// ErrSingleIdentityNotDeletable, ErrIdentityNotFound,
// ErrEmailConflictIdentityNotDeletable, ErrInsufficientAAL (contract: user.md §8.4).
func (a *Auth) UnlinkIdentity(ctx context.Context, c *Caller, identityID uuid.UUID, requestedAudience string) error {
	if err := a.mayLink(); err != nil {
		return err
	}
	if requestedAudience != "" && c.Claims != nil && requestedAudience != c.Claims.Audience[0] {
		return fail(KindForbidden, ErrUnexpectedAudience, "Token audience doesn't match request audience")
	}
	var before User
	var user *UserRecord
	var gone Identity
	err := a.store.InTx(ctx, func(tx Tx) error {
		current, err := tx.FindUser(ctx, c.User.ID)
		if err != nil {
			return err
		}
		free, err := freeEmails(ctx, tx, current)
		if err != nil {
			return err
		}
		user, err = tx.UpdateUser(ctx, c.User.ID, a.now(), func(u *UserRecord) error {
			before = u.User
			if gone, err = a.unlink(u, identityID, free); err != nil || u.Email == before.Email && u.Phone == before.Phone {
				return err
			}
			return mayChangeAddress(c)
		})
		if err != nil {
			return err
		}
		if err := tx.DropOneTimeTokens(ctx, user.ID); err != nil {
			return err
		}
		return a.audit(ctx, tx, actionIdentityUnlinked, &user.User, identityTraits(gone))
	})
	if err != nil {
		return internal("Database error deleting identity", duplicate(err))
	}
	if a.cfg.Email.Notify.IdentityUnlinked {
		a.tell(ctx, a.notice(ctx, Mail{Type: MailIdentityUnlinked, To: before.Email, User: &before, Provider: gone.Provider})...)
	}
	return nil
}

// freeEmails returns those addresses of a user's identities that nobody else has.
func freeEmails(ctx context.Context, tx Tx, u *UserRecord) ([]string, error) {
	var free []string
	for _, i := range u.Identities {
		if i.Email == "" || slices.Contains(free, i.Email) {
			continue
		}
		taken, err := tx.EmailTaken(ctx, i.Email, u.ID)
		if err != nil {
			return nil, err
		}
		if !taken {
			free = append(free, i.Email)
		}
	}
	return free, nil
}

// unlink removes an identity and what only it stood for.
func (a *Auth) unlink(u *UserRecord, identityID uuid.UUID, free []string) (gone Identity, err error) {
	if len(u.Identities) < 2 {
		return gone, fail(KindUnprocessable, ErrSingleIdentityNotDeletable, "User must have at least 1 identity after unlinking")
	}
	i := slices.IndexFunc(u.Identities, func(i Identity) bool { return i.IdentityID == identityID })
	if i < 0 {
		return gone, fail(KindUnprocessable, ErrIdentityNotFound, "Identity doesn't exist")
	}
	gone = u.Identities[i]
	u.Identities = slices.Delete(slices.Clone(u.Identities), i, i+1)
	if gone.Provider == providerPhone {
		u.Phone, u.PhoneConfirmedAt = "", nil
	} else if err := a.promote(u, free); err != nil {
		return gone, err
	}
	u.NewEmail, u.EmailChangeConfirmStatus = "", 0
	u.AppMetadata, err = u.AppMetadata.merge(providersOf(u.Identities))
	return gone, err
}

// promote gives an account whose address none of its identities has any more the
// address of one that is left: of the oldest that is vouched for, else of the
// oldest with an address, else none.
func (a *Auth) promote(u *UserRecord, free []string) error {
	if slices.ContainsFunc(u.Identities, func(i Identity) bool { return i.Email == u.Email }) {
		return nil
	}
	usable := func(vouched bool) int {
		return slices.IndexFunc(u.Identities, func(i Identity) bool { return slices.Contains(free, i.Email) && i.vouched() == vouched })
	}
	if i := usable(true); i >= 0 {
		u.Email = u.Identities[i].Email
		return confirmEmail(u, a.now())
	}
	if i := usable(false); i >= 0 {
		u.Email = u.Identities[i].Email
		return a.unconfirmEmail(u)
	}
	if slices.ContainsFunc(u.Identities, func(i Identity) bool { return i.Email == "" }) {
		u.Email, u.EmailConfirmedAt = "", nil
		return nil
	}
	return fail(KindUnprocessable, ErrEmailConflictIdentityNotDeletable, "Unable to unlink identity due to email conflict")
}

// unconfirmEmail makes an account wait until its new address is proven.
func (a *Auth) unconfirmEmail(u *UserRecord) (err error) {
	if a.cfg.Email.Autoconfirm {
		return confirmEmail(u, a.now())
	}
	u.EmailConfirmedAt = nil
	u.UserMetadata, err = u.UserMetadata.merge(map[string]any{"email_verified": false})
	return err
}
