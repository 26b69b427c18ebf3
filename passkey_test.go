package postern_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/webauthntest"
	"github.com/postern-auth/postern/webauthn"
)

const page = "https://app.example.com"

// passkeys switches passkeys and WebAuthn factors on.
func passkeys(c *postern.Config) {
	c.Passkeys.Enabled = true
	c.MFA.WebAuthn = postern.WebAuthnFactorConfig{Enroll: true, Verify: true}
	c.WebAuthn = must(webauthn.New(webauthn.Config{RPID: "example.com", Origins: []string{page}}))
}

// register gives a signed-in user a passkey in an authenticator.
func (s service) register(t *testing.T, session *postern.Session, a *webauthntest.Authenticator) (*postern.Passkey, error) {
	t.Helper()
	c := s.caller(t, session)
	o, err := s.BeginPasskeyRegistration(t.Context(), c)
	if err != nil {
		return nil, err
	}
	response, err := a.Create(o.Options)
	if err != nil {
		return nil, err
	}
	return s.RegisterPasskey(t.Context(), c, postern.PasskeyResponse{ChallengeID: o.ChallengeID, Credential: response})
}

// present begins to sign in with a passkey and returns what ends it.
func (s service) present(t *testing.T, a *webauthntest.Authenticator) postern.PasskeyResponse {
	t.Helper()
	o := must(s.BeginPasskeySignIn(t.Context()))
	return postern.PasskeyResponse{ChallengeID: o.ChallengeID, Credential: must(a.Get(o.Options))}
}

func TestPasskeySignsIn(t *testing.T) {
	each(t, passkeys, func(t *testing.T, s service) {
		session, a := s.signUp(t), webauthntest.New(page)
		made := must(s.register(t, session, a))
		if made.FriendlyName != "Google Password Manager" || made.LastUsedAt != nil {
			t.Errorf("got %+v, want it to be called as its authenticator", made)
		}
		got := must(s.SignInWithPasskey(t.Context(), s.present(t, a)))
		c := s.caller(t, got)
		if got.User.ID != session.User.ID || c.AAL() != "aal1" || strings.Join(methods(c.Claims), " ") != "passkey" {
			t.Errorf("got %s by %v, want aal1 by a passkey", c.AAL(), methods(c.Claims))
		}
		list := must(s.ListPasskeys(t.Context(), c))
		if len(list) != 1 || list[0].ID != made.ID || list[0].LastUsedAt == nil {
			t.Errorf("got %+v, want the passkey, used", list)
		}
		if got := s.count(t, `SELECT sign_count FROM auth.webauthn_credentials`); got != int(a.Counter) {
			t.Errorf("got a stored counter of %d, want %d", got, a.Counter)
		}
	})
}

func TestOneOfManyUsesOfACeremonyWins(t *testing.T) {
	each(t, passkeys, func(t *testing.T, s service) {
		session, a := s.signUp(t), webauthntest.New(page)
		must(s.register(t, session, a))
		response := s.present(t, a)
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := s.SignInWithPasskey(t.Context(), response); err == nil {
					won.Add(1)
				} else if !isCode(err, postern.ErrWebAuthnChallengeNotFound) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("got %d uses that succeeded, want 1", won.Load())
		}
	})
}

func TestCeremonyIsGoodForItsPurposeItsUserAndItsTime(t *testing.T) {
	each(t, passkeys, func(t *testing.T, s service) {
		session, a := s.signUp(t), webauthntest.New(page)
		bob := s.SignedIn(t, "bob@example.com")
		c := s.caller(t, session)
		registration := must(s.BeginPasskeyRegistration(t.Context(), c))
		made := postern.PasskeyResponse{ChallengeID: registration.ChallengeID, Credential: must(a.Create(registration.Options))}
		_, err := s.SignInWithPasskey(t.Context(), made)
		wantError(t, err, postern.KindInvalid, postern.ErrWebAuthnChallengeNotFound)
		_, err = s.RegisterPasskey(t.Context(), s.caller(t, bob), made)
		wantError(t, err, postern.KindInvalid, postern.ErrWebAuthnChallengeNotFound)

		must(s.register(t, session, webauthntest.New(page)))
		late := must(s.BeginPasskeyRegistration(t.Context(), c))
		s.Advance(5 * time.Minute)
		_, err = s.RegisterPasskey(t.Context(), c, postern.PasskeyResponse{ChallengeID: late.ChallengeID, Credential: must(webauthntest.New(page).Create(late.Options))})
		wantError(t, err, postern.KindInvalid, postern.ErrWebAuthnChallengeExpired)
		if got := s.count(t, `SELECT count(*) FROM auth.webauthn_challenges`); got != 0 {
			t.Errorf("got %d ceremonies that are left, want none: a first attempt uses one up", got)
		}
	})
}

