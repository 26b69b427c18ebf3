package postern_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
)

// outside is a service that people can sign in to with a provider in memory.
type outside struct {
	service
	cfg    postern.Config
	box    *postbox
	github *authtest.Provider
}

// withProvider runs a test on both databases, with the provider github and manual
// linking switched on.
func withProvider(t *testing.T, edit func(*postern.Config), test func(t *testing.T, o outside)) {
	t.Helper()
	t.Parallel()
	if edit == nil {
		edit = nop
	}
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		o := outside{box: &postbox{}, github: authtest.NewProvider("github")}
		o.service = service{authtest.On(t, st, func(c *postern.Config) {
			confirming(c)
			c.Mailer = o.box
			c.Providers = []postern.Provider{o.github.Provider()}
			c.OAuth.ManualLinking = true
			c.SiteURL, c.ExternalURL = "https://app.example.com", "https://app.example.com/auth/v1"
			edit(c)
			o.cfg = *c
		}), st}
		test(t, o)
	})
}

// authorize begins a sign-in and returns where the browser is sent.
func (o outside) authorize(t *testing.T, p postern.AuthorizeParams) string {
	t.Helper()
	if p.Provider == "" {
		p.Provider = "github"
	}
	location, err := o.AuthorizeURL(t.Context(), p)
	if err != nil {
		t.Fatalf("AuthorizeURL: %v", err)
	}
	return location
}

// visit signs somebody in by the implicit flow.
func (o outside) visit(t *testing.T, who postern.Profile) (*postern.CallbackResult, error) {
	t.Helper()
	return o.comeBack(t, o.authorize(t, postern.AuthorizeParams{}), who)
}

func (o outside) comeBack(t *testing.T, location string, who postern.Profile) (*postern.CallbackResult, error) {
	t.Helper()
	return o.Callback(t.Context(), postern.CallbackParams{Params: o.github.Approve(location, who)})
}

func (o outside) mustVisit(t *testing.T, who postern.Profile) *postern.Session {
	t.Helper()
	res, err := o.visit(t, who)
	if err != nil {
		t.Fatalf("Callback: %v", err)
	}
	return res.Session
}

// users counts the accounts.
func (o outside) users(t *testing.T) int { return o.count(t, "SELECT count(*) FROM auth.users") }

func unverified(email string) postern.Profile {
	who := authtest.Person(email)
	who.Emails[0].Verified = false
	return who
}

func fragment(t *testing.T, location string) url.Values {
	t.Helper()
	_, text, _ := strings.Cut(location, "#")
	values, err := url.ParseQuery(text)
	if err != nil {
		t.Fatalf("the fragment of %q: %v", location, err)
	}
	return values
}

func query(t *testing.T, location string) url.Values {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

func TestSignInWithAProvider(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		location := o.authorize(t, postern.AuthorizeParams{Provider: "GitHub", RedirectTo: "https://app.example.com/welcome", Params: url.Values{
			"prompt": {"consent"}, "State": {"forged"}, "client_id": {"forged"}, "provider": {"github"}, "nonce": {"n"},
		}})
		q := query(t, location)
		if q.Get("prompt") != "consent" || q.Get("nonce") != "n" || q.Has("State") || q.Has("client_id") || q.Has("provider") {
			t.Errorf("got parameters %v, want what is the client's to set and no more", q)
		}
		if got, want := q.Get("redirect_uri"), "https://app.example.com/auth/v1/callback"; got != want {
			t.Errorf("got redirect_uri %q, want %q", got, want)
		}
		res, err := o.comeBack(t, location, authtest.Person(ada))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(res.Location, "https://app.example.com/welcome#access_token=") {
			t.Errorf("got location %q, want the one asked for, with a session", res.Location)
		}
		got := fragment(t, res.Location)
		if got.Get("access_token") != res.Session.AccessToken || !strings.HasPrefix(got.Get("provider_token"), "access-") ||
			!strings.HasPrefix(got.Get("provider_refresh_token"), "refresh-") || !got.Has("sb") {
			t.Errorf("got fragment %v, want the session's tokens and the provider's", got)
		}
		u := must(o.User(t.Context(), o.caller(t, res.Session), ""))
		if u.Email != ada || u.EmailConfirmedAt == nil || len(u.Identities) != 1 || u.Identities[0].Provider != "github" {
			t.Errorf("got user %+v, want one with the confirmed address and one identity", u)
		}
		wantJSON(t, "user_metadata", u.UserMetadata, map[string]any{
			"iss": "https://provider.example", "sub": ada, "provider_id": ada, "name": "A Person", "full_name": "A Person",
			"email": ada, "email_verified": true, "phone_verified": false,
		})
		wantJSON(t, "app_metadata", u.AppMetadata, map[string]any{"provider": "github", "providers": []any{"github"}})
		claims := must(o.VerifyToken(t.Context(), res.Session.AccessToken))
		if got := methods(claims); !slices.Equal(got, []string{"oauth"}) {
			t.Errorf("got AMR %v, want oauth", got)
		}
		if n := o.count(t, "SELECT count(*) FROM auth.flow_state"); n != 0 {
			t.Errorf("got %d flows, want none left", n)
		}
	})
}

