package postern_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

// postbox keeps what was sent.
type postbox struct {
	mu    sync.Mutex
	mails []postern.Mail
	texts []postern.SMS
	err   error // what sending fails with
}

func (p *postbox) SendMail(_ context.Context, m postern.Mail) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	p.mails = append(p.mails, m)
	return nil
}

func (p *postbox) SendSMS(_ context.Context, m postern.SMS) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return "", p.err
	}
	p.texts = append(p.texts, m)
	return fmt.Sprintf("sms-%d", len(p.texts)), nil
}

// mail returns the newest mail to an address.
func (p *postbox) mail(t *testing.T, to string) postern.Mail {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.mails) - 1; i >= 0; i-- {
		if p.mails[i].To == to {
			return p.mails[i]
		}
	}
	t.Fatalf("no mail to %s", to)
	return postern.Mail{}
}

func (p *postbox) text(t *testing.T) postern.SMS {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.texts) == 0 {
		t.Fatal("no text message")
	}
	return p.texts[len(p.texts)-1]
}

func (p *postbox) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.mails) + len(p.texts)
}

// mailing runs a test on both databases, on a service that confirms addresses and
// sends to a postbox.
func mailing(t *testing.T, edit func(*postern.Config), test func(t *testing.T, s service, box *postbox)) {
	t.Helper()
	each(t, nil, func(t *testing.T, s service) {
		box := &postbox{}
		test(t, s.with(t, func(c *postern.Config) {
			c.Mailer, c.SMS = box, box
			c.SiteURL, c.ExternalURL = "https://app.example.com", "https://auth.example.com/auth/v1"
			c.RedirectURLs = []string{"https://app.example.com/**"}
			c.Email.Autoconfirm = false
			c.Phone.Enabled = true
			if edit != nil {
				edit(c)
			}
		}), box)
	})
}

const phone = "15550100099"

func (s service) verify(t *testing.T, p postern.VerifyOTPParams) (*postern.Verification, error) {
	t.Helper()
	return s.VerifyOTP(t.Context(), p)
}

func (s service) mustVerify(t *testing.T, p postern.VerifyOTPParams) *postern.Session {
	t.Helper()
	v, err := s.VerifyOTP(t.Context(), p)
	if err != nil {
		t.Fatalf("VerifyOTP(%+v): %v", p, err)
	}
	if v.Session == nil {
		t.Fatalf("VerifyOTP(%+v) gave no session but %q", p, v.Message)
	}
	return v.Session
}

func (s service) askSignUp(t *testing.T) *postern.User {
	t.Helper()
	return must(s.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword, Data: map[string]any{"name": "Ada"}})).User
}

func TestConfirmationByCodeHashAndLink(t *testing.T) {
	for name, confirm := range map[string]func(*testing.T, service, postern.Mail) *postern.Session{
		"code": func(t *testing.T, s service, m postern.Mail) *postern.Session {
			return s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: "ADA@example.com", Token: string(m.Token)})
		},
		"code as email": func(t *testing.T, s service, m postern.Mail) *postern.Session {
			return s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyEmail, Email: ada, Token: string(m.Token)})
		},
		"hash": func(t *testing.T, s service, m postern.Mail) *postern.Session {
			return s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, TokenHash: string(m.TokenHash)})
		},
		"link": func(t *testing.T, s service, m postern.Mail) *postern.Session {
			u := must(url.Parse(m.ConfirmationURL))
			if !strings.HasPrefix(m.ConfirmationURL, "https://auth.example.com/auth/v1/verify?token=") {
				t.Errorf("the link is %s", m.ConfirmationURL)
			}
			location, session, err := s.VerifyLink(t.Context(), postern.VerifyLinkParams{
				Type: postern.VerifyType(u.Query().Get("type")), Token: u.Query().Get("token"), RedirectTo: u.Query().Get("redirect_to"),
			})
			if err != nil || session == nil || !strings.HasPrefix(location, "https://app.example.com#access_token=") {
				t.Fatalf("VerifyLink = %s, %v, %v", location, session, err)
			}
			return session
		},
	} {
		t.Run(name, func(t *testing.T) {
			mailing(t, nil, func(t *testing.T, s service, box *postbox) {
				s.askSignUp(t)
				m := box.mail(t, ada)
				session := confirm(t, s, m)
				u := s.caller(t, session).User
				if u.EmailConfirmedAt == nil {
					t.Error("the address is not confirmed")
				}
				wantJSON(t, "user_metadata", u.UserMetadata, map[string]any{
					"name": "Ada", "email": ada, "sub": u.ID.String(), "email_verified": true, "phone_verified": false,
				})
				s.signIn(t, goodPassword)
				for _, again := range []postern.VerifyOTPParams{
					{Type: postern.VerifySignUp, Email: ada, Token: string(m.Token)},
					{Type: postern.VerifySignUp, TokenHash: string(m.TokenHash)},
				} {
					_, err := s.verify(t, again)
					wantError(t, err, postern.KindForbidden, postern.ErrOTPExpired)
				}
			})
		})
	}
}