func TestPasskeySignInRefuses(t *testing.T) {
	each(t, passkeys, func(t *testing.T, s service) {
		session, a := s.signUp(t), webauthntest.New(page)
		made := must(s.register(t, session, a))
		refused := func(what string, want postern.Code, spoil func(r *postern.PasskeyResponse)) {
			t.Helper()
			r := s.present(t, a)
			spoil(&r)
			if _, err := s.SignInWithPasskey(t.Context(), r); !isCode(err, want) {
				t.Errorf("%s: got error %v, want %s", what, err, want)
			}
		}
		refused("what cannot be read", postern.ErrWebAuthnVerificationFailed, func(r *postern.PasskeyResponse) { r.Credential = postern.Metadata(`{"id":1}`) })
		refused("another ceremony's", postern.ErrWebAuthnVerificationFailed, func(r *postern.PasskeyResponse) { r.Credential = s.present(t, a).Credential })
		a.Origin = "https://evil.example"
		refused("another page's", postern.ErrWebAuthnVerificationFailed, func(*postern.PasskeyResponse) {})
		a.Origin = page
		handle := a.Credentials[0].Handle
		for _, other := range []string{"", "x", strings.ToUpper(string(handle)), "{" + string(handle) + "}"} {
			a.Credentials[0].Handle = []byte(other)
			refused("handle "+other, postern.ErrValidationFailed, func(*postern.PasskeyResponse) {})
		}
		a.Credentials[0].Handle = []byte(uuid.NewString())
		refused("nobody's handle", postern.ErrWebAuthnVerificationFailed, func(*postern.PasskeyResponse) {})
		a.Credentials[0].Handle = []byte(s.SignedIn(t, "bob@example.com").User.ID.String())
		refused("another's handle", postern.ErrWebAuthnVerificationFailed, func(*postern.PasskeyResponse) {})
		a.Credentials[0].Handle = handle
		refused("a banned user's", postern.ErrUserBanned, func(*postern.PasskeyResponse) {
			must(s.AdminUpdateUser(t.Context(), session.User.ID, postern.AdminUpdateUserParams{BanDuration: "1h"}))
		})
		must(s.AdminUpdateUser(t.Context(), session.User.ID, postern.AdminUpdateUserParams{BanDuration: "none"}))
		refused("a removed one", postern.ErrWebAuthnVerificationFailed, func(*postern.PasskeyResponse) {
			if err := s.DeletePasskey(t.Context(), s.caller(t, session), made.ID); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestPasskeyOfAnUnconfirmedUserDoesNotSignIn(t *testing.T) {
	each(t, passkeys, func(t *testing.T, s service) {
		a := webauthntest.New(page)
		must(s.register(t, s.signUp(t), a))
		s.exec(t, `UPDATE auth.users SET email_confirmed_at = NULL`)
		_, err := s.SignInWithPasskey(t.Context(), s.present(t, a))
		wantError(t, err, postern.KindForbidden, postern.ErrEmailNotConfirmed)
		s.exec(t, `UPDATE auth.users SET email = NULL, phone = '4915112345678'`)
		_, err = s.SignInWithPasskey(t.Context(), s.present(t, a))
		wantError(t, err, postern.KindForbidden, postern.ErrPhoneNotConfirmed)
		s.exec(t, `UPDATE auth.users SET phone_confirmed_at = created_at`)
		if _, err := s.SignInWithPasskey(t.Context(), s.present(t, a)); err != nil {
			t.Errorf("with a number that is confirmed: %v", err)
		}
	})
}

func TestCounterThatGoesBack(t *testing.T) {
	each(t, passkeys, func(t *testing.T, s service) {
		session, a := s.signUp(t), webauthntest.New(page)
		a.Counter = 10
		must(s.register(t, session, a))
		a.Counter = 3
		if _, err := s.SignInWithPasskey(t.Context(), s.present(t, a)); err != nil {
			t.Errorf("where it is only logged: %v", err)
		}
		strict := s.with(t, func(c *postern.Config) { passkeys(c); c.RefuseClonedCredentials = true })
		a.Counter = 3
		_, err := strict.SignInWithPasskey(t.Context(), strict.present(t, a))
		wantError(t, err, postern.KindInvalid, postern.ErrWebAuthnVerificationFailed)
	})
}

func TestPasskeysAreLimitedNamedAndRemoved(t *testing.T) {
	each(t, func(c *postern.Config) { passkeys(c); c.Passkeys.Max = 2 }, func(t *testing.T, s service) {
		session, a := s.signUp(t), webauthntest.New(page)
		made := must(s.register(t, session, a))
		if _, err := s.register(t, session, a); !errors.Is(err, webauthntest.ErrExcluded) {
			t.Errorf("in the same authenticator: got %v, want it excluded", err)
		}
		a.AAGUID = uuid.New()
		a.Credentials = nil
		if got := must(s.register(t, session, a)); got.FriendlyName != "Passkey" {
			t.Errorf("got name %q, want Passkey", got.FriendlyName)
		}
		_, err := s.register(t, session, webauthntest.New(page))
		wantError(t, err, postern.KindUnprocessable, postern.ErrTooManyPasskeys)
		c := s.caller(t, session)
		for name, want := range map[string]postern.Code{"": postern.ErrValidationFailed, strings.Repeat("a", 121): postern.ErrValidationFailed} {
			if _, err := s.RenamePasskey(t.Context(), c, made.ID, name); !isCode(err, want) {
				t.Errorf("name of %d bytes: got error %v, want %s", len(name), err, want)
			}
		}
		if got := must(s.RenamePasskey(t.Context(), c, made.ID, "laptop")); got.FriendlyName != "laptop" || got.ID != made.ID {
			t.Errorf("got %+v, want it renamed", got)
		}
		bob := s.caller(t, s.SignedIn(t, "bob@example.com"))
		_, err = s.RenamePasskey(t.Context(), bob, made.ID, "mine")
		wantError(t, err, postern.KindNotFound, postern.ErrValidationFailed)
		wantError(t, s.DeletePasskey(t.Context(), bob, made.ID), postern.KindNotFound, postern.ErrValidationFailed)
		if got := must(s.AdminListPasskeys(t.Context(), c.User.ID)); len(got) != 2 {
			t.Errorf("an operator: got %d, want 2", len(got))
		}
		if err := s.AdminDeletePasskey(t.Context(), c.User.ID, made.ID); err != nil {
			t.Error(err)
		}
		if got := must(s.ListPasskeys(t.Context(), c)); len(got) != 1 {
			t.Errorf("got %d left, want 1", len(got))
		}
	})
}

func TestPasskeysNeedTheSecondFactorOfWhoHasOne(t *testing.T) {
	each(t, func(c *postern.Config) { passkeys(c); c.AnonymousUsers = true }, func(t *testing.T, s service) {
		raised, _ := s.withApp(t, s.signUp(t))
		low := s.again(t)
		_, err := s.register(t, low, webauthntest.New(page))
		wantError(t, err, postern.KindForbidden, postern.ErrInsufficientAAL)
		made := must(s.register(t, raised, webauthntest.New(page)))
		wantError(t, s.DeletePasskey(t.Context(), s.caller(t, low), made.ID), postern.KindForbidden, postern.ErrInsufficientAAL)

		nobody := must(s.SignInAnonymously(t.Context(), postern.SignInAnonymouslyParams{}))
		_, err = s.register(t, nobody, webauthntest.New(page))
		wantError(t, err, postern.KindForbidden, postern.ErrNoAuthorization)
		s.exec(t, `UPDATE auth.users SET is_sso_user = TRUE WHERE id = '`+raised.User.ID.String()+`'`)
		_, err = s.register(t, raised, webauthntest.New(page))
		wantError(t, err, postern.KindUnprocessable, postern.ErrValidationFailed)
	})
}

func TestPasskeyIsOneUsersAlone(t *testing.T) {
	each(t, passkeys, func(t *testing.T, s service) {
		a := webauthntest.New(page)
		must(s.register(t, s.signUp(t), a))
		bob := s.caller(t, s.SignedIn(t, "bob@example.com"))
		o := must(s.BeginPasskeyRegistration(t.Context(), bob))
		twin := webauthntest.New(page)
		twin.ID = a.Credentials[0].ID
		_, err := s.RegisterPasskey(t.Context(), bob, postern.PasskeyResponse{ChallengeID: o.ChallengeID, Credential: must(twin.Create(o.Options))})
		wantError(t, err, postern.KindUnprocessable, postern.ErrWebAuthnCredentialExists)
	})
}

func TestPasskeysMayBeSwitchedOff(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		c := s.caller(t, s.signUp(t))
		_, begin := s.BeginPasskeySignIn(t.Context())
		_, signIn := s.SignInWithPasskey(t.Context(), postern.PasskeyResponse{})
		_, register := s.BeginPasskeyRegistration(t.Context(), c)
		_, list := s.ListPasskeys(t.Context(), c)
		for _, err := range []error{begin, signIn, register, list, s.DeletePasskey(t.Context(), c, uuid.New())} {
			wantError(t, err, postern.KindNotFound, postern.ErrPasskeyDisabled)
		}
		if got := must(s.AdminListPasskeys(t.Context(), c.User.ID)); len(got) != 0 || s.Settings().PasskeysEnabled {
			t.Errorf("got %d passkeys for an operator, settings %v", len(got), s.Settings().PasskeysEnabled)
		}
	})
}

// withKey gives a signed-in user a security key, and uses it.
func (s service) withKey(t *testing.T, session *postern.Session, a *webauthntest.Authenticator) (*postern.Session, uuid.UUID) {
	t.Helper()
	c := s.caller(t, session)
	f := must(s.EnrollFactor(t.Context(), c, postern.EnrollFactorParams{FactorType: postern.FactorWebAuthn, FriendlyName: "key"}))
	ch := must(s.ChallengeFactor(t.Context(), c, f.ID, postern.ChallengeFactorParams{}))
	if ch.WebAuthn.Type != postern.WebAuthnCreate {
		t.Errorf("got a challenge to %s, want create", ch.WebAuthn.Type)
	}
	return must(s.VerifyFactor(t.Context(), c, f.ID, postern.VerifyFactorParams{ChallengeID: ch.ID, WebAuthn: &postern.WebAuthnAnswer{
		Type: postern.WebAuthnCreate, CredentialResponse: must(a.Create(ch.WebAuthn.CredentialOptions.PublicKey)),
	}})), f.ID
}

func TestWebAuthnFactorRaisesTheSession(t *testing.T) {
	each(t, passkeys, func(t *testing.T, s service) {
		a := webauthntest.New(page)
		raised, factor := s.withKey(t, s.signUp(t), a)
		if c := s.caller(t, raised); c.AAL() != "aal2" || strings.Join(methods(c.Claims), " ") != "mfa/webauthn password" {
			t.Errorf("got %s by %v, want aal2 by a key and the password", c.AAL(), methods(c.Claims))
		}
		if f := raised.User.Factors; len(f) != 1 || f[0].Status != "verified" || f[0].WebAuthnAAGUID == nil || *f[0].WebAuthnAAGUID != a.AAGUID {
			t.Errorf("got %+v, want the key, verified", f)
		}
		low := s.caller(t, s.again(t))
		ch := must(s.ChallengeFactor(t.Context(), low, factor, postern.ChallengeFactorParams{}))
		answer := &postern.WebAuthnAnswer{Type: postern.WebAuthnRequest, CredentialResponse: must(a.Get(ch.WebAuthn.CredentialOptions.PublicKey))}
		again := must(s.VerifyFactor(t.Context(), low, factor, postern.VerifyFactorParams{ChallengeID: ch.ID, WebAuthn: answer}))
		c := s.caller(t, again)
		if c.AAL() != "aal2" {
			t.Errorf("got %s, want aal2", c.AAL())
		}
		_, err := s.VerifyFactor(t.Context(), c, factor, postern.VerifyFactorParams{ChallengeID: ch.ID, WebAuthn: answer})
		wantError(t, err, postern.KindUnprocessable, postern.ErrMFAIPAddressMismatch)
	})
}

func TestWebAuthnAnswersThatAreRefused(t *testing.T) {
	each(t, passkeys, func(t *testing.T, s service) {
		a := webauthntest.New(page)
		raised, factor := s.withKey(t, s.signUp(t), a)
		c := s.caller(t, raised)
		answered := func(typ string, response func(options postern.Metadata) []byte) error {
			ch := must(s.ChallengeFactor(t.Context(), c, factor, postern.ChallengeFactorParams{}))
			_, err := s.VerifyFactor(t.Context(), c, factor, postern.VerifyFactorParams{ChallengeID: ch.ID, WebAuthn: &postern.WebAuthnAnswer{
				Type: typ, CredentialResponse: response(ch.WebAuthn.CredentialOptions.PublicKey),
			}})
			return err
		}
		good := func(options postern.Metadata) []byte { return must(a.Get(options)) }
		other := webauthntest.New(page)
		other.Credentials = []*webauthntest.Credential{{ID: a.Credentials[0].ID, Handle: a.Credentials[0].Handle, RPID: "example.com", Key: webauthntest.NewKey()}}
		for name, tt := range map[string]struct {
			typ      string
			response func(postern.Metadata) []byte
			kind     postern.Kind
			code     postern.Code
		}{
			"no type":         {"", good, postern.KindInvalid, postern.ErrValidationFailed},
			"the other type":  {postern.WebAuthnCreate, good, postern.KindInvalid, postern.ErrValidationFailed},
			"nothing":         {postern.WebAuthnRequest, func(postern.Metadata) []byte { return nil }, postern.KindInvalid, postern.ErrValidationFailed},
			"garbage":         {postern.WebAuthnRequest, func(postern.Metadata) []byte { return []byte(`{}`) }, postern.KindInvalid, postern.ErrValidationFailed},
			"another's key":   {postern.WebAuthnRequest, func(o postern.Metadata) []byte { return must(other.Get(o)) }, postern.KindUnprocessable, postern.ErrMFAVerificationFailed},
			"another origin":  {postern.WebAuthnRequest, func(o postern.Metadata) []byte { return must(elsewhere(a).Get(o)) }, postern.KindUnprocessable, postern.ErrMFAVerificationFailed},
			"the wrong words": {"delete", good, postern.KindInvalid, postern.ErrValidationFailed},
		} {
			wantErrorOf(t, name, answered(tt.typ, tt.response), tt.kind, tt.code)
		}
		_, err := s.VerifyFactor(t.Context(), c, factor, postern.VerifyFactorParams{Code: "123456"})
		wantError(t, err, postern.KindInvalid, postern.ErrValidationFailed)
	})
}

// elsewhere is the same authenticator on another page.
func elsewhere(a *webauthntest.Authenticator) *webauthntest.Authenticator {
	other := *a
	other.Origin = "https://evil.example"
	return &other
}

func wantErrorOf(t *testing.T, what string, err error, kind postern.Kind, code postern.Code) {
	t.Helper()
	e, ok := errors.AsType[*postern.Error](err)
	if !ok || e.Kind != kind || e.Code != code {
		t.Errorf("%s: got error %v, want %s", what, err, code)
	}
}

func TestPasskeysNeedSomebodyWhoDoesTheirCeremonies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]postern.Config{
		"passkeys": {Passkeys: postern.PasskeyConfig{Enabled: true}},
		"factors":  {MFA: postern.MFAConfig{WebAuthn: postern.WebAuthnFactorConfig{Enroll: true}}},
	} {
		if _, err := postern.New(noStore{}, c); err == nil || !strings.Contains(err.Error(), "WebAuthn") {
			t.Errorf("%s: got error %v, want a sentence on what is missing", name, err)
		}
	}
}