func TestSignInWithAProviderAndPKCE(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		verifier := strings.Repeat("v", 43)
		location := o.authorize(t, postern.AuthorizeParams{Challenge: postern.Challenge{CodeChallenge: verifier, CodeChallengeMethod: "plain"}})
		back := o.github.Approve(location, authtest.Person(ada))
		res, err := o.Callback(t.Context(), postern.CallbackParams{Params: back})
		if err != nil {
			t.Fatal(err)
		}
		code := query(t, res.Location).Get("code")
		if code == "" || res.Session != nil || strings.Contains(res.Location, "#") {
			t.Fatalf("got location %q, want one with an auth code alone", res.Location)
		}
		_, err = o.Callback(t.Context(), postern.CallbackParams{Params: back})
		wantError(t, err, postern.KindInvalid, postern.ErrFlowStateUsed)
		_, err = o.ExchangeCodeForSession(t.Context(), code, strings.Repeat("w", 43))
		wantError(t, err, postern.KindInvalid, postern.ErrBadCodeVerifier)
		session := must(o.ExchangeCodeForSession(t.Context(), code, verifier))
		if session.User.Email != ada || !strings.HasPrefix(session.ProviderToken, "access-") {
			t.Errorf("got session of %q with provider token %q", session.User.Email, session.ProviderToken)
		}
		_, err = o.ExchangeCodeForSession(t.Context(), code, verifier)
		wantError(t, err, postern.KindNotFound, postern.ErrFlowStateNotFound)
	})
}

func TestReturningWithAProviderRenewsWhatItSays(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		first := o.mustVisit(t, authtest.Person(ada))
		if _, err := o.UpdateUser(t.Context(), o.caller(t, first), postern.UpdateUserParams{Data: map[string]any{"theme": "dark"}}); err != nil {
			t.Fatal(err)
		}
		moved := authtest.Person("ada@new.example.com")
		moved.Claims.Subject, moved.Claims.Name = ada, "Ada L."
		session := o.mustVisit(t, moved)
		u := session.User
		if u.ID != first.User.ID || o.users(t) != 1 {
			t.Fatalf("got user %s of %d, want the one of before", u.ID, o.users(t))
		}
		if u.Email != ada {
			t.Errorf("got address %q, want that of the account to stay", u.Email)
		}
		if i := u.Identities[0]; i.Email != "ada@new.example.com" {
			t.Errorf("got identity %+v, want the provider's new address", i)
		}
		var profile struct{ Name, Theme, Email string }
		if err := u.UserMetadata.Decode(&profile); err != nil || profile.Name != "Ada L." || profile.Theme != "dark" {
			t.Errorf("got metadata %s, want it merged", u.UserMetadata)
		}
	})
}