// Each kind of token is refused for every other, with the right code and by link.
func TestTokensAreGoodForOnePurpose(t *testing.T) {
	mailing(t, nil, func(t *testing.T, s service, box *postbox) {
		all := []postern.VerifyType{
			postern.VerifySignUp, postern.VerifyInvite, postern.VerifyMagicLink, postern.VerifyRecovery, postern.VerifyEmail, postern.VerifyEmailChange,
		}
		u := s.askSignUp(t)
		refuse := func(made string, allowed ...postern.VerifyType) {
			t.Helper()
			m := box.mail(t, ada)
			for _, typ := range all {
				if len(allowed) > 0 && (typ == allowed[0] || len(allowed) > 1 && typ == allowed[1]) {
					continue
				}
				if _, err := s.verify(t, postern.VerifyOTPParams{Type: typ, TokenHash: string(m.TokenHash)}); !errors.Is(err, postern.ErrOTPExpired) {
					t.Errorf("a token for %s as %s: %v, want otp_expired", made, typ, err)
				}
			}
		}
		refuse("signup", postern.VerifySignUp, postern.VerifyEmail)
		must(s.AdminUpdateUser(t.Context(), u.ID, postern.AdminUpdateUserParams{EmailConfirm: true}))
		must(s.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Email: ada}))
		refuse("magiclink", postern.VerifyMagicLink, postern.VerifyEmail)
		s.Advance(time.Hour)
		if err := s.ResetPasswordForEmail(t.Context(), postern.ResetPasswordParams{Email: ada}); err != nil {
			t.Fatal(err)
		}
		refuse("recovery", postern.VerifyRecovery)
		code := string(box.mail(t, ada).Token)
		_, err := s.verify(t, postern.VerifyOTPParams{Type: postern.VerifyMagicLink, Email: ada, Token: code})
		wantError(t, err, postern.KindForbidden, postern.ErrOTPExpired)
		s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyRecovery, Email: ada, Token: code})
	})
}

// useAtOnce uses something 20 times at once. Exactly one use may succeed, and the
// others have to fail with a code.
func useAtOnce(t *testing.T, code postern.Code, use func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	var won atomic.Int64
	for i := range 20 {
		wg.Go(func() {
			if err := use(i); err != nil {
				wantOneOf(t, err, code)
				return
			}
			won.Add(1)
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 20 uses succeeded, want 1", won.Load())
	}
}

func TestOneOfManyUsesOfACodeWins(t *testing.T) {
	mailing(t, nil, func(t *testing.T, s service, box *postbox) {
		s.askSignUp(t)
		m := box.mail(t, ada)
		useAtOnce(t, postern.ErrOTPExpired, func(i int) error {
			p := postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: string(m.Token)}
			if i%2 == 0 {
				p = postern.VerifyOTPParams{Type: postern.VerifySignUp, TokenHash: string(m.TokenHash)}
			}
			_, err := s.VerifyOTP(t.Context(), p)
			return err
		})
	})
}

func TestOneOfManyUsesOfAnAuthCodeWins(t *testing.T) {
	verifier := strings.Repeat("v", 50)
	mailing(t, nil, func(t *testing.T, s service, box *postbox) {
		must(s.SignUp(t.Context(), postern.SignUpParams{
			Email: ada, Password: goodPassword, Challenge: postern.Challenge{CodeChallenge: verifier, CodeChallengeMethod: "plain"},
		}))
		link := postern.VerifyLinkParams{Type: postern.VerifySignUp, Token: string(box.mail(t, ada).TokenHash)}
		location, _, err := s.VerifyLink(t.Context(), link)
		if err != nil {
			t.Fatal(err)
		}
		code := must(url.Parse(location)).Query().Get("code")
		useAtOnce(t, postern.ErrFlowStateNotFound, func(int) error {
			_, err := s.ExchangeCodeForSession(t.Context(), code, verifier)
			return err
		})
	})
}

func TestOneOfManyUsesOfANonceWins(t *testing.T) {
	edit := func(c *postern.Config) { c.Password.RequireReauthentication = true }
	mailing(t, edit, func(t *testing.T, s service, box *postbox) {
		s.askSignUp(t)
		session := s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: string(box.mail(t, ada).Token)})
		s.Advance(25 * time.Hour) // younger sessions need no nonce
		c := s.caller(t, s.refresh(t, session.RefreshToken))
		must(s.Reauthenticate(t.Context(), c))
		nonce := string(box.mail(t, ada).Token)
		useAtOnce(t, postern.ErrReauthenticationNotValid, func(i int) error {
			password := fmt.Sprintf("another long password %d", i)
			_, err := s.UpdateUser(t.Context(), c, postern.UpdateUserParams{Password: &password, Nonce: nonce})
			return err
		})
	})
}

