package postern_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/internal/webauthntest"
)

// told returns what a subscriber called "test" has not been told of yet, and ends its
// waiting.
func (s service) told(t *testing.T) []postern.Event {
	t.Helper()
	var events []postern.Event
	for _, d := range must(s.st.TakeDeliveries(t.Context(), "test", s.Now(), s.Now().Add(time.Hour), 1000)) {
		events = append(events, d.Event)
		if err := s.st.EndDelivery(t.Context(), d.ID, "test"); err != nil {
			t.Fatal(err)
		}
	}
	slices.SortFunc(events, func(a, b postern.Event) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return events
}

// telling has everything told to a subscriber that nothing is delivered to as long as
// nobody runs Run.
func telling(c *postern.Config) {
	c.Subscribers = append(c.Subscribers, postern.Subscriber{Name: "test", Deliver: func(context.Context, postern.Event) error { return nil }})
}

// wantTold fails unless these events of a user are all that was told of since the last
// look. Those of updates may be written with what was changed, "user.updated email
// phone".
func (s service) wantTold(t *testing.T, doing string, user uuid.UUID, want ...string) []postern.EventData {
	t.Helper()
	var got []string
	var all []postern.EventData
	for _, e := range s.told(t) {
		var data postern.EventData
		if err := e.Data.Decode(&data); err != nil {
			t.Fatal(err)
		}
		if e.UserID != user || data.UserID != user {
			t.Errorf("%s: got %s of user %v, in its data %v, want %v", doing, e.Type, e.UserID, data.UserID, user)
		}
		got = append(got, strings.Join(append([]string{string(e.Type)}, data.Changed...), " "))
		all = append(all, data)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", doing, got, want)
		return make([]postern.EventData, 9) // enough for whoever looks into them
	}
	return all
}

func TestSignUpsAreToldOfOnce(t *testing.T) {
	mailing(t, telling, func(t *testing.T, s service, box *postbox) {
		u := s.askSignUp(t)
		data := s.wantTold(t, "a sign-up", u.ID, "user.created")[0]
		if data.User == nil || data.User.Email != ada || data.User.EmailConfirmedAt != nil || len(data.User.Identities) != 1 {
			t.Errorf("got user %+v, want ada with an identity, not confirmed", data.User)
		}
		s.Advance(2 * time.Minute) // mails are spaced
		if again := s.askSignUp(t); again.ID == u.ID {
			t.Error("the second sign-up shows the first one's account")
		}
		s.wantTold(t, "signing up again", u.ID, "user.password_changed") // of the account that starts over
		session := s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: string(box.mail(t, ada).Token)})
		all := s.wantTold(t, "the confirmation", u.ID, "user.updated email_confirmed_at user_metadata", "user.signed_in")
		if in := all[1].Session; in == nil || in.ID != session.ID || in.Method != "otp" {
			t.Errorf("got session %+v, want %v by otp", in, session.ID)
		}
		refused, err := s.SignUp(t.Context(), postern.SignUpParams{Email: "bob@example.com", Password: "x"})
		if err == nil {
			t.Fatalf("got %+v, want the password to be refused", refused)
		}
		s.wantTold(t, "a sign-up that is refused", uuid.Nil)
	})
}

