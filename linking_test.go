package postern_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
)

// link adds an identity to a signed-in user's account.
func (o outside) link(t *testing.T, session *postern.Session, who postern.Profile) (*postern.CallbackResult, error) {
	t.Helper()
	location := must(o.LinkIdentityURL(t.Context(), o.caller(t, session), postern.AuthorizeParams{Provider: "github"}))
	return o.comeBack(t, location, who)
}

// account returns a user as an operator sees it.
func (o outside) account(t *testing.T, id uuid.UUID) *postern.User {
	t.Helper()
	return must(o.AdminUser(t.Context(), id))
}

func providersOf(u *postern.User) []string {
	var names []string
	for _, i := range u.Identities {
		names = append(names, i.Provider)
	}
	return names
}

// as gives a profile another subject.
func as(subject string, who postern.Profile) postern.Profile {
	who.Claims.Subject = subject
	return who
}

func anonymous(c *postern.Config) { c.AnonymousUsers = true }

func TestLinkingAddsAnIdentityAndNothingElse(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		before := o.SignedIn(t, ada)
		res, err := o.link(t, before, authtest.Person("ada@work.example.com"))
		if err != nil {
			t.Fatal(err)
		}
		u := o.account(t, before.User.ID)
		if res.Session.User.ID != u.ID || !slices.Equal(providersOf(u), []string{"email", "github"}) || u.Email != ada {
			t.Errorf("got user %+v, want the same one with a second identity", u)
		}
		if strings.Contains(string(u.UserMetadata), "A Person") {
			t.Errorf("got metadata %s, want it left alone", u.UserMetadata)
		}
		if again := o.mustVisit(t, authtest.Person("ada@work.example.com")); again.User.ID != u.ID {
			t.Errorf("got user %s, want the identity to sign in to %s", again.User.ID, u.ID)
		}
		_, err = o.link(t, before, authtest.Person("ada@work.example.com"))
		wantError(t, err, postern.KindUnprocessable, postern.ErrIdentityAlreadyExists)
		_, err = o.link(t, o.SignedIn(t, "bob@example.com"), authtest.Person("ada@work.example.com"))
		wantError(t, err, postern.KindUnprocessable, postern.ErrIdentityAlreadyExists)
	})
}

func TestLinkingMayBeSwitchedOff(t *testing.T) {
	withProvider(t, func(c *postern.Config) { c.OAuth.ManualLinking = false }, func(t *testing.T, o outside) {
		c := o.caller(t, o.SignedIn(t, ada))
		_, err := o.LinkIdentityURL(t.Context(), c, postern.AuthorizeParams{Provider: "github"})
		wantError(t, err, postern.KindNotFound, postern.ErrManualLinkingDisabled)
		err = o.UnlinkIdentity(t.Context(), c, c.User.Identities[0].IdentityID, "")
		wantError(t, err, postern.KindNotFound, postern.ErrManualLinkingDisabled)
	})
}

func TestLinkingToSomebodyWhoIsGone(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		session := o.SignedIn(t, ada)
		location := must(o.LinkIdentityURL(t.Context(), o.caller(t, session), postern.AuthorizeParams{Provider: "github"}))
		if err := o.AdminDeleteUser(t.Context(), session.User.ID, false); err != nil {
			t.Fatal(err)
		}
		res, err := o.comeBack(t, location, authtest.Person("bob@example.com"))
		wantError(t, err, postern.KindUnprocessable, postern.ErrUserNotFound)
		if !res.Unknown || o.users(t) != 0 {
			t.Errorf("got %+v and %d users", res, o.users(t))
		}
	})
}

func TestAnonymousUserBecomesPermanentWithAProvider(t *testing.T) {
	withProvider(t, anonymous, func(t *testing.T, o outside) {
		begin := must(o.SignInAnonymously(t.Context(), postern.SignInAnonymouslyParams{Data: map[string]any{"theme": "dark"}}))
		_, err := o.link(t, begin, authtest.Person(o.SignedIn(t, "taken@example.com").User.Email))
		wantError(t, err, postern.KindInvalid, postern.ErrEmailExists)
		if u := o.account(t, begin.User.ID); !u.IsAnonymous || len(u.Identities) != 0 {
			t.Errorf("got user %+v, want nothing to have changed", u)
		}

		res, err := o.link(t, begin, authtest.Person(ada))
		if err != nil {
			t.Fatal(err)
		}
		u := o.account(t, begin.User.ID)
		if u.IsAnonymous || u.Email != ada || u.EmailConfirmedAt == nil || !slices.Equal(providersOf(u), []string{"github"}) {
			t.Errorf("got user %+v, want it permanent with the provider's address", u)
		}
		if claims := must(o.VerifyToken(t.Context(), res.Session.AccessToken)); claims.IsAnonymous {
			t.Error("the new session is still of an anonymous user")
		}
		if !says(t, u.UserMetadata, "theme", "dark") {
			t.Errorf("got metadata %s, want it kept", u.UserMetadata)
		}
	})
}