// stuck is a mail server that does not answer until it is let go.
type stuck struct{ asked, letGo chan struct{} }

func (m stuck) SendMail(ctx context.Context, _ postern.Mail) error {
	m.asked <- struct{}{}
	select {
	case <-m.letGo:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestMailServerThatHangsHoldsUpNobodyElse(t *testing.T) {
	mailing(t, nil, func(t *testing.T, s service, box *postbox) {
		s.askSignUp(t)
		s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: string(box.mail(t, ada).Token)})
		const waiting = 30 // more than a pool has connections
		m := stuck{make(chan struct{}, waiting), make(chan struct{})}
		slow := s.with(t, func(c *postern.Config) { c.Mailer, c.Email.Autoconfirm = m, false })
		var wg sync.WaitGroup
		for i := range waiting {
			wg.Go(func() {
				email := fmt.Sprintf("user-%d@example.com", i)
				if _, err := slow.SignUp(t.Context(), postern.SignUpParams{Email: email, Password: goodPassword}); err != nil {
					t.Errorf("SignUp: %v", err)
				}
			})
		}
		for range waiting {
			<-m.asked
		}
		session := slow.signIn(t, goodPassword) // reads and writes
		slow.caller(t, &session.Session)
		close(m.letGo)
		wg.Wait()
	})
}

func TestFiveWrongCodesVoidTheRightOne(t *testing.T) {
	mailing(t, nil, func(t *testing.T, s service, box *postbox) {
		s.askSignUp(t)
		right := string(box.mail(t, ada).Token)
		wrong := "000000"
		if right == wrong {
			wrong = "111111"
		}
		for range 5 {
			_, err := s.verify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: wrong})
			wantError(t, err, postern.KindForbidden, postern.ErrOTPExpired)
		}
		_, err := s.verify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: right})
		wantError(t, err, postern.KindForbidden, postern.ErrOTPExpired)

		s.Advance(time.Minute)
		must(s.Resend(t.Context(), postern.ResendParams{Type: postern.VerifySignUp, Email: ada}))
		s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: string(box.mail(t, ada).Token)})
	})
}

func TestCodesExpire(t *testing.T) {
	mailing(t, func(c *postern.Config) { c.Email.CodeExpiry = time.Hour }, func(t *testing.T, s service, box *postbox) {
		s.askSignUp(t)
		m := box.mail(t, ada)
		s.Advance(time.Hour)
		for _, p := range []postern.VerifyOTPParams{
			{Type: postern.VerifySignUp, Email: ada, Token: string(m.Token)},
			{Type: postern.VerifySignUp, TokenHash: string(m.TokenHash)},
		} {
			_, err := s.verify(t, p)
			wantError(t, err, postern.KindForbidden, postern.ErrOTPExpired)
		}
	})
}