func TestSignInsAndSignOutsAreToldOf(t *testing.T) {
	each(t, telling, func(t *testing.T, s service) {
		session := s.signUp(t)
		u := session.User.ID
		s.wantTold(t, "a sign-up that signs in", u, "user.created", "user.signed_in")
		ctx := postern.WithRequestInfo(t.Context(), postern.RequestInfo{UserAgent: "Agent/1.0"})
		second := must(s.SignInWithPassword(ctx, postern.SignInWithPasswordParams{Email: ada, Password: goodPassword}))
		in := s.wantTold(t, "a sign-in", u, "user.signed_in")[0].Session
		if in == nil || *in != (postern.EventSession{ID: second.ID, Method: "password", UserAgent: "Agent/1.0"}) {
			t.Errorf("got %+v, want the session of the sign-in", in)
		}
		s.refresh(t, second.RefreshToken)
		s.wantTold(t, "a refresh", u)
		if _, err := s.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: ada, Password: "wrong"}); err == nil {
			t.Fatal("a wrong password signs in")
		}
		s.wantTold(t, "a sign-in in vain", u)
		dearer := s.with(t, func(c *postern.Config) { telling(c); c.Password.BcryptCost = 5 })
		dearer.signIn(t, goodPassword) // which makes another hash of the password
		s.wantTold(t, "a sign-in with another hash", u, "user.signed_in")

		signOut := func(scope postern.SignOutScope) {
			if err := s.SignOut(t.Context(), s.caller(t, session), scope); err != nil {
				t.Fatal(err)
			}
		}
		signOut(postern.SignOutOthers)
		if ended := s.wantTold(t, "signing out others", u, "user.signed_out")[0].SessionIDs; len(ended) != 2 || !slices.Contains(ended, second.ID) {
			t.Errorf("got %v ended, want two, of which %v is one", ended, second.ID)
		}
		signOut(postern.SignOutOthers)
		s.wantTold(t, "signing out nobody", u)
		signOut(postern.SignOutLocal)
		if ended := s.wantTold(t, "signing out", u, "user.signed_out")[0].SessionIDs; !slices.Equal(ended, []uuid.UUID{session.ID}) {
			t.Errorf("got %v ended, want %v", ended, session.ID)
		}
	})
}

func TestUpdatesAreToldOfByWhatTheyChange(t *testing.T) {
	mailing(t, telling, func(t *testing.T, s service, box *postbox) {
		session := s.SignedIn(t, ada)
		u, c := session.User.ID, s.caller(t, session)
		s.wantTold(t, "an account by an operator", u, "user.created", "user.signed_in")
		data := postern.UpdateUserParams{Data: map[string]any{"name": "Ada", "n": 1.5, "list": []any{map[string]any{"b": 1, "a": "x"}}}}
		must(s.UpdateUser(t.Context(), c, data))
		updated := s.wantTold(t, "a new name", u, "user.updated user_metadata")[0].User
		if updated == nil || !says(t, updated.UserMetadata, "name", "Ada") {
			t.Errorf("got user %+v, want it as it is now", updated)
		}
		must(s.UpdateUser(t.Context(), c, data))
		s.wantTold(t, "the same name", u)
		other := s.with(t, telling)
		otherSession := must(s.GenerateLink(t.Context(), postern.GenerateLinkParams{Type: postern.LinkMagicLink, Email: ada}))
		s.wantTold(t, "a link", u) // only a time is stamped
		second := other.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyMagicLink, TokenHash: otherSession.HashedToken})
		s.wantTold(t, "its use", u, "user.signed_in")

		password := newPassword
		must(s.UpdateUser(t.Context(), c, postern.UpdateUserParams{Password: &password}))
		ended := s.wantTold(t, "a new password", u, "user.password_changed", "user.signed_out")[1].SessionIDs
		if !slices.Equal(ended, []uuid.UUID{second.ID}) {
			t.Errorf("got %v ended, want the other session %v", ended, second.ID)
		}
		must(s.UpdateUser(t.Context(), c, postern.UpdateUserParams{Email: "new@example.com"}))
		s.wantTold(t, "asking for another address", u, "user.updated new_email")
		for i, to := range []string{ada, "new@example.com"} {
			must(s.verify(t, postern.VerifyOTPParams{Type: postern.VerifyEmailChange, Email: to, Token: string(box.mail(t, to).Token)}))
			if i == 0 {
				s.wantTold(t, "half of the change", u)
			}
		}
		s.wantTold(t, "the other half", u, "user.updated email new_email", "user.signed_in")
	})
}

