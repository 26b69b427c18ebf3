package webauthn_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/webauthntest"
	"github.com/postern-auth/postern/webauthn"
)

const origin = "https://app.example.com"

func open(t *testing.T, edit ...func(*webauthn.Config)) *webauthn.WebAuthn {
	t.Helper()
	c := webauthn.Config{RPID: "example.com", Origins: []string{origin}}
	for _, e := range edit {
		e(&c)
	}
	w, err := webauthn.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// ada is a user with a credential of an authenticator.
func ada(t *testing.T, w *webauthn.WebAuthn, a *webauthntest.Authenticator) postern.WebAuthnUser {
	t.Helper()
	u := postern.WebAuthnUser{ID: uuid.New(), Name: "ada@example.com", DisplayName: "Ada"}
	options, session, err := w.BeginRegistration(u, true)
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.FinishRegistration(u, session, must(a.Create(options)))
	if err != nil {
		t.Fatal(err)
	}
	u.Credentials = append(u.Credentials, *c)
	return u
}

// assert signs in, with or without saying who.
func assert(w *webauthn.WebAuthn, a *webauthntest.Authenticator, u postern.WebAuthnUser, named bool) (*postern.WebAuthnCredential, error) {
	var who *postern.WebAuthnUser
	if named {
		who = &u
	}
	options, session, err := w.BeginAssertion(who)
	if err != nil {
		return nil, err
	}
	response, err := a.Get(options)
	if err != nil {
		return nil, err
	}
	return w.FinishAssertion(session, response, func(handle []byte) (*postern.WebAuthnUser, error) {
		if string(handle) != u.ID.String() {
			return nil, errors.New("another handle")
		}
		return &u, nil
	})
}

func TestCredentialIsMadeAndUsed(t *testing.T) {
	t.Parallel()
	w, a := open(t), webauthntest.New(origin)
	u := ada(t, w, a)
	c := u.Credentials[0]
	if string(c.ID) != string(a.Credentials[0].ID) || c.AAGUID != a.AAGUID || c.Authenticator != "Google Password Manager" ||
		!c.BackupEligible || !c.BackedUp || !c.UserVerified || strings.Join(c.Transports, " ") != "internal hybrid" {
		t.Errorf("got %+v, want what the authenticator said", c)
	}
	for _, named := range []bool{true, false} {
		used, err := assert(w, a, u, named)
		if err != nil || used.SignCount != a.Counter || used.CloneWarning || used.BackupEligibleChanged {
			t.Errorf("named %v: got %+v, %v, want a counter of %d", named, used, err, a.Counter)
		}
	}
	// What a table of columns keeps is enough.
	u.Credentials[0].Record = nil
	if _, err := assert(w, a, u, false); err != nil {
		t.Errorf("without the record: %v", err)
	}
	options, _, err := w.BeginRegistration(u, true)
	if _, excluded := a.Create(options); err != nil || !errors.Is(excluded, webauthntest.ErrExcluded) {
		t.Errorf("a second one: got %v, %v, want it to be excluded", err, excluded)
	}
}

func TestOptionsAreThoseOfGoTrue(t *testing.T) {
	t.Parallel()
	w := open(t)
	u := postern.WebAuthnUser{ID: uuid.New(), Name: "ada@example.com", DisplayName: "Ada"}
	passkey, _, err := w.BeginRegistration(u, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"rp":{"name":"example.com","id":"example.com"}`, `"residentKey":"required"`, `"requireResidentKey":true`,
		`"userVerification":"preferred"`, `"attestation":"none"`, `"name":"ada@example.com","displayName":"Ada"`,
	} {
		if !strings.Contains(string(passkey), want) {
			t.Errorf("got %s, want %s in it", passkey, want)
		}
	}
	get, session, err := w.BeginAssertion(nil)
	if err != nil || strings.Contains(string(get), "allowCredentials") || !strings.Contains(string(get), `"rpId":"example.com"`) {
		t.Errorf("got %s, %v, want no list of credentials", get, err)
	}
	if !strings.Contains(string(session), `"challenge":"`) {
		t.Errorf("got %s, want the challenge in it", session)
	}
}

func TestResponsesThatAreNotTrue(t *testing.T) {
	t.Parallel()
	w := open(t)
	for name, spoil := range map[string]func(a *webauthntest.Authenticator, u *postern.WebAuthnUser){
		"another origin":     func(a *webauthntest.Authenticator, _ *postern.WebAuthnUser) { a.Origin = "https://evil.example" },
		"nobody present":     func(a *webauthntest.Authenticator, _ *postern.WebAuthnUser) { a.Flags &^= webauthntest.UserPresent },
		"another's key":      func(a *webauthntest.Authenticator, u *postern.WebAuthnUser) { *u = withKeyOf(*u, a, t) },
		"an unknown one":     func(_ *webauthntest.Authenticator, u *postern.WebAuthnUser) { u.Credentials = nil },
		"another user":       func(a *webauthntest.Authenticator, _ *postern.WebAuthnUser) { a.Credentials[0].Handle = []byte("x") },
		"backed up, but not": func(a *webauthntest.Authenticator, _ *postern.WebAuthnUser) { a.Flags &^= webauthntest.BackupEligible },
	} {
		t.Run(name, func(t *testing.T) {
			a := webauthntest.New(origin)
			u := ada(t, w, a)
			spoil(a, &u)
			_, err := assert(w, a, u, false)
			var refused *postern.WebAuthnError
			if err == nil || name != "another user" && (!errors.As(err, &refused) || refused.Malformed) {
				t.Errorf("got error %v, want a WebAuthnError", err)
			}
		})
	}
}

// withKeyOf gives a user's credential the key of another.
func withKeyOf(u postern.WebAuthnUser, a *webauthntest.Authenticator, t *testing.T) postern.WebAuthnUser {
	other := ada(t, open(t), webauthntest.New(origin))
	u.Credentials[0].PublicKey, u.Credentials[0].Record = other.Credentials[0].PublicKey, nil
	return u
}

func TestUserVerificationMayBeRequired(t *testing.T) {
	t.Parallel()
	w := open(t, func(c *webauthn.Config) { c.UserVerification = "required" })
	a := webauthntest.New(origin)
	u := ada(t, w, a)
	a.Flags &^= webauthntest.UserVerified
	if _, err := assert(w, a, u, false); err == nil {
		t.Error("got no error, want one of an assertion without the user's PIN")
	}
	if _, err := assert(open(t), a, u, false); err != nil {
		t.Errorf("where it is preferred: %v", err)
	}
}

func TestCountersThatGoBackAndBackupsThatComeAreTold(t *testing.T) {
	t.Parallel()
	w, a := open(t), webauthntest.New(origin)
	a.Flags = webauthntest.UserPresent
	a.Counter = 10
	u := ada(t, w, a)
	a.Counter, a.Flags = 5, webauthntest.UserPresent|webauthntest.BackupEligible|webauthntest.BackedUp
	used, err := assert(w, a, u, false)
	if err != nil || !used.CloneWarning || !used.BackupEligibleChanged || !used.BackupEligible || !used.BackedUp {
		t.Errorf("got %+v, %v, want a warning of a clone and of a changed eligibility", used, err)
	}
}

func TestResponsesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w, a := open(t), webauthntest.New(origin)
	u := ada(t, w, a)
	_, session, err := w.BeginAssertion(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, response := range []string{``, `null`, `[]`, `{}`, `"x"`, `{"id":"x"}`, `{"id":"eA","rawId":"eA","type":"public-key","response":{}}`} {
		_, made := w.FinishRegistration(u, session, postern.Metadata(response))
		_, used := w.FinishAssertion(session, postern.Metadata(response), func([]byte) (*postern.WebAuthnUser, error) { return &u, nil })
		for _, err := range []error{made, used} {
			var refused *postern.WebAuthnError
			if !errors.As(err, &refused) || !refused.Malformed {
				t.Errorf("%s: got error %v, want a malformed one", response, err)
			}
		}
	}
	if _, err := w.FinishAssertion(nil, nil, nil); err == nil {
		t.Error("without a session: got no error")
	}
}

func TestConfigurationsThatCannotWork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]webauthn.Config{
		"no domain":          {Origins: []string{origin}},
		"a URL for a domain": {RPID: origin, Origins: []string{origin}},
		"no origin":          {RPID: "example.com"},
		"another's origin":   {RPID: "example.com", Origins: []string{"https://notexample.com"}},
		"no origin at all":   {RPID: "example.com", Origins: []string{"example.com"}},
		"verification":       {RPID: "example.com", Origins: []string{origin}, UserVerification: "always"},
	} {
		if _, err := webauthn.New(c); err == nil || !strings.HasPrefix(err.Error(), "webauthn: ") {
			t.Errorf("%s: got error %v, want a sentence", name, err)
		}
	}
	if _, err := webauthn.New(webauthn.Config{RPID: "localhost", Origins: []string{"http://localhost:3000", "android:apk-key-hash:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}}); err != nil {
		t.Errorf("a local site and an app: %v", err)
	}
}

// FuzzResponses looks for responses that do more than fail.
func FuzzResponses(f *testing.F) {
	w, err := webauthn.New(webauthn.Config{RPID: "example.com", Origins: []string{origin}})
	if err != nil {
		f.Fatal(err)
	}
	a := webauthntest.New(origin)
	u := postern.WebAuthnUser{ID: uuid.New(), Name: "ada"}
	options, registration, err := w.BeginRegistration(u, true)
	if err != nil {
		f.Fatal(err)
	}
	made := must(a.Create(options))
	u.Credentials = append(u.Credentials, *must(w.FinishRegistration(u, registration, made)))
	options, assertion, err := w.BeginAssertion(nil)
	if err != nil {
		f.Fatal(err)
	}
	used := must(a.Get(options))
	f.Add(string(made))
	f.Add(string(used))
	f.Add(`{"id":"eA","rawId":"eA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA"}}`)
	f.Fuzz(func(t *testing.T, response string) {
		find := func([]byte) (*postern.WebAuthnUser, error) { return &u, nil }
		if c, err := w.FinishRegistration(u, registration, postern.Metadata(response)); err == nil && len(c.ID) == 0 {
			t.Errorf("got a credential without an id of %q", response)
		}
		if c, err := w.FinishAssertion(assertion, postern.Metadata(response), find); err == nil && string(c.ID) != string(u.Credentials[0].ID) {
			t.Errorf("got another credential of %q", response)
		}
	})
}