// Who reads the database must not be able to use what stands there.
func TestStoredHashesAreOfNoUse(t *testing.T) {
	mailing(t, nil, func(t *testing.T, s service, _ *postbox) {
		s.askSignUp(t)
		for _, query := range []string{"SELECT token_hash FROM auth.one_time_tokens", "SELECT confirmation_token FROM auth.users"} {
			var stored string
			if err := s.st.DB().QueryRowContext(t.Context(), s.dialect(query)).Scan(&stored); err != nil {
				t.Fatal(err)
			}
			_, err := s.verify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, TokenHash: stored})
			wantError(t, err, postern.KindForbidden, postern.ErrOTPExpired)
		}
	})
}

// A stranger's sign-up leaves nothing in the account of whoever proves to own the
// address by another way than the stranger's own confirmation.
func TestProofOfOwnershipSweepsAStrangersSignUp(t *testing.T) {
	for name, prove := range map[string]func(*testing.T, service, *postbox) *postern.Session{
		"one-time code": func(t *testing.T, s service, box *postbox) *postern.Session {
			must(s.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Email: ada}))
			return s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyEmail, Email: ada, Token: string(box.mail(t, ada).Token)})
		},
		"recovery": func(t *testing.T, s service, box *postbox) *postern.Session {
			if err := s.ResetPasswordForEmail(t.Context(), postern.ResetPasswordParams{Email: ada}); err != nil {
				t.Fatal(err)
			}
			return s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyRecovery, TokenHash: string(box.mail(t, ada).TokenHash)})
		},
		"invitation": func(t *testing.T, s service, box *postbox) *postern.Session {
			must(s.Invite(t.Context(), postern.InviteParams{Email: ada}))
			return s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyInvite, Email: ada, Token: string(box.mail(t, ada).Token)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			mailing(t, nil, func(t *testing.T, s service, box *postbox) {
				must(s.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword, Data: map[string]any{"name": "Mallory"}}))
				s.Advance(2 * time.Minute)
				session := prove(t, s, box)
				u := s.caller(t, session).User
				if strings.Contains(string(u.UserMetadata)+string(u.Identities[0].IdentityData), "Mallory") {
					t.Errorf("the stranger's data is still there: %s", u.UserMetadata)
				}
				_, err := s.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: ada, Password: goodPassword})
				wantError(t, err, postern.KindInvalid, postern.ErrInvalidCredentials)
			})
		})
	}
}

func TestSignInWithOTPMakesAccounts(t *testing.T) {
	mailing(t, nil, func(t *testing.T, s service, box *postbox) {
		must(s.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Email: ada, Data: map[string]any{"name": "Ada"}}))
		if m := box.mail(t, ada); m.Type != postern.MailSignUp {
			t.Errorf("a new account got the mail %s, want signup", m.Type)
		}
		s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyEmail, Email: ada, Token: string(box.mail(t, ada).Token)})
		must(s.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Email: ada}))
		if m := box.mail(t, ada); m.Type != postern.MailMagicLink {
			t.Errorf("an old account got the mail %s, want magiclink", m.Type)
		}
		_, err := s.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Email: "eve@example.com", NoSignUp: true})
		wantError(t, err, postern.KindUnprocessable, postern.ErrOTPDisabled)
		_, err = s.with(t, func(c *postern.Config) { c.DisableSignUp = true }).SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Email: "eve@example.com"})
		wantError(t, err, postern.KindUnprocessable, postern.ErrSignUpDisabled)
		if n := s.count(t, "SELECT count(*) FROM auth.users"); n != 1 {
			t.Errorf("%d accounts, want 1", n)
		}
	})
}

func TestSignInBySMS(t *testing.T) {
	mailing(t, nil, func(t *testing.T, s service, box *postbox) {
		first := must(s.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Phone: "+" + phone}))
		if first.ID != "" {
			t.Errorf("message id %q for a new account, want none", first.ID)
		}
		m := box.text(t)
		if m.Phone != phone || m.Channel != "sms" || m.Text != "Your code is "+string(m.Code) {
			t.Errorf("the message is %+v with text %q", m, m.Text)
		}
		_, err := s.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Phone: phone})
		wantError(t, err, postern.KindTooMany, postern.ErrOverSMSSendRateLimit)
		session := s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySMS, Phone: phone, Token: string(m.Code)})
		if u := s.caller(t, session).User; u.PhoneConfirmedAt == nil {
			t.Error("the number is not confirmed")
		}
		s.Advance(time.Minute)
		if again := must(s.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Phone: phone})); again.ID != "sms-2" {
			t.Errorf("message id %q for a known account, want sms-2", again.ID)
		}
		late := string(box.text(t).Code)
		s.Advance(time.Minute)
		_, err = s.verify(t, postern.VerifyOTPParams{Type: postern.VerifySMS, Phone: phone, Token: late})
		wantError(t, err, postern.KindForbidden, postern.ErrOTPExpired)
	})
}