func TestWhatOperatorsDoIsToldOf(t *testing.T) {
	mailing(t, telling, func(t *testing.T, s service, box *postbox) {
		invited := must(s.Invite(t.Context(), postern.InviteParams{Email: ada}))
		s.wantTold(t, "an invitation", invited.ID, "user.created")
		s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyInvite, TokenHash: string(box.mail(t, ada).TokenHash)})
		s.wantTold(t, "its acceptance", invited.ID, "user.updated email_confirmed_at user_metadata", "user.signed_in")
		update := func(p postern.AdminUpdateUserParams) { must(s.AdminUpdateUser(t.Context(), invited.ID, p)) }
		update(postern.AdminUpdateUserParams{Role: "editor", Phone: "15550100001", PhoneConfirm: true, AppMetadata: map[string]any{"team": "a"}})
		s.wantTold(t, "an update", invited.ID, "user.updated role phone phone_confirmed_at app_metadata", "identity.linked")
		update(postern.AdminUpdateUserParams{BanDuration: "1h"})
		s.wantTold(t, "a ban", invited.ID, "user.updated banned_until")
		password := newPassword
		update(postern.AdminUpdateUserParams{Password: &password, BanDuration: "none"})
		s.wantTold(t, "a password, and the end of the ban", invited.ID, "user.updated banned_until", "user.password_changed", "user.signed_out")

		passwordOfIt := s.signInAs(t, ada, newPassword)
		s.wantTold(t, "a sign-in", invited.ID, "user.signed_in")
		s.withApp(t, passwordOfIt)
		s.told(t)
		for _, soft := range []bool{true, false} {
			if err := s.AdminDeleteUser(t.Context(), invited.ID, soft); err != nil {
				t.Fatal(err)
			}
			events := s.told(t)
			if len(events) != 1 || events[0].Type != postern.EventUserDeleted || events[0].UserID != invited.ID {
				t.Fatalf("a deletion, soft %v: got %+v, want that it is told of", soft, events)
			}
			if want := `{"user_id":"` + invited.ID.String() + `"}`; strings.ReplaceAll(string(events[0].Data), " ", "") != want {
				t.Errorf("got %s, want nothing but whom it is about, %s", events[0].Data, want)
			}
		}
		if err := s.AdminDeleteUser(t.Context(), invited.ID, false); !isCode(err, postern.ErrUserNotFound) {
			t.Errorf("got error %v, want the user to be gone", err)
		}
		s.wantTold(t, "deleting nobody", invited.ID)
	})
}

func (s service) signInAs(t *testing.T, email, password string) *postern.Session {
	t.Helper()
	return &must(s.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: email, Password: password})).Session
}

func TestIdentitiesAreToldOf(t *testing.T) {
	withProvider(t, telling, func(t *testing.T, o outside) {
		first := o.mustVisit(t, authtest.Person(ada))
		u := first.User.ID
		created := o.wantTold(t, "a first visit", u, "user.created", "user.signed_in")
		if created[0].User.EmailConfirmedAt == nil || created[0].User.ConfirmedAt == nil || created[1].Session.Method != "oauth" {
			t.Errorf("got %+v and %+v, want a confirmed user who came by oauth", created[0].User, created[1].Session)
		}
		o.mustVisit(t, authtest.Person(ada))
		o.wantTold(t, "another visit", u, "user.signed_in")

		session := o.SignedIn(t, "bob@example.com")
		bob := session.User.ID
		o.told(t)
		must(o.link(t, session, as("subject", authtest.Person("bob@work.example.com"))))
		linked := o.wantTold(t, "a link", bob, "user.updated app_metadata", "identity.linked", "user.signed_in")[1].Identity
		if linked == nil || linked.Provider != "github" || linked.ID != "subject" || linked.IdentityID == uuid.Nil {
			t.Errorf("got identity %+v, want the one that was linked", linked)
		}
		if err := o.UnlinkIdentity(t.Context(), o.caller(t, session), linked.IdentityID, ""); err != nil {
			t.Fatal(err)
		}
		gone := o.wantTold(t, "its end", bob, "user.updated app_metadata", "identity.unlinked")[1].Identity
		if gone == nil || gone.IdentityID != linked.IdentityID {
			t.Errorf("got identity %+v, want the same one", gone)
		}
	})
}