func TestAnonymousUserHasToConfirmAnUnverifiedAddress(t *testing.T) {
	withProvider(t, anonymous, func(t *testing.T, o outside) {
		begin := must(o.SignInAnonymously(t.Context(), postern.SignInAnonymouslyParams{}))
		_, err := o.link(t, begin, unverified(ada))
		wantError(t, err, postern.KindUnprocessable, postern.ErrEmailNotConfirmed)
		u := o.account(t, begin.User.ID)
		if !u.IsAnonymous || u.EmailConfirmedAt != nil || !slices.Equal(providersOf(u), []string{"github"}) {
			t.Errorf("got user %+v, want the identity, and the address to wait", u)
		}
		token := o.box.mail(t, ada).TokenHash
		if got := o.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, TokenHash: string(token)}); got.User.ID != u.ID || got.User.IsAnonymous {
			t.Errorf("got user %+v, want it permanent", got.User)
		}
	})
}

func TestSignUpDoesNotTakeOverAnAnonymousUser(t *testing.T) {
	withProvider(t, anonymous, func(t *testing.T, o outside) {
		begin := must(o.SignInAnonymously(t.Context(), postern.SignInAnonymouslyParams{}))
		_, err := o.link(t, begin, unverified(ada))
		wantError(t, err, postern.KindUnprocessable, postern.ErrEmailNotConfirmed)
		o.Advance(postern.EmailConfig{}.MaxFrequency + 61e9)
		must(o.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword}))
		if u := o.account(t, begin.User.ID); !slices.Equal(providersOf(u), []string{"github"}) {
			t.Errorf("got identities %v, want the user's own", providersOf(u))
		}
		if _, err := o.visit(t, as("owner", authtest.Person(ada))); err == nil {
			t.Error("a provider's user got into the account of another, or a second one with the address")
		}
		o.caller(t, begin)
	})
}

func TestUnlinking(t *testing.T) {
	withProvider(t, func(c *postern.Config) { c.Email.Notify.IdentityUnlinked = true }, func(t *testing.T, o outside) {
		session := o.SignedIn(t, ada)
		if _, err := o.link(t, session, authtest.Person("ada@work.example.com")); err != nil {
			t.Fatal(err)
		}
		c := o.caller(t, session)
		somebody := o.mustVisit(t, authtest.Person("bob@example.com"))
		for name, refused := range map[string]struct {
			caller   *postern.Caller
			id       uuid.UUID
			audience string
			kind     postern.Kind
			code     postern.Code
		}{
			"unknown":            {c, uuid.New(), "", postern.KindUnprocessable, postern.ErrIdentityNotFound},
			"somebody else's":    {c, somebody.User.Identities[0].IdentityID, "", postern.KindUnprocessable, postern.ErrIdentityNotFound},
			"the last one":       {o.caller(t, somebody), somebody.User.Identities[0].IdentityID, "", postern.KindUnprocessable, postern.ErrSingleIdentityNotDeletable},
			"another audience's": {c, c.User.Identities[1].IdentityID, "mobile", postern.KindForbidden, postern.ErrUnexpectedAudience},
		} {
			err := o.UnlinkIdentity(t.Context(), refused.caller, refused.id, refused.audience)
			if err == nil {
				t.Fatalf("%s: was unlinked", name)
			}
			wantError(t, err, refused.kind, refused.code)
		}

		if err := o.UnlinkIdentity(t.Context(), c, c.User.Identities[1].IdentityID, "authenticated"); err != nil {
			t.Fatal(err)
		}
		u := o.account(t, session.User.ID)
		if !slices.Equal(providersOf(u), []string{"email"}) || u.Email != ada {
			t.Errorf("got user %+v, want it without the identity", u)
		}
		wantJSON(t, "app_metadata", u.AppMetadata, map[string]any{"provider": "email", "providers": []any{"email"}})
		if m := o.box.mail(t, ada); m.Type != postern.MailIdentityUnlinked || m.Provider != "github" {
			t.Errorf("got mail %+v, want to be told", m)
		}
		if other := o.mustVisit(t, authtest.Person("ada@work.example.com")); other.User.ID == u.ID {
			t.Error("the identity still signs in to the account")
		}
	})
}