func TestTestNumbersGetNoMessage(t *testing.T) {
	mailing(t, func(c *postern.Config) { c.Phone.TestCodes = map[string]string{phone: "123456"} }, func(t *testing.T, s service, box *postbox) {
		must(s.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Phone: phone}))
		s.Advance(time.Hour)
		s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySMS, Phone: phone, Token: "123456"})
		if again := must(s.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Phone: phone})); again.ID != "test-otp" {
			t.Errorf("message id %q, want test-otp", again.ID)
		}
		if n := box.count(); n != 0 {
			t.Errorf("%d messages were sent to a test number", n)
		}
	})
}

func TestPKCE(t *testing.T) {
	verifier := strings.Repeat("v", 50)
	sum := sha256.Sum256([]byte(verifier))
	challenge := postern.Challenge{CodeChallenge: base64.RawURLEncoding.EncodeToString(sum[:]), CodeChallengeMethod: "S256"}
	mailing(t, nil, func(t *testing.T, s service, box *postbox) {
		must(s.SignUp(t.Context(), postern.SignUpParams{
			Email: ada, Password: goodPassword, Challenge: challenge, RedirectTo: "https://app.example.com/welcome?x=1",
		}))
		m := box.mail(t, ada)
		if !strings.HasPrefix(string(m.TokenHash), "pkce_") {
			t.Errorf("the token hash is %.10s…, want the prefix pkce_", string(m.TokenHash))
		}
		s.Advance(time.Hour) // to read the mail
		location, session, err := s.VerifyLink(t.Context(), postern.VerifyLinkParams{Type: postern.VerifySignUp, Token: string(m.TokenHash), RedirectTo: m.RedirectTo})
		if err != nil || session != nil {
			t.Fatalf("VerifyLink = %s, %v, %v", location, session, err)
		}
		code := must(url.Parse(location)).Query().Get("code")
		if code == "" || !strings.HasPrefix(location, "https://app.example.com/welcome?") {
			t.Fatalf("the link leads to %s", location)
		}
		_, err = s.ExchangeCodeForSession(t.Context(), code, verifier+"x")
		wantError(t, err, postern.KindInvalid, postern.ErrBadCodeVerifier)
		got := must(s.ExchangeCodeForSession(t.Context(), code, verifier))
		if m := methods(s.caller(t, got).Claims); len(m) != 1 || m[0] != "email/signup" {
			t.Errorf("amr = %v, want email/signup", m)
		}
		_, err = s.ExchangeCodeForSession(t.Context(), code, verifier)
		wantError(t, err, postern.KindNotFound, postern.ErrFlowStateNotFound)
	})
}

func TestSecureEmailChangeNeedsBothHalves(t *testing.T) {
	const neu = "countess@example.com"
	for name, order := range map[string][2]string{"new first": {neu, ada}, "current first": {ada, neu}} {
		t.Run(name, func(t *testing.T) {
			mailing(t, nil, func(t *testing.T, s service, box *postbox) {
				s.askSignUp(t)
				session := s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: string(box.mail(t, ada).Token)})
				u := must(s.UpdateUser(t.Context(), s.caller(t, session), postern.UpdateUserParams{Email: neu}))
				if u.Email != ada || u.NewEmail != neu || u.EmailChangeSentAt == nil {
					t.Errorf("UpdateUser returned %+v, want the new address waiting", u)
				}
				half, err := s.verify(t, postern.VerifyOTPParams{Type: postern.VerifyEmailChange, Email: order[0], Token: string(box.mail(t, order[0]).Token)})
				if err != nil || half.Session != nil || half.Message == "" {
					t.Fatalf("the first half gave %+v, %v", half, err)
				}
				if u := must(s.AdminUser(t.Context(), u.ID)); u.Email != ada {
					t.Fatalf("half a confirmation changed the address to %s", u.Email)
				}
				_, err = s.verify(t, postern.VerifyOTPParams{Type: postern.VerifyEmailChange, Email: order[0], Token: string(box.mail(t, order[0]).Token)})
				wantError(t, err, postern.KindForbidden, postern.ErrOTPExpired)
				changed := s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyEmailChange, TokenHash: string(box.mail(t, order[1]).TokenHash)})
				if changed.User.Email != neu || changed.User.NewEmail != "" {
					t.Errorf("the account is %+v, want the new address", changed.User)
				}
			})
		})
	}
}