func TestAnonymousUsersAreToldOf(t *testing.T) {
	mailing(t, func(c *postern.Config) { anonymous(c); telling(c) }, func(t *testing.T, s service, box *postbox) {
		begin := must(s.SignInAnonymously(t.Context(), postern.SignInAnonymouslyParams{}))
		u := begin.User.ID
		s.wantTold(t, "an anonymous user", u, "user.created", "user.signed_in")
		must(s.UpdateUser(t.Context(), s.caller(t, begin), postern.UpdateUserParams{Email: ada}))
		s.wantTold(t, "asking for an address", u, "user.updated new_email")
		s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyEmailChange, TokenHash: string(box.mail(t, ada).TokenHash)})
		s.wantTold(t, "becoming permanent", u,
			"user.updated email email_confirmed_at new_email app_metadata is_anonymous", "identity.linked", "user.signed_in")
	})
}

func TestCleanedUpUsersAreToldOf(t *testing.T) {
	each(t, func(c *postern.Config) { anonymous(c); c.AnonymousMaxAge = time.Hour }, func(t *testing.T, s service) {
		deleted := make(chan postern.Event, 10)
		s = s.with(t, func(c *postern.Config) {
			anonymous(c)
			c.AnonymousMaxAge = time.Hour
			c.Subscribers = []postern.Subscriber{{
				Name: "test", Types: []postern.EventType{postern.EventUserDeleted},
				Deliver: func(_ context.Context, e postern.Event) error { deleted <- e; return nil },
			}}
		})
		old := must(s.SignInAnonymously(t.Context(), postern.SignInAnonymouslyParams{})).User.ID
		s.Advance(time.Hour + time.Second)
		s.run(t)
		if e := <-deleted; e.UserID != old || e.Type != postern.EventUserDeleted {
			t.Errorf("got %+v, want that %v was deleted", e, old)
		}
	})
}

func TestFactorsAreToldOfOnceTheyCount(t *testing.T) {
	each(t, telling, func(t *testing.T, s service) {
		session := s.signUp(t)
		u := session.User.ID
		other := s.again(t)
		s.told(t)
		a := s.enroll(t, session, "app")
		s.wantTold(t, "a factor that is not verified", u)
		raised := must(s.answer(t, session, a.factor, s.code(a, s.Now())))
		all := s.wantTold(t, "its verification", u, "factor.enrolled", "user.signed_out")
		if f := all[0].Factor; f == nil || f.ID != a.factor || f.FactorType != "totp" || f.Status != "verified" {
			t.Errorf("got factor %+v, want the app", f)
		}
		if !slices.Equal(all[1].SessionIDs, []uuid.UUID{other.ID}) {
			t.Errorf("got %v ended, want the session that no factor raised, %v", all[1].SessionIDs, other.ID)
		}
		name := "renamed"
		must(s.AdminUpdateFactor(t.Context(), u, a.factor, postern.AdminUpdateFactorParams{FriendlyName: &name}))
		s.wantTold(t, "another name", u, "factor.updated friendly_name")
		codes := must(s.GenerateRecoveryCodes(t.Context(), s.caller(t, raised), ""))
		if f := s.wantTold(t, "recovery codes", u, "factor.enrolled")[0].Factor; f == nil || f.ID != codes.ID || f.FactorType != "recovery_code" {
			t.Errorf("got factor %+v, want the codes", f)
		}
		must(s.RegenerateRecoveryCodes(t.Context(), s.caller(t, raised)))
		s.wantTold(t, "other codes", u, "factor.updated codes")
		s.enroll(t, raised, "second")
		if err := s.UnenrollFactor(t.Context(), s.caller(t, raised), a.factor); err != nil {
			t.Fatal(err)
		}
		s.wantTold(t, "the end of the app, and with it of the codes", u, "factor.unenrolled", "factor.unenrolled")
	})
}