func TestVerifiedAddressLinksToAProvenAccount(t *testing.T) {
	withProvider(t, func(c *postern.Config) { c.Email.Notify.IdentityLinked = true }, func(t *testing.T, o outside) {
		password := goodPassword
		u := must(o.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: ada, Password: &password, EmailConfirm: true}))
		session := o.mustVisit(t, authtest.Person("Ada@Example.com"))
		if session.User.ID != u.ID || len(session.User.Identities) != 2 {
			t.Fatalf("got user %+v, want the account with a second identity", session.User)
		}
		wantJSON(t, "app_metadata", session.User.AppMetadata, map[string]any{"provider": "email", "providers": []any{"email", "github"}})
		o.signIn(t, goodPassword) // it was proven who set it
		if m := o.box.mail(t, ada); m.Type != postern.MailIdentityLinked || m.Provider != "github" {
			t.Errorf("got mail %+v, want to be told of the identity", m)
		}
	})
}

func TestUnverifiedAddressLinksToNothing(t *testing.T) {
	for name, edit := range map[string]func(*postern.Config){
		"confirming":  nil,
		"autoconfirm": func(c *postern.Config) { c.Email.Autoconfirm = true },
	} {
		t.Run(name, func(t *testing.T) {
			withProvider(t, edit, func(t *testing.T, o outside) {
				must(o.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: ada, EmailConfirm: true}))
				res, err := o.visit(t, unverified(ada))
				wantError(t, err, postern.KindUnprocessable, postern.ErrProviderEmailNeedsVerification)
				if got := query(t, res.Location); got.Get("error") != "access_denied" || got.Get("error_code") != "provider_email_needs_verification" {
					t.Errorf("got %v", got)
				}
				if n := o.users(t); n != 1 || o.count(t, "SELECT count(*) FROM auth.identities") != 1 {
					t.Errorf("got %d users, want nothing to be stored", n)
				}
			})
		})
	}
}

func TestUnverifiedAddressHasToBeConfirmed(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		_, err := o.visit(t, unverified(ada))
		wantError(t, err, postern.KindUnprocessable, postern.ErrProviderEmailNeedsVerification)
		m := o.box.mail(t, ada)
		if m.Type != postern.MailSignUp {
			t.Fatalf("got mail %+v, want one to confirm", m)
		}
		_, err = o.visit(t, unverified(ada))
		wantError(t, err, postern.KindTooMany, postern.ErrOverEmailSendRateLimit)
		o.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, TokenHash: string(m.TokenHash)})
		if session := o.mustVisit(t, unverified(ada)); session.User.Email != ada || o.users(t) != 1 {
			t.Errorf("got user %+v, want the confirmed one", session.User)
		}
	})
}

func TestUnverifiedAddressMayDoWhereTheOperatorSaysSo(t *testing.T) {
	withProvider(t, func(c *postern.Config) { c.Email.AllowUnverifiedSignIns = true }, func(t *testing.T, o outside) {
		u := o.mustVisit(t, unverified(ada)).User
		if u.EmailConfirmedAt != nil || u.Email != ada {
			t.Errorf("got user %+v, want it in with its address unconfirmed", u)
		}
		session := o.mustVisit(t, func() postern.Profile { p := authtest.Person(ada); p.Claims.Subject = "owner"; return p }())
		if len(session.User.Identities) != 1 || session.User.Identities[0].ID != "owner" {
			t.Errorf("got identities %+v, want that of the address's owner alone", session.User.Identities)
		}
		if _, err := o.Authenticate(t.Context(), session.AccessToken); err != nil {
			t.Error(err)
		}
		if n := o.count(t, "SELECT count(*) FROM auth.sessions"); n != 1 {
			t.Errorf("got %d sessions, want the stranger's to be gone", n)
		}
	})
}

