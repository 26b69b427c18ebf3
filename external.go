package postern

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
)

// admission is what becomes of somebody.
type admission struct {
	user    *UserRecord
	isNew   bool // made for somebody, or taken over
	session *SessionRecord
	mails   []message // without which there is no going on
	notices []message
	refusal error // that is answered although all of it is committed
}

// admit finds or makes somebody's account and opens a session, with what then does
// in the same transaction. It returns no session where a code is to be exchanged
// for one.
func (a *Auth) admit(ctx context.Context, who *vouched, then func(Tx, *UserRecord) error) (*Session, error) {
	if err := a.checkVouched(ctx, who); err != nil {
		return nil, err
	}
	var ad *admission
	err := a.enrol(ctx, &who.creation, func(tx Tx) error {
		ad = &admission{}
		err := a.account(ctx, tx, who, ad)
		if err != nil || ad.refusal != nil {
			return err
		}
		if err := then(tx, ad.user); err != nil || who.exchanged {
			return err
		}
		if ad.user, err = a.stampSignIn(ctx, tx, ad.user.ID, a.refuseBanned); err != nil {
			return err
		}
		ad.session, err = a.addSession(ctx, tx, ad.user, who.method)
		return err
	})
	if err != nil {
		return nil, a.admissionError(err)
	}
	a.tell(ctx, ad.notices...)
	if _, err := a.send(ctx, append(ad.mails, who.news()...)...); err != nil {
		return nil, err
	}
	if ad.refusal != nil || ad.session == nil {
		return nil, ad.refusal
	}
	return a.firstSession(ctx, ad.user, ad.session)
}

func (a *Auth) admissionError(err error) error {
	switch {
	case errors.Is(err, ErrIdentityTaken):
		return alreadyLinked(" to another user")
	case errors.Is(err, ErrNoRow):
		return fail(KindUnprocessable, ErrUserNotFound, "The user was deleted at the same time")
	}
	return internal("Error signing in with an external provider", duplicate(err))
}

// account finds, makes or changes the account of somebody.
func (a *Auth) account(ctx context.Context, tx Tx, who *vouched, ad *admission) error {
	switch {
	case who.target != uuid.Nil:
		return a.linkTo(ctx, tx, who, ad)
	case who.invite != nil:
		return a.acceptInvite(ctx, tx, who, ad)
	}
	user, err := who.find(ctx, tx)
	switch {
	case err == nil:
		err = a.comeBack(ctx, tx, who, user, ad)
	case errors.Is(err, ErrNoRow):
		err = a.comeFirst(ctx, tx, who, ad)
	}
	if err != nil || ad.refusal != nil {
		return err
	}
	if err := a.requireEmail(ctx, tx, who, ad); err != nil {
		return err
	}
	return a.recordAdmission(ctx, tx, who, ad)
}

// recordAdmission writes into the audit log how somebody came in, or that the address
// has to be confirmed first. Where a code is to be exchanged for the session, that is
// the login.
func (a *Auth) recordAdmission(ctx context.Context, tx Tx, who *vouched, ad *admission) error {
	what := actionLogin
	switch {
	case ad.refusal != nil:
		what = actionConfirmationRequested
	case ad.isNew:
		what = actionSignedUp
	case who.exchanged:
		return nil
	}
	return a.audit(ctx, tx, what, &ad.user.User, viaProvider(who.provider))
}

// find finds the account of an identity, and settles for the subject that it has.
func (who *vouched) find(ctx context.Context, tx Tx) (*UserRecord, error) {
	user, err := tx.FindUserByIdentity(ctx, who.provider, who.subject)
	for _, other := range who.otherSubjects {
		if !errors.Is(err, ErrNoRow) {
			break
		}
		if user, err = tx.FindUserByIdentity(ctx, who.provider, other); err == nil {
			who.subject = other
		}
	}
	return user, err
}

// comeBack is for somebody whose identity is known.
func (a *Auth) comeBack(ctx context.Context, tx Tx, who *vouched, known *UserRecord, ad *admission) error {
	adopts := false
	if known.Email == "" && who.email.Verified && !known.IsAnonymous {
		taken, err := tx.EmailTaken(ctx, who.email.Email, known.ID)
		if err != nil {
			return err
		}
		adopts = !taken
	}
	var err error
	ad.user, err = tx.UpdateUser(ctx, known.ID, a.now(), func(u *UserRecord) error {
		if adopts && u.Email == "" {
			u.Email = who.email.Email
		}
		return a.attach(u, who)
	})
	return err
}