func TestPasskeysAreToldOf(t *testing.T) {
	each(t, func(c *postern.Config) { passkeys(c); telling(c) }, func(t *testing.T, s service) {
		session, key := s.signUp(t), webauthntest.New(page)
		u := session.User.ID
		s.told(t)
		made := must(s.register(t, session, key))
		if p := s.wantTold(t, "a passkey", u, "passkey.created")[0].Passkey; p == nil || p.ID != made.ID || p.FriendlyName != made.FriendlyName {
			t.Errorf("got %+v, want the passkey %+v", p, made)
		}
		must(s.SignInWithPasskey(t.Context(), s.present(t, key)))
		s.wantTold(t, "its use", u, "user.signed_in")
		must(s.RenamePasskey(t.Context(), s.caller(t, session), made.ID, "another"))
		s.wantTold(t, "another name", u, "passkey.updated")
		if err := s.DeletePasskey(t.Context(), s.caller(t, session), made.ID); err != nil {
			t.Fatal(err)
		}
		if p := s.wantTold(t, "its end", u, "passkey.deleted")[0].Passkey; p == nil || p.ID != made.ID || p.FriendlyName != "another" {
			t.Errorf("got %+v, want the passkey %v", p, made.ID)
		}
	})
}

// An account that turns out to be somebody else's loses what it had, which is told of.
func TestWhatIsSweptIsToldOf(t *testing.T) {
	withProvider(t, func(c *postern.Config) { telling(c); passkeys(c) }, func(t *testing.T, o outside) {
		password := goodPassword
		u := must(o.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: ada, Password: &password, EmailConfirm: true})).ID
		session, _, _ := o.withCodes(t, o.signInAs(t, ada, password))
		must(o.register(t, session, webauthntest.New(page)))
		o.exec(t, `UPDATE auth.users SET email_confirmed_at = NULL`) // as if nobody had proven the address
		o.told(t)
		o.mustVisit(t, authtest.Person(ada))
		var got []string
		for _, e := range o.told(t) {
			if e.UserID != u {
				t.Errorf("got an event of %v, want only those of %v", e.UserID, u)
			}
			got = append(got, string(e.Type))
		}
		want := []string{
			"user.updated", "user.password_changed", "identity.unlinked", "identity.linked",
			"factor.unenrolled", "factor.unenrolled", "passkey.deleted", "user.signed_out", "user.signed_in",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestEventsBelongToTheTransaction(t *testing.T) {
	each(t, telling, func(t *testing.T, s service) {
		signUp := func(email string) (tx interface{ Commit() error }, rollback func() error) {
			begun := must(s.st.DB().BeginTx(t.Context(), nil))
			must(s.In(s.st.Join(begun)).SignUp(t.Context(), postern.SignUpParams{Email: email, Password: goodPassword}))
			return begun, begun.Rollback
		}
		_, rollback := signUp("bob@example.com")
		if err := rollback(); err != nil {
			t.Fatal(err)
		}
		s.wantTold(t, "a transaction that was rolled back", uuid.Nil)
		tx, _ := signUp(ada)
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		s.wantTold(t, "one that was committed", s.signInAs(t, ada, goodPassword).User.ID, "user.created", "user.signed_in", "user.signed_in")
	})
}

func TestNobodyIsToldNothingIsWritten(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		s.signUp(t)
		picky := s.with(t, func(c *postern.Config) {
			telling(c)
			c.Subscribers[0].Types = []postern.EventType{postern.EventUserDeleted}
		})
		picky.signIn(t, goodPassword)
		if n := s.count(t, "SELECT count(*) FROM auth.postern_events"); n != 0 {
			t.Errorf("got %d events, want none", n)
		}
	})
}