func TestHalvesOfAnEmailChangeThatArriveTogetherChangeItOnce(t *testing.T) {
	const neu = "countess@example.com"
	mailing(t, nil, func(t *testing.T, s service, box *postbox) {
		s.askSignUp(t)
		session := s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: string(box.mail(t, ada).Token)})
		must(s.UpdateUser(t.Context(), s.caller(t, session), postern.UpdateUserParams{Email: neu}))
		var halves, sessions, refused atomic.Int64
		var wg sync.WaitGroup
		for i := range 10 {
			code := string(box.mail(t, [...]string{ada, neu}[i%2]).Token)
			wg.Go(func() {
				v, err := s.VerifyOTP(t.Context(), postern.VerifyOTPParams{
					Type: postern.VerifyEmailChange, Email: [...]string{ada, neu}[i%2], Token: code,
				})
				switch {
				case err != nil:
					wantOneOf(t, err, postern.ErrOTPExpired)
					refused.Add(1)
				case v.Session == nil:
					halves.Add(1)
				default:
					sessions.Add(1)
				}
			})
		}
		wg.Wait()
		if halves.Load() != 1 || sessions.Load() != 1 || refused.Load() != 8 {
			t.Errorf("%d first halves, %d sessions, %d refusals; want 1, 1 and 8", halves.Load(), sessions.Load(), refused.Load())
		}
		if u := must(s.AdminUser(t.Context(), session.User.ID)); u.Email != neu {
			t.Errorf("the address is %s, want %s", u.Email, neu)
		}
	})
}

func TestPhoneChange(t *testing.T) {
	mailing(t, nil, func(t *testing.T, s service, box *postbox) {
		s.askSignUp(t)
		session := s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: string(box.mail(t, ada).Token)})
		u := must(s.UpdateUser(t.Context(), s.caller(t, session), postern.UpdateUserParams{Phone: phone}))
		if u.Phone != "" || u.NewPhone != phone {
			t.Errorf("UpdateUser returned %+v, want the new number waiting", u)
		}
		changed := s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyPhoneChange, Phone: phone, Token: string(box.text(t).Code)})
		if changed.User.Phone != phone || changed.User.PhoneConfirmedAt == nil || len(changed.User.Identities) != 2 {
			t.Errorf("the account is %+v, want the new number and its identity", changed.User)
		}
	})
}

func TestNotices(t *testing.T) {
	notify := func(c *postern.Config) {
		c.Email.SingleChangeConfirmation = true
		c.Email.Notify = postern.NotifyConfig{EmailChanged: true, PhoneChanged: true, PasswordChanged: true}
	}
	mailing(t, notify, func(t *testing.T, s service, box *postbox) {
		const neu = "countess@example.com"
		ctx := postern.WithRequestInfo(t.Context(), postern.RequestInfo{Languages: []string{"de"}})
		check := func(to string, want postern.MailType) postern.Mail {
			t.Helper()
			m := box.mail(t, to)
			if m.Type != want || !slices.Equal(m.Languages, []string{"de"}) || m.Token != "" || m.User == nil {
				t.Errorf("the mail to %s is %+v, want %s in German without a code", to, m, want)
			}
			return m
		}
		s.askSignUp(t)
		session := s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: string(box.mail(t, ada).Token)})
		c, password := s.caller(t, session), newPassword
		must(s.UpdateUser(ctx, c, postern.UpdateUserParams{Password: &password}))
		check(ada, postern.MailPasswordChanged)

		must(s.UpdateUser(ctx, c, postern.UpdateUserParams{Email: neu}))
		must(s.VerifyOTP(ctx, postern.VerifyOTPParams{Type: postern.VerifyEmailChange, Email: neu, Token: string(box.mail(t, neu).Token)}))
		if m := check(ada, postern.MailEmailChanged); m.OldEmail != ada || m.User.Email != neu {
			t.Errorf("the mail tells of %s and %s", m.OldEmail, m.User.Email)
		}
		must(s.UpdateUser(ctx, c, postern.UpdateUserParams{Phone: phone}))
		must(s.VerifyOTP(ctx, postern.VerifyOTPParams{Type: postern.VerifyPhoneChange, Phone: phone, Token: string(box.text(t).Code)}))
		check(neu, postern.MailPhoneChanged)
	})
}