// Whoever owns the mailbox of somebody who was let in unproven gets the account, by
// whatever proof, and nothing of the other's is left. A claim alone gets nothing.
func TestOwnerOfAnUnprovenAddressFindsNothingOfAStranger(t *testing.T) {
	for name, prove := range map[string]func(t *testing.T, o outside) *postern.User{
		"a magic link": func(t *testing.T, o outside) *postern.User {
			must(o.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Email: ada}))
			m := o.box.mail(t, ada)
			return o.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyType(m.Type), TokenHash: string(m.TokenHash)}).User
		},
		"an invitation": func(t *testing.T, o outside) *postern.User {
			must(o.Invite(t.Context(), postern.InviteParams{Email: ada}))
			return o.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyInvite, TokenHash: string(o.box.mail(t, ada).TokenHash)}).User
		},
		"a provider": func(t *testing.T, o outside) *postern.User {
			return o.mustVisit(t, as("owner", authtest.Person(ada))).User
		},
	} {
		t.Run(name, func(t *testing.T) {
			withProvider(t, func(c *postern.Config) { c.Email.AllowUnverifiedSignIns = true }, func(t *testing.T, o outside) {
				stranger := o.mustVisit(t, as("stranger", unverified(ada)))
				if _, err := o.UpdateUser(t.Context(), o.caller(t, stranger), postern.UpdateUserParams{Data: map[string]any{"theme": "stranger's"}}); err != nil {
					t.Fatal(err)
				}
				must(o.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword}))
				o.caller(t, stranger) // is let alone so far
				o.Advance(time.Minute)

				u := prove(t, o)
				if u.EmailConfirmedAt == nil || len(u.Identities) != 1 || u.Identities[0].ID == "stranger" || says(t, u.UserMetadata, "theme", "stranger's") {
					t.Errorf("got user %+v, want nothing of the stranger's", u)
				}
				if _, err := o.Authenticate(t.Context(), stranger.AccessToken); err == nil {
					t.Error("the stranger is still signed in")
				}
			})
		})
	}
}

// What a stranger signed up with does not survive the proof (guarantees: B7).
func TestProviderSweepsAStrangersSignUp(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		must(o.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword, Data: map[string]any{"theme": "stranger's"}}))
		stranger := o.box.mail(t, ada)
		o.addFactor(t, must(o.AdminListUsers(t.Context(), postern.AdminListUsersParams{})).Users[0].ID)
		u := o.mustVisit(t, authtest.Person(ada)).User
		if o.users(t) != 1 || len(u.Identities) != 1 || u.Identities[0].Provider != "github" || u.EmailConfirmedAt == nil {
			t.Fatalf("got user %+v, want the account with the provider's identity alone", u)
		}
		if strings.Contains(string(u.UserMetadata), "stranger") {
			t.Errorf("got metadata %s, want the stranger's gone", u.UserMetadata)
		}
		if n := o.count(t, "SELECT count(*) FROM auth.mfa_factors"); n != 0 {
			t.Errorf("got %d factors, want none", n)
		}
		_, err := o.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: ada, Password: goodPassword})
		wantError(t, err, postern.KindInvalid, postern.ErrInvalidCredentials)
		_, err = o.verify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, TokenHash: string(stranger.TokenHash)})
		wantError(t, err, postern.KindForbidden, postern.ErrOTPExpired)
	})
}

// An address that an identity only mentions is not the account's (guarantees: B8).
func TestMentionedAddressDoesNotAttractItsOwner(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		stranger := o.mustVisit(t, authtest.Person("stranger@example.com"))
		claims := unverified(ada)
		claims.Claims.Subject = "stranger-2"
		location := must(o.LinkIdentityURL(t.Context(), o.caller(t, stranger), postern.AuthorizeParams{Provider: "github"}))
		if _, err := o.comeBack(t, location, claims); err != nil {
			t.Fatalf("linking: %v", err)
		}
		owner := o.mustVisit(t, authtest.Person(ada))
		if owner.User.ID == stranger.User.ID || owner.User.Email != ada || o.users(t) != 2 {
			t.Errorf("got user %+v, want an account of the owner's own", owner.User)
		}
	})
}