// What goes with a user is part of its deletion, also for those who are not told of
// deletions.
func TestDeletionIsNotToldOfPieceByPiece(t *testing.T) {
	each(t, func(c *postern.Config) {
		telling(c)
		for _, t := range postern.EventTypes() {
			if t != postern.EventUserDeleted {
				c.Subscribers[0].Types = append(c.Subscribers[0].Types, t)
			}
		}
	}, func(t *testing.T, s service) {
		session, _ := s.withApp(t, s.signUp(t))
		s.told(t)
		if err := s.AdminDeleteUser(t.Context(), session.User.ID, true); err != nil {
			t.Fatal(err)
		}
		s.wantTold(t, "a deletion", session.User.ID)
	})
}

// Each subscriber is told of the types that it wants.
func TestSubscribersGetTheirTypes(t *testing.T) {
	each(t, func(c *postern.Config) {
		telling(c)
		telling(c)
		c.Subscribers[1].Name, c.Subscribers[1].Types = "picky", []postern.EventType{postern.EventSignedIn, postern.EventUserDeleted}
	}, func(t *testing.T, s service) {
		u := s.signUp(t).User.ID
		got := must(s.st.TakeDeliveries(t.Context(), "picky", s.Now(), s.Now().Add(time.Hour), 9))
		if len(got) != 1 || got[0].Type != postern.EventSignedIn {
			t.Errorf("got %+v, want the sign-in alone", got)
		}
		s.wantTold(t, "a sign-up", u, "user.created", "user.signed_in")
		if n := s.count(t, "SELECT count(*) FROM auth.postern_events"); n != 1 {
			t.Errorf("got %d events, want the one that somebody waits for", n)
		}
	})
}

func TestEventsHoldNoSecret(t *testing.T) {
	mailing(t, func(c *postern.Config) { telling(c); passkeys(c); anonymous(c) }, func(t *testing.T, s service, box *postbox) {
		var secrets []string
		keep := func(values ...string) { secrets = append(secrets, values...) }
		keepSession := func(session *postern.Session) *postern.Session {
			keep(session.AccessToken, session.RefreshToken)
			return session
		}
		keepMail := func(m postern.Mail) postern.Mail {
			keep(string(m.Token), string(m.TokenHash), m.ConfirmationURL)
			return m
		}
		s.askSignUp(t)
		m := keepMail(box.mail(t, ada))
		session := keepSession(s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: string(m.Token)}))
		keepSession(s.again(t))
		raised, a, codes := s.withCodes(t, session)
		keepSession(raised)
		keep(a.secret)
		keep(codes.Codes...)
		must(s.register(t, raised, webauthntest.New(page)))
		password := newPassword
		must(s.UpdateUser(t.Context(), s.caller(t, raised), postern.UpdateUserParams{Password: &password, Email: "new@example.com"}))
		keepMail(box.mail(t, "new@example.com"))
		keep(goodPassword, newPassword)
		for _, query := range []string{
			"SELECT encrypted_password FROM auth.users", "SELECT refresh_token_hmac_key FROM auth.sessions",
			"SELECT token_hash FROM auth.one_time_tokens", "SELECT secret FROM auth.mfa_factors", "SELECT hash FROM auth.postern_recovery_codes",
		} {
			var column []string
			if err := s.st.DB().NewRaw(s.dialect(query)).Scan(t.Context(), &column); err != nil {
				t.Fatal(err)
			}
			if len(column) == 0 {
				t.Errorf("%s: got nothing to look for", query)
			}
			keep(column...)
		}
		if err := s.AdminDeleteUser(t.Context(), session.User.ID, true); err != nil {
			t.Fatal(err)
		}
		events := s.told(t)
		if len(events) < 8 {
			t.Errorf("got %d events, want more to look into", len(events))
		}
		for _, e := range events {
			for _, secret := range secrets {
				if secret != "" && strings.Contains(string(e.Data), secret) {
					t.Errorf("%s shows %q: %s", e.Type, secret, e.Data)
				}
			}
		}
	})
}