// comeFirst is for somebody whose identity is new.
func (a *Auth) comeFirst(ctx context.Context, tx Tx, who *vouched, ad *admission) error {
	c, err := a.choose(ctx, tx, who)
	switch {
	case err != nil:
		return err
	case c.user == nil:
		return a.enrolVouched(ctx, tx, who, c.occupied, ad)
	case c.unproven:
		return a.takeOver(ctx, tx, who, c.user, ad)
	}
	ad.user, err = tx.UpdateUser(ctx, c.user.ID, a.now(), func(u *UserRecord) error {
		if !a.proven(u, who.verified(), a.linkingDomain(who.provider)) {
			return changedMeanwhile()
		}
		return a.attach(u, who)
	})
	if err != nil {
		return err
	}
	return a.noteLinked(ctx, tx, who, ad)
}

func changedMeanwhile() *Error {
	return fail(KindConflict, ErrConflict, "The account was changed by another request at the same time")
}

// enrolVouched makes an account. occupied says that somebody else has the address,
// as far as somebody goes to whom it was shown to belong.
func (a *Auth) enrolVouched(ctx context.Context, tx Tx, who *vouched, occupied bool, ad *admission) error {
	if a.cfg.DisableSignUp {
		return signUpDisabled()
	}
	now := a.now()
	u := &UserRecord{
		User: User{
			ID: uuid.Must(uuid.NewRandom()), Aud: who.aud, Role: a.cfg.DefaultRole, CreatedAt: now, UpdatedAt: now,
			Email: who.email.Email, UserMetadata: who.data, IsSSOUser: a.linkingDomain(who.provider) != "",
		},
	}
	taken := occupied && !u.IsSSOUser
	if u.Email != "" && !who.email.Verified && !u.IsSSOUser {
		var err error
		if taken, err = tx.EmailTaken(ctx, u.Email, u.ID); err != nil {
			return err
		}
	}
	switch {
	case taken && !who.emailOptional && !a.cfg.Email.AllowUnverifiedSignIns:
		return a.refuseOccupied(ctx, tx, who, ad)
	case taken:
		u.Email = ""
	}
	if err := a.attach(u, who); err != nil {
		return err
	}
	if u.Email != "" && u.EmailConfirmedAt == nil {
		u.ConfirmationSentAt = &now // from now on it waits, also where nothing is sent
	}
	ad.user, ad.isNew = u, true
	return a.addUser(ctx, tx, &who.creation, u)
}

// refuseOccupied refuses somebody whose address somebody else has, and stores
// nothing: nobody could ever use such an account. Who has not shown to own the
// address does not learn that it has an account (guarantees: D19).
func (a *Auth) refuseOccupied(ctx context.Context, tx Tx, who *vouched, ad *admission) error {
	if who.email.Verified {
		return unverifiedHere(who.provider)
	}
	ad.refusal = unverifiedMailed(ErrProviderEmailNeedsVerification, who.provider)
	if err := a.checkAuthorized(who.email.Email); err != nil {
		return err
	}
	return a.claimMail(ctx, tx, OneTimeConfirmation, who.email.Email)
}

// takeOver gives an account that has nothing but a claim to its address to the one
// who owns that. What came before is gone; of what an operator prepared only what
// may let others in.
func (a *Auth) takeOver(ctx context.Context, tx Tx, who *vouched, claimed *UserRecord, ad *admission) error {
	var err error
	ad.user, err = tx.UpdateUser(ctx, claimed.ID, a.now(), func(u *UserRecord) error {
		if !u.onlyClaims([]string{claimed.Email}) {
			return changedMeanwhile()
		}
		if u.ofAStranger() {
			u.UserMetadata = nil
		}
		u.PasswordHash, u.Identities = "", nil
		u.Phone, u.NewPhone, u.NewEmail = "", "", ""
		return a.attach(u, who)
	})
	if err != nil {
		return err
	}
	ad.isNew = true
	return expel(ctx, tx, claimed.ID)
}

// expel ends what may let somebody into an account: sessions, factors, and what
// was sent.
func expel(ctx context.Context, tx Tx, user uuid.UUID) error {
	if err := tx.DropOneTimeTokens(ctx, user); err != nil {
		return err
	}
	if err := tx.DropFactors(ctx, user); err != nil {
		return err
	}
	_, err := tx.EndSessions(ctx, user, uuid.Nil)
	return err
}

// attach gives an account somebody's identity, or renews it, and takes over what
// the provider says.
func (a *Auth) attach(u *UserRecord, who *vouched) (err error) {
	if err := a.refuseBanned(u); err != nil {
		return err
	}
	u.addIdentity(who, a.now())
	// Who has filled the metadata up to its limit can sign in all the same.
	if merged, err := a.mergeMetadata(u.UserMetadata, who.claims()); err == nil {
		u.UserMetadata = merged
	}
	if u.Email == who.email.Email && u.Email != "" && a.takesAsProven(who.email) {
		if err := confirmEmail(u, a.now()); err != nil {
			return err
		}
	}
	u.AppMetadata, err = u.AppMetadata.merge(providersOf(u.Identities))
	return err
}