// Whether an address has an account is not for those to know who have not shown to
// own it (guarantees: D19).
func TestUnverifiedAddressLearnsNothing(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		must(o.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: ada, EmailConfirm: true}))
		for _, again := range []string{"once", "twice"} { // the second time is too soon for either
			known, knownErr := o.visit(t, as("a", unverified(ada)))
			unknown, unknownErr := o.visit(t, as("b", unverified("bob@example.com")))
			if known.Location != unknown.Location || knownErr.Error() != unknownErr.Error() {
				t.Errorf("%s: got %q and %q, want them alike", again, known.Location, unknown.Location)
			}
		}
	})
}

func TestSeveralAccountsOfOnePersonAreNotGuessed(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		for _, email := range []string{"a@example.com", "b@example.com"} {
			must(o.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: email, EmailConfirm: true}))
		}
		who := authtest.Person("c@example.com")
		who.Emails = append(who.Emails, postern.ProfileEmail{Email: "a@example.com", Verified: true}, postern.ProfileEmail{Email: "b@example.com", Verified: true})
		_, err := o.visit(t, who)
		wantError(t, err, postern.KindConflict, postern.ErrConflict)
		who.Emails[0].Email = "b@example.com"
		if u := o.mustVisit(t, who).User; u.Email != "b@example.com" {
			t.Errorf("got %q, want the account of the primary address", u.Email)
		}
	})
}

func TestLinkingDomainsKeepApart(t *testing.T) {
	withProvider(t, func(c *postern.Config) { c.OAuth.LinkingDomains = map[string]string{"github": "work"} }, func(t *testing.T, o outside) {
		must(o.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: ada, EmailConfirm: true}))
		if u := o.mustVisit(t, authtest.Person(ada)).User; u.Email != ada || o.users(t) != 2 {
			t.Errorf("got user %+v of %d, want an account of its own", u, o.users(t))
		}
	})
}

func TestSignUpWithAProviderCanBeSwitchedOff(t *testing.T) {
	withProvider(t, func(c *postern.Config) { c.DisableSignUp = true }, func(t *testing.T, o outside) {
		res, err := o.visit(t, authtest.Person(ada))
		wantError(t, err, postern.KindUnprocessable, postern.ErrSignUpDisabled)
		if got := query(t, res.Location).Get("error"); got != "access_denied" {
			t.Errorf("got error %q, want access_denied", got)
		}
		must(o.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: ada, EmailConfirm: true}))
		o.mustVisit(t, authtest.Person(ada))
	})
}

func TestBannedUserIsRefusedWhateverTheProviderSays(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		u := o.mustVisit(t, authtest.Person(ada)).User
		must(o.AdminUpdateUser(t.Context(), u.ID, postern.AdminUpdateUserParams{BanDuration: "1h"}))
		res, err := o.visit(t, authtest.Person(ada))
		wantError(t, err, postern.KindForbidden, postern.ErrUserBanned)
		if got := query(t, res.Location).Get("error"); got != "access_denied" {
			t.Errorf("got error %q, want access_denied", got)
		}
	})
}

func TestOneOfManyFirstVisitsMakesTheAccount(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		errs := make(chan error, 10)
		for range cap(errs) {
			back := postern.CallbackParams{Params: o.github.Approve(o.authorize(t, postern.AuthorizeParams{}), authtest.Person(ada))}
			go func() {
				_, err := o.Callback(context.WithoutCancel(t.Context()), back)
				errs <- err
			}()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Errorf("Callback: %v", err)
			}
		}
		if n := o.users(t); n != 1 || o.count(t, "SELECT count(*) FROM auth.identities") != 1 {
			t.Errorf("got %d users, want one", n)
		}
	})
}