func TestSubscribersThatCouldNotWorkAreRefused(t *testing.T) {
	t.Parallel()
	deliver := func(context.Context, postern.Event) error { return nil }
	_, err := postern.New(authtest.New(t).Store, postern.Config{Subscribers: []postern.Subscriber{
		{Name: "a", Deliver: deliver}, {Name: "a", Deliver: deliver}, {Deliver: deliver}, {Name: "b"},
		{Name: "c\x00", Deliver: deliver}, {Name: "d", Types: []postern.EventType{"user.exploded"}, Deliver: deliver},
	}})
	for _, want := range []string{
		`Subscribers[1] has the Name "a", which is another's`, `Subscribers[2] needs a Name`, `Subscribers[3] needs Deliver`,
		`Subscribers[4] has the Name "c\x00", which is no text`, `Subscribers[5] wants events of the type "user.exploded"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q in it", err, want)
		}
	}
}

// Of every method of Tx it is decided whether events tell of what it does. Those of
// which they do are recorded in transactions, and have one where they stand alone.
func TestEveryMethodOfTxIsRecordedOrTellsNothing(t *testing.T) {
	t.Parallel()
	quiet := strings.Fields(`
		FindUser FindUserByEmail FindUserByPhone FindUserByIdentity UsersByEmails EmailTaken PhoneTaken AnonymousUsers ListUsers
		FindCaller FindSession UserSessions FindFactor FindChallenge FindRecoveryCodes Passkeys FindOneTimeToken UsersByNewEmail
		UsersByNewPhone FindFlow FindFlowByCode NewestFlow FindLegacyToken FindCustomProvider CustomProviders Keys
		DropOneTimeTokens PutOneTimeToken TakeOneTimeToken
		RotateSession RefreshSession RaiseSession LowerSessions UpgradeSession DropLegacyToken
		DropUnverifiedFactors AddChallenge TakeChallenge DropChallenges TakeRecoveryCode
		AddCeremony TakeCeremony DropCeremonies AddFlow ReturnToFlow IssueAuthCode TakeFlow DropFlows
		Count Claim DropCounter DropCounters AddCustomProvider UpdateCustomProvider DeleteCustomProvider
		AddKey RetireKey DropKeys AddEvents TakeDeliveries EndDelivery PutOffDelivery DropEvents
		AddAuditEntry ListAuditEntries DropAuditEntries DropOldOneTimeTokens DropLegacyTokens DropSessions Spend DropBucket DropBuckets`)
	inside, alone := methodsIn(t, "recording"), methodsIn(t, "recorder")
	tx := reflect.TypeFor[postern.Tx]()
	for i := range tx.NumMethod() {
		name := tx.Method(i).Name
		if recorded := slices.Contains(inside, name); recorded == slices.Contains(quiet, name) || recorded != slices.Contains(alone, name) {
			t.Errorf("%s: is it recorded %v, alone too %v, and said to be quiet %v", name, recorded, slices.Contains(alone, name), slices.Contains(quiet, name))
		}
	}
}

// methodsIn returns the exported methods that the root's source gives a type.
func methodsIn(t *testing.T, receiver string) (names []string) {
	t.Helper()
	for _, file := range []string{"eventrecord.go", "eventrecordfactor.go", "eventrecordalone.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil {
				continue
			}
			if star, ok := f.Recv.List[0].Type.(*ast.StarExpr); ok && star.X.(*ast.Ident).Name == receiver {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}

// run runs Run until the test ends.
func (s service) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: got %v, want that it was stopped", err)
		}
	}
	t.Cleanup(stop)
	return stop
}