func TestTakenNumberIsRefusedBesideANewAddress(t *testing.T) {
	mailing(t, nil, func(t *testing.T, s service, box *postbox) {
		must(s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Phone: phone, PhoneConfirm: true}))
		s.askSignUp(t)
		session := s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: string(box.mail(t, ada).Token)})
		_, err := s.UpdateUser(t.Context(), s.caller(t, session), postern.UpdateUserParams{Email: "countess@example.com", Phone: phone})
		wantError(t, err, postern.KindUnprocessable, postern.ErrPhoneExists)
	})
}

func TestReauthentication(t *testing.T) {
	mailing(t, func(c *postern.Config) { c.Password.RequireReauthentication = true }, func(t *testing.T, s service, box *postbox) {
		s.askSignUp(t)
		session := s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: string(box.mail(t, ada).Token)})
		password := newPassword
		s.Advance(25 * time.Hour)
		session = s.refresh(t, session.RefreshToken)
		c := s.caller(t, session)
		_, err := s.UpdateUser(t.Context(), c, postern.UpdateUserParams{Password: &password})
		wantError(t, err, postern.KindInvalid, postern.ErrReauthenticationNeeded)
		must(s.Reauthenticate(t.Context(), c))
		_, err = s.UpdateUser(t.Context(), c, postern.UpdateUserParams{Password: &password, Nonce: "1"})
		wantError(t, err, postern.KindUnprocessable, postern.ErrReauthenticationNotValid)
		nonce := string(box.mail(t, ada).Token)
		must(s.UpdateUser(t.Context(), c, postern.UpdateUserParams{Password: &password, Nonce: nonce}))
		s.signIn(t, newPassword)
		other := goodPassword
		_, err = s.UpdateUser(t.Context(), c, postern.UpdateUserParams{Password: &other, Nonce: nonce})
		wantError(t, err, postern.KindUnprocessable, postern.ErrReauthenticationNotValid)
	})
}

func TestGenerateLinkOfEachType(t *testing.T) {
	for _, typ := range []postern.LinkType{postern.LinkSignUp, postern.LinkInvite, postern.LinkMagicLink, postern.LinkRecovery} {
		for _, by := range []string{"code", "hash"} {
			t.Run(string(typ)+" by "+by, func(t *testing.T) {
				mailing(t, nil, func(t *testing.T, s service, box *postbox) {
					if typ == postern.LinkMagicLink || typ == postern.LinkRecovery {
						must(s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: ada, EmailConfirm: true}))
					}
					link := must(s.GenerateLink(t.Context(), postern.GenerateLinkParams{Type: typ, Email: ada, Password: goodPassword}))
					if !strings.Contains(link.ActionLink, "/auth/v1/verify?token="+link.HashedToken+"&type="+string(typ)) {
						t.Errorf("the link is %s", link.ActionLink)
					}
					p := postern.VerifyOTPParams{Type: postern.VerifyType(link.VerificationType), TokenHash: link.HashedToken}
					if by == "code" {
						p = postern.VerifyOTPParams{Type: postern.VerifyType(link.VerificationType), Email: ada, Token: link.EmailOTP}
					}
					s.mustVerify(t, p)
					if n := box.count(); n != 0 {
						t.Errorf("%d messages were sent", n)
					}
				})
			})
		}
	}
}

func TestMailsAreSpacedWhetherOrNotAnybodyHasTheAddress(t *testing.T) {
	mailing(t, nil, func(t *testing.T, s service, _ *postbox) {
		must(s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: ada, EmailConfirm: true}))
		for _, email := range []string{ada, "nobody@example.com"} {
			if err := s.ResetPasswordForEmail(t.Context(), postern.ResetPasswordParams{Email: email}); err != nil {
				t.Fatal(err)
			}
			err := s.ResetPasswordForEmail(t.Context(), postern.ResetPasswordParams{Email: email})
			wantError(t, err, postern.KindTooMany, postern.ErrOverEmailSendRateLimit)
		}
	})
}