func TestProviderThatIsOfNoHelp(t *testing.T) {
	nobody := authtest.Person(ada)
	nobody.Claims.Subject = ""
	strange := authtest.Person(ada)
	strange.Claims.Name = "a\x00b"
	large := authtest.Person(ada)
	large.Claims.CustomClaims = map[string]any{"groups": strings.Repeat("g", 1<<17)}
	hidden := authtest.Person(ada)
	hidden.Emails = nil
	broken := authtest.Person(ada)
	broken.Emails[0].Email = "no address"
	withProvider(t, nil, func(t *testing.T, o outside) {
		for name, c := range map[string]struct {
			who     postern.Profile
			message string
		}{
			"no subject":  {nobody, "Error getting user profile from external provider"},
			"NUL":         {strange, "Error getting user profile from external provider"},
			"too large":   {large, "Error getting user profile from external provider"},
			"no address":  {hidden, "Error getting user email from external provider"},
			"bad address": {broken, "Error getting user email from external provider"},
		} {
			res, err := o.visit(t, c.who)
			if err == nil {
				t.Fatalf("%s: was let in", name)
			}
			got := query(t, res.Location)
			if got.Get("error") != "server_error" || got.Get("error_code") != "unexpected_failure" || got.Get("error_description") != c.message {
				t.Errorf("%s: got %v, want %q", name, got, c.message)
			}
		}
		if n := o.users(t); n != 0 {
			t.Errorf("got %d users, want none", n)
		}
	})
}

func TestProviderThatNeedTellNoAddress(t *testing.T) {
	optional := func(c *postern.Config) {
		for i := range c.Providers {
			c.Providers[i].EmailOptional = true
		}
	}
	withProvider(t, optional, func(t *testing.T, o outside) {
		who := authtest.Person(ada)
		who.Emails = nil
		u := o.mustVisit(t, who).User
		if u.Email != "" || u.IsAnonymous || len(u.Identities) != 1 {
			t.Errorf("got user %+v, want one without an address", u)
		}
		if again := o.mustVisit(t, who).User; again.ID != u.ID {
			t.Errorf("got user %s, want %s again", again.ID, u.ID)
		}
	})
}

// The state of a flow is good once, for a time, for its provider and in its
// browser (guarantees: B13).
func TestStateIsGoodOnce(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		begin := func(p postern.AuthorizeParams) url.Values {
			return o.github.Approve(o.authorize(t, p), authtest.Person(ada))
		}
		end := func(params url.Values, browser postern.Secret, code postern.Code, message string) {
			t.Helper()
			res, err := o.Callback(t.Context(), postern.CallbackParams{Params: params, Browser: browser})
			wantError(t, err, postern.KindInvalid, code)
			if got := query(t, res.Location); !res.Unknown || got.Get("error_code") != string(code) || got.Get("error_description") != message {
				t.Errorf("got %q, want the site and %q", res.Location, message)
			}
			if strings.Contains(res.Location, "#") {
				t.Errorf("got %q, want no fragment", res.Location)
			}
		}
		end(url.Values{"code": {"x"}}, "", postern.ErrBadOAuthCallback, "OAuth state parameter missing")
		end(url.Values{"state": {"x"}}, "", postern.ErrBadOAuthState, "OAuth state parameter is invalid")
		end(url.Values{"state": {uuid.NewString()}, "code": {"x"}}, "", postern.ErrBadOAuthState, "OAuth state not found or expired")

		used := begin(postern.AuthorizeParams{})
		if _, err := o.Callback(t.Context(), postern.CallbackParams{Params: used}); err != nil {
			t.Fatal(err)
		}
		end(used, "", postern.ErrBadOAuthState, "OAuth state not found or expired")

		denied := begin(postern.AuthorizeParams{})
		approved := url.Values{"state": denied["state"], "code": denied["code"]}
		denied.Del("code")
		denied.Set("error", "access_denied")
		if _, err := o.Callback(t.Context(), postern.CallbackParams{Params: denied}); err == nil {
			t.Fatal("was let in")
		}
		end(approved, "", postern.ErrFlowStateUsed, "State has already been used")

		bound := begin(postern.AuthorizeParams{Browser: "one"})
		end(bound, "", postern.ErrBadOAuthState, "OAuth state parameter is invalid")
		end(bound, "another", postern.ErrBadOAuthState, "OAuth state parameter is invalid")
		if _, err := o.Callback(t.Context(), postern.CallbackParams{Params: bound, Browser: "one"}); err != nil {
			t.Errorf("in its own browser: %v", err)
		}

		late := begin(postern.AuthorizeParams{})
		o.Advance(5 * time.Minute)
		end(late, "", postern.ErrBadOAuthState, "OAuth state has expired")
	})
}