// When the account's address goes with the identity, another takes its place.
func TestUnlinkingPromotesAnAddress(t *testing.T) {
	for name, c := range map[string]struct {
		left      []postern.Profile
		email     string
		confirmed bool
		code      postern.Code
	}{
		"one that is vouched for": {
			[]postern.Profile{unverified("first@example.com"), authtest.Person("second@example.com")}, "second@example.com", true, "",
		},
		"one that is not":   {[]postern.Profile{unverified("first@example.com")}, "first@example.com", false, ""},
		"one that is taken": {[]postern.Profile{as("t", authtest.Person("taken@example.com"))}, "", false, postern.ErrEmailConflictIdentityNotDeletable},
	} {
		t.Run(name, func(t *testing.T) {
			withProvider(t, nil, func(t *testing.T, o outside) {
				o.SignedIn(t, "taken@example.com")
				session := o.SignedIn(t, ada)
				for _, who := range c.left {
					if _, err := o.link(t, session, who); err != nil {
						t.Fatal(err)
					}
				}
				caller := o.caller(t, session)
				err := o.UnlinkIdentity(t.Context(), caller, caller.User.Identities[0].IdentityID, "")
				u := o.account(t, session.User.ID)
				if c.code != "" {
					wantError(t, err, postern.KindUnprocessable, c.code)
					if u.Email != ada || len(u.Identities) != 2 {
						t.Errorf("got user %+v, want it as it was", u)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if u.Email != c.email || (u.EmailConfirmedAt != nil) != c.confirmed {
					t.Errorf("got address %q confirmed %v, want %q", u.Email, u.EmailConfirmedAt, c.email)
				}
			})
		})
	}
}

func TestUnlinkingANumber(t *testing.T) {
	withProvider(t, phones, func(t *testing.T, o outside) {
		session := o.SignedIn(t, ada)
		must(o.AdminUpdateUser(t.Context(), session.User.ID, postern.AdminUpdateUserParams{Phone: phone, PhoneConfirm: true}))
		c := o.caller(t, session)
		if err := o.UnlinkIdentity(t.Context(), c, c.User.Identities[1].IdentityID, ""); err != nil {
			t.Fatal(err)
		}
		if u := o.account(t, c.User.ID); u.Phone != "" || u.PhoneConfirmedAt != nil || u.Email != ada {
			t.Errorf("got user %+v, want it without the number", u)
		}
	})
}

func TestOneOfTwoUnlinkingsLeavesAnIdentity(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		session := o.SignedIn(t, ada)
		if _, err := o.link(t, session, authtest.Person("ada@work.example.com")); err != nil {
			t.Fatal(err)
		}
		c := o.caller(t, session)
		errs := make(chan error, 2)
		for _, i := range c.User.Identities {
			go func() { errs <- o.UnlinkIdentity(t.Context(), c, i.IdentityID, "") }()
		}
		first, second := <-errs, <-errs
		if (first == nil) == (second == nil) {
			t.Errorf("got %v and %v, want one to be refused", first, second)
		}
		if u := o.account(t, c.User.ID); len(u.Identities) != 1 {
			t.Errorf("got identities %v, want one", providersOf(u))
		}
	})
}

// An address does not change without the second factor of who has one (guarantees:
// B11).
func TestLinkingNeedsTheSecondFactorForAnAddress(t *testing.T) {
	withProvider(t, phones, func(t *testing.T, o outside) {
		session := o.SignedIn(t, ada)
		for _, who := range []postern.Profile{authtest.Person(ada), authtest.Person("other@example.com")} {
			if _, err := o.link(t, session, as(who.Emails[0].Email, who)); err != nil {
				t.Fatal(err)
			}
		}
		byPhone := must(o.SignUp(t.Context(), postern.SignUpParams{Phone: phone, Password: goodPassword})).Session
		for _, s := range []*postern.Session{session, byPhone} {
			o.addFactor(t, s.User.ID)
		}
		c := o.caller(t, session)
		if err := o.UnlinkIdentity(t.Context(), c, c.User.Identities[0].IdentityID, ""); err != nil {
			t.Errorf("an identity whose address another has, too: %v", err)
		}
		err := o.UnlinkIdentity(t.Context(), c, c.User.Identities[1].IdentityID, "")
		wantError(t, err, postern.KindUnauthorized, postern.ErrInsufficientAAL)
		_, err = o.LinkIdentityURL(t.Context(), o.caller(t, byPhone), postern.AuthorizeParams{Provider: "github"})
		wantError(t, err, postern.KindUnauthorized, postern.ErrInsufficientAAL)

		o.raise(t, session.ID)
		if err := o.UnlinkIdentity(t.Context(), o.caller(t, o.refresh(t, session.RefreshToken)), c.User.Identities[1].IdentityID, ""); err != nil {
			t.Errorf("with the second factor: %v", err)
		}
	})
}