func TestMailThatCannotBeSentKeepsNobodyWaiting(t *testing.T) {
	mailing(t, nil, func(t *testing.T, s service, box *postbox) {
		box.err = errors.New("no route to host")
		_, err := s.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword})
		wantError(t, err, postern.KindInternal, postern.ErrUnexpectedFailure)
		box.err = nil
		must(s.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword}))
		s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: string(box.mail(t, ada).Token)})
	})
}

func TestMailsOfAJoinedTransactionWaitForTheCommit(t *testing.T) {
	mailing(t, nil, func(t *testing.T, s service, box *postbox) {
		must(s.SignUp(t.Context(), postern.SignUpParams{Email: "first@example.com", Password: goodPassword}))
		tx := must(s.st.DB().BeginTx(t.Context(), nil))
		in := s.In(s.st.Join(tx))
		must(in.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword}))
		if n := box.count(); n != 1 {
			t.Errorf("%d mails before the commit, want only the first", n)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := in.Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: string(box.mail(t, ada).Token)})
	})
}

// What tells who has an account is gone with HideAccounts, also where nobody may
// sign up.
func TestHideAccountsMakesCodesAlike(t *testing.T) {
	mailing(t, func(c *postern.Config) {
		c.HideAccounts, c.DisableSignUp, c.Phone.Enabled, c.SMS = true, true, true, numbered{}
		c.Email.MaxFrequency, c.Phone.MaxFrequency = -1, -1
	}, func(t *testing.T, s service, _ *postbox) {
		must(s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: ada, EmailConfirm: true}))
		must(s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Phone: phone, PhoneConfirm: true}))
		for _, p := range []postern.SignInWithOTPParams{
			{Email: ada}, {Email: "nobody@example.com"}, {Email: "nobody@example.com", NoSignUp: true},
			{Phone: phone}, {Phone: "15550100002"}, {Phone: "15550100002", NoSignUp: true},
		} {
			if sent, err := s.SignInWithOTP(t.Context(), p); err != nil || sent.ID != "" {
				t.Errorf("SignInWithOTP(%+v): got %+v and %v, want nothing", p, sent, err)
			}
		}
	})
}

// numbered is an SMS service that gives messages ids.
type numbered struct{}

func (numbered) SendSMS(context.Context, postern.SMS) (string, error) { return "sms-1", nil }

func TestResendSaysNothingOfAccounts(t *testing.T) {
	mailing(t, func(c *postern.Config) { c.Email.MaxFrequency = -1 }, func(t *testing.T, s service, box *postbox) {
		must(s.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: ada, EmailConfirm: true}))
		for _, p := range []postern.ResendParams{
			{Type: postern.VerifySignUp, Email: ada}, {Type: postern.VerifySignUp, Email: "nobody@example.com"},
			{Type: postern.VerifyEmailChange, Email: ada},
		} {
			if _, err := s.Resend(t.Context(), p); err != nil {
				t.Errorf("Resend(%+v): %v", p, err)
			}
		}
		if n := box.count(); n != 0 {
			t.Errorf("%d mails for nothing", n)
		}
	})
}

// The base of links is the operator's, of several the one that the client used.
func TestLinksBeginWhereTheClientFoundTheAPI(t *testing.T) {
	each(t, func(c *postern.Config) {
		confirming(c)
		c.ExternalURL = "https://auth.example.com/auth/v1"
	}, func(t *testing.T, s service) {
		ctx := postern.WithRequestInfo(t.Context(), postern.RequestInfo{ExternalURL: "https://login.example.org"})
		if _, err := s.SignUp(ctx, postern.SignUpParams{Email: ada, Password: goodPassword}); err != nil {
			t.Fatal(err)
		}
		if link := s.LastLink(t, ada); !strings.HasPrefix(link, "https://login.example.org/auth/v1/verify?token=") {
			t.Errorf("got the link %s, want it to begin with the request's place", link)
		}
		generated, err := s.GenerateLink(ctx, postern.GenerateLinkParams{Type: postern.LinkRecovery, Email: ada})
		if err != nil || !strings.HasPrefix(generated.ActionLink, "https://login.example.org/auth/v1/verify?token=") {
			t.Errorf("got the link %+v and error %v, want it to begin with the request's place", generated, err)
		}
	})
}