func TestOneOfManyUsesOfAStateWins(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		location := o.authorize(t, postern.AuthorizeParams{})
		useAtOnce(t, postern.ErrFlowStateUsed, func(int) error {
			_, err := o.comeBack(t, location, authtest.Person(ada)) // each with a good code
			if errors.Is(err, postern.ErrBadOAuthState) {           // the flow is over and gone
				return postern.ErrFlowStateUsed
			}
			return err
		})
	})
}

func TestStateOfAMailIsNone(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		o.mustVisit(t, authtest.Person(ada))
		challenge := postern.Challenge{CodeChallenge: strings.Repeat("v", 43), CodeChallengeMethod: "plain"}
		if err := o.ResetPasswordForEmail(t.Context(), postern.ResetPasswordParams{Email: ada, Challenge: challenge}); err != nil {
			t.Fatal(err)
		}
		var id string
		if err := o.st.DB().QueryRowContext(t.Context(), o.dialect("SELECT id FROM auth.flow_state")).Scan(&id); err != nil {
			t.Fatal(err)
		}
		_, err := o.Callback(t.Context(), postern.CallbackParams{Params: url.Values{"state": {id}, "code": {"x"}}})
		wantError(t, err, postern.KindInvalid, postern.ErrBadOAuthState)
	})
}

func TestWhatTheBrowserBringsBackIsChecked(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		for name, c := range map[string]struct {
			edit    func(url.Values)
			code    string
			message string
		}{
			"denial":         {func(v url.Values) { v.Set("error", "access_denied"); v.Set("error_description", "No, thanks") }, "", "No, thanks"},
			"no code":        {func(v url.Values) { v.Del("code") }, "bad_oauth_callback", "OAuth callback with missing authorization code missing"},
			"foreign issuer": {func(v url.Values) { v.Set("iss", "https://evil.example") }, "bad_oauth_callback", "OAuth callback from another issuer than the one that was asked"},
			"foreign code":   {func(v url.Values) { v.Set("code", "guessed") }, "unexpected_failure", "Unable to exchange external code: gues"},
		} {
			location := o.authorize(t, postern.AuthorizeParams{RedirectTo: "https://app.example.com/welcome?a=b"})
			back := o.github.Approve(location, authtest.Person(ada))
			c.edit(back)
			res, err := o.Callback(t.Context(), postern.CallbackParams{Params: back})
			if err == nil {
				t.Fatalf("%s: was let in", name)
			}
			got := query(t, res.Location)
			if got.Get("error_code") != c.code || got.Get("error_description") != c.message || got.Get("a") != "b" || res.Unknown {
				t.Errorf("%s: got %q, want the target with %q", name, res.Location, c.message)
			}
		}
		if n := o.users(t); n != 0 {
			t.Errorf("got %d users, want none", n)
		}
	})
}

func TestProviderIsSwitchedOffInBetween(t *testing.T) {
	withProvider(t, nil, func(t *testing.T, o outside) {
		back := o.github.Approve(o.authorize(t, postern.AuthorizeParams{}), authtest.Person(ada))
		off := o.with(t, confirming)
		_, err := off.Callback(t.Context(), postern.CallbackParams{Params: back})
		wantError(t, err, postern.KindInvalid, postern.ErrOAuthProviderNotSupported)
	})
}