// takesAsProven reports whether an account's address needs no further proof.
func (a *Auth) takesAsProven(e ProfileEmail) bool { return e.Verified || a.cfg.Email.Autoconfirm }

func (u *User) addIdentity(who *vouched, now time.Time) {
	identity := Identity{
		IdentityID: uuid.Must(uuid.NewRandom()), ID: who.subject, UserID: u.ID, Provider: who.provider, CreatedAt: now,
	}
	i := slices.IndexFunc(u.Identities, func(i Identity) bool { return i.Provider == who.provider && i.ID == who.subject })
	if i < 0 {
		i = len(u.Identities)
		u.Identities = append(u.Identities, identity)
	}
	at := &u.Identities[i]
	at.IdentityData, at.Email, at.LastSignInAt, at.UpdatedAt = who.data, who.email.Email, &now, now
}

// requireEmail refuses who has no confirmed address although one is expected, and
// mails what it takes to confirm it.
func (a *Auth) requireEmail(ctx context.Context, tx Tx, who *vouched, ad *admission) (err error) {
	u := ad.user
	switch {
	case u.EmailConfirmedAt != nil, a.cfg.Email.AllowUnverifiedSignIns:
		return nil
	case u.Email == "" && (who.emailOptional || u.PhoneConfirmedAt != nil):
		return nil
	case u.Email == "":
		return unverifiedHere(who.provider)
	}
	ad.refusal = unverifiedMailed(ErrProviderEmailNeedsVerification, who.provider)
	ad.mails, err = a.mail(ctx, tx, who.confirmation(u))
	return err
}

func unverifiedHere(provider string) *Error {
	return fail(KindUnprocessable, ErrProviderEmailNeedsVerification,
		"Unverified email with %s. Verify the email with %[1]s in order to sign in", provider)
}

func unverifiedMailed(code Code, provider string) *Error {
	return fail(KindUnprocessable, code, "Unverified email with %s. A confirmation email has been sent to your %[1]s email", provider)
}

// noteLinked notes that an account has another identity.
func (a *Auth) noteLinked(ctx context.Context, tx Tx, who *vouched, ad *admission) error {
	u := &ad.user.User
	if a.cfg.Email.Notify.IdentityLinked {
		ad.notices = a.notice(ctx, Mail{Type: MailIdentityLinked, To: u.Email, User: u, Provider: who.provider})
	}
	i := slices.IndexFunc(u.Identities, func(i Identity) bool { return i.Provider == who.provider && i.ID == who.subject })
	return a.audit(ctx, tx, actionIdentityLinked, u, identityTraits(u.Identities[i]))
}

func identityTraits(i Identity) traits {
	return traits{"identity_id": i.IdentityID, "provider": i.Provider, "provider_id": i.ID}
}

// findInvite finds the invitation that a flow accepts, nil if it accepts none.
func (a *Auth) findInvite(ctx context.Context, token string) (*proof, error) {
	if token == "" {
		return nil, nil
	}
	found, err := a.findByLink(ctx, VerifyInvite, token)
	if errors.Is(err, ErrOTPExpired) {
		return nil, inviteNotFound()
	}
	return found, err
}

func inviteNotFound() *Error { return fail(KindNotFound, ErrInviteNotFound, "Invite not found") }

// checkInvite refuses to begin what could not end.
func (a *Auth) checkInvite(ctx context.Context, token string) error {
	_, err := a.findInvite(ctx, token)
	if errors.Is(err, ErrInviteNotFound) {
		return fail(KindNotFound, ErrUserNotFound, "User identified by token not found")
	}
	return err
}

// acceptInvite gives an invited account to somebody who has its invitation and an
// identity with its address. The invitation came to that address, so it proves it.
func (a *Auth) acceptInvite(ctx context.Context, tx Tx, who *vouched, ad *admission) error {
	p := who.invite
	err := tx.TakeOneTimeToken(ctx, p.user.ID, p.kind, p.stored)
	if errors.Is(err, ErrNoRow) {
		return inviteNotFound()
	}
	if err != nil {
		return err
	}
	ad.user, err = tx.UpdateUser(ctx, p.user.ID, a.now(), func(u *UserRecord) error {
		if !slices.ContainsFunc(who.emails, func(e ProfileEmail) bool { return e.Email == u.Email }) {
			return invalid("Invited email does not match emails from external provider")
		}
		u.PasswordHash, u.Identities, u.ConfirmationSentAt = "", nil, nil
		if err := a.attach(u, who); err != nil {
			return err
		}
		return confirmEmail(u, a.now())
	})
	if err != nil {
		return err
	}
	if err := expel(ctx, tx, p.user.ID); err != nil {
		return err
	}
	return a.audit(ctx, tx, actionInviteAccepted, &ad.user.User, viaProvider(who.provider))
}