func TestUnusableProvidersSayWhy(t *testing.T) {
	edit := func(c *postern.Config) {
		c.Providers = append(c.Providers, postern.Provider{
			Name: "google", Unusable: errors.New("missing OAuth secret"), Authorize: c.Providers[0].Authorize,
			Exchange: c.Providers[0].Exchange, Profile: c.Providers[0].Profile,
		})
	}
	withProvider(t, edit, func(t *testing.T, o outside) {
		for provider, want := range map[string]string{
			"google": "missing OAuth secret", "apple": "provider is not enabled", "x": "provider is not enabled",
			"nope": "Provider nope could not be found", "": "Provider  could not be found",
			"custom:acme": "custom OAuth providers are disabled",
		} {
			_, err := o.AuthorizeURL(t.Context(), postern.AuthorizeParams{Provider: provider})
			wantError(t, err, postern.KindInvalid, postern.ErrValidationFailed)
			var e *postern.Error
			if errors.As(err, &e); e.Message != "Unsupported provider: "+want {
				t.Errorf("%q: got %q, want %q", provider, e.Message, want)
			}
		}
	})
}

func TestInvitationIsAcceptedWithAProvider(t *testing.T) {
	withProvider(t, func(c *postern.Config) { c.DisableSignUp = true }, func(t *testing.T, o outside) {
		invited := must(o.Invite(t.Context(), postern.InviteParams{Email: ada, Data: map[string]any{"team": "red"}}))
		token := string(o.box.mail(t, ada).TokenHash)
		_, err := o.AuthorizeURL(t.Context(), postern.AuthorizeParams{Provider: "github", InviteToken: "guessed"})
		wantError(t, err, postern.KindNotFound, postern.ErrUserNotFound)

		_, err = o.comeBack(t, o.authorize(t, postern.AuthorizeParams{InviteToken: token}), authtest.Person("bob@example.com"))
		wantError(t, err, postern.KindInvalid, postern.ErrValidationFailed)

		res, err := o.comeBack(t, o.authorize(t, postern.AuthorizeParams{InviteToken: token}), unverified(ada))
		if err != nil {
			t.Fatal(err)
		}
		u := res.Session.User
		if u.ID != invited.ID || u.EmailConfirmedAt == nil || len(u.Identities) != 1 || u.Identities[0].Provider != "github" {
			t.Errorf("got user %+v, want the invited one with the identity alone", u)
		}
		if !says(t, u.UserMetadata, "team", "red") {
			t.Errorf("got metadata %s, want what the operator said to stay", u.UserMetadata)
		}
		_, err = o.AuthorizeURL(t.Context(), postern.AuthorizeParams{Provider: "github", InviteToken: token})
		wantError(t, err, postern.KindNotFound, postern.ErrUserNotFound)
	})
}

func TestProvidersThatCannotWorkAreMistakes(t *testing.T) {
	t.Parallel()
	whole := authtest.NewProvider("github").Provider()
	half := whole
	half.Name, half.Profile = "gitlab", nil
	for want, c := range map[string]postern.Config{
		`Providers[1] has the name "github", which is another's or none`: {Providers: []postern.Provider{whole, whole}},
		`Providers[0] has the name "email", which is another's or none`:  {Providers: []postern.Provider{authtest.NewProvider("email").Provider()}},
		`Providers[0] has the name "", which is another's or none`:       {Providers: []postern.Provider{{}}},
		`are for those that operators describe`:                          {Providers: []postern.Provider{authtest.NewProvider("custom:x").Provider()}},
		`"gitlab" has Authorize, and so needs Exchange and Profile`:      {Providers: []postern.Provider{half}},
		`"x" has neither Authorize nor VerifyIDToken`:                    {Providers: []postern.Provider{{Name: "x"}}},
		`Web3[0] needs a Name and Verify`:                                {Web3: []postern.Web3Chain{{Name: "solana"}}},
	} {
		if _, err := postern.New(dbtest.SQLite(t), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
