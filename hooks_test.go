package postern_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/store"
)

// heard is what the hooks about new users were told.
type heard struct {
	before, created, after []postern.User
	refusal                error // of BeforeUserCreated
}

func (h *heard) hooks() postern.Hooks {
	return postern.Hooks{
		BeforeUserCreated: func(_ context.Context, u *postern.User) error {
			h.before = append(h.before, *u)
			return h.refusal
		},
		UserCreated: func(_ context.Context, _ postern.Tx, u *postern.User) error {
			h.created = append(h.created, *u)
			return nil
		},
		AfterUserCreated: func(_ context.Context, u *postern.User) error {
			h.after = append(h.after, *u)
			return nil
		},
	}
}

// waysIn are the ways in which accounts come to be, but for AdminCreateUser.
var waysIn = map[string]func(ctx context.Context, o outside) error{
	"sign-up": func(ctx context.Context, o outside) error {
		_, err := o.SignUp(ctx, postern.SignUpParams{Email: ada, Password: goodPassword})
		return err
	},
	"sign-up by phone": func(ctx context.Context, o outside) error {
		_, err := o.SignUp(ctx, postern.SignUpParams{Phone: phone, Password: goodPassword})
		return err
	},
	"link": func(ctx context.Context, o outside) error {
		_, err := o.SignInWithOTP(ctx, postern.SignInWithOTPParams{Email: ada})
		return err
	},
	"text message": func(ctx context.Context, o outside) error {
		_, err := o.SignInWithOTP(ctx, postern.SignInWithOTPParams{Phone: phone})
		return err
	},
	"invitation": func(ctx context.Context, o outside) error {
		_, err := o.Invite(ctx, postern.InviteParams{Email: ada})
		return err
	},
	"generated link": func(ctx context.Context, o outside) error {
		_, err := o.GenerateLink(ctx, postern.GenerateLinkParams{Type: postern.LinkSignUp, Email: ada, Password: goodPassword})
		return err
	},
	"generated invitation": func(ctx context.Context, o outside) error {
		_, err := o.GenerateLink(ctx, postern.GenerateLinkParams{Type: postern.LinkInvite, Email: ada})
		return err
	},
	"anonymous": func(ctx context.Context, o outside) error {
		_, err := o.SignInAnonymously(ctx, postern.SignInAnonymouslyParams{})
		return err
	},
	"provider": func(ctx context.Context, o outside) error {
		location, err := o.AuthorizeURL(ctx, postern.AuthorizeParams{Provider: "github"})
		if err == nil {
			_, err = o.Callback(ctx, postern.CallbackParams{Params: o.github.Approve(location, authtest.Person(ada))})
		}
		return err
	},
	"wallet": func(ctx context.Context, o outside) error {
		p := newWallet('a').sign("localhost:3000", "http://localhost:3000/", o.Now())
		_, err := o.SignInWithWeb3(ctx, p)
		return err
	},
}

func allWays(c *postern.Config) {
	wallets(c)
	c.AnonymousUsers, c.Phone.Enabled = true, true
}

func TestHooksHearOfEveryNewUserOnce(t *testing.T) {
	withProvider(t, allWays, func(t *testing.T, o outside) {
		for _, autoconfirm := range []bool{false, true} {
			for _, name := range slices.Sorted(maps.Keys(waysIn)) {
				o.exec(t, "DELETE FROM auth.users")
				o.exec(t, "DELETE FROM auth.postern_counters")
				var h heard
				hooked := o.hooked(t, func(c *postern.Config) {
					c.Hooks, c.Email.Autoconfirm, c.Phone.Autoconfirm = h.hooks(), autoconfirm, autoconfirm
				})
				for range 2 { // the second time everybody is known, but for who is nobody
					if err := waysIn[name](t.Context(), hooked); err != nil && !isCode(err, postern.ErrUserAlreadyExists) &&
						!isCode(err, postern.ErrOverEmailSendRateLimit) && !isCode(err, postern.ErrOverSMSSendRateLimit) && name != "wallet" {
						t.Fatalf("%s: %v", name, err)
					}
				}
				want := hooked.users(t)
				if len(h.before) != want || len(h.created) != want || len(h.after) != want {
					t.Errorf("%s: got %d, %d and %d calls for %d users, want one for each", name, len(h.before), len(h.created), len(h.after), want)
					continue
				}
				for _, u := range [][]postern.User{h.before, h.created, h.after} {
					stored := must(o.AdminUser(t.Context(), u[0].ID))
					if stored.Email != u[0].Email || stored.Phone != u[0].Phone || len(stored.Identities) != len(u[0].Identities) ||
						len(u[0].Identities) > 0 && stored.Identities[0].IdentityID != u[0].Identities[0].IdentityID {
						t.Errorf("%s: the hook was told of %+v, stored was %+v", name, u[0], stored)
					}
				}
			}
		}
	})
}

// hooked is o under another configuration.
func (o outside) hooked(t *testing.T, edit func(*postern.Config)) outside {
	t.Helper()
	o.service = o.with(t, func(c *postern.Config) {
		*c = o.cfg
		edit(c)
	})
	return o
}

func TestRefusedUsersAreNotStored(t *testing.T) {
	withProvider(t, allWays, func(t *testing.T, o outside) {
		h := heard{refusal: &postern.HookError{HTTPCode: 451, Message: "not from there"}}
		hooked := o.hooked(t, func(c *postern.Config) { c.Hooks = h.hooks() })
		for name, comeIn := range waysIn {
			err := comeIn(t.Context(), hooked)
			if e, ok := errors.AsType[*postern.Error](err); !ok || e.Status != 451 || e.Code != "" || e.Message != "not from there" {
				t.Errorf("%s: got error %v, want the hook's", name, err)
			}
		}
		for _, table := range []string{"users", "identities", "sessions", "one_time_tokens", "audit_log_entries"} {
			if n := o.count(t, "SELECT count(*) FROM auth."+table); n != 0 {
				t.Errorf("%s has %d rows, want none", table, n)
			}
		}
		if len(h.before) != len(waysIn) || len(h.created)+len(h.after) != 0 {
			t.Errorf("got %d, %d and %d calls, want only the first for each", len(h.before), len(h.created), len(h.after))
		}
		password := goodPassword
		must(hooked.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: ada, Password: &password}))
		if len(h.before) != len(waysIn) || len(h.created) != 1 || len(h.after) != 0 {
			t.Errorf("an operator's user: got %d, %d and %d calls, want the second alone", len(h.before), len(h.created), len(h.after))
		}
	})
}

func TestFailuresOfHooksAreNotShown(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		const detail = "a detail that is nobody's business"
		for _, hooks := range []postern.Hooks{
			{BeforeUserCreated: func(context.Context, *postern.User) error { return errors.New(detail) }},
			{UserCreated: func(context.Context, postern.Tx, *postern.User) error { return errors.New(detail) }},
			{AfterUserCreated: func(context.Context, *postern.User) error { return errors.New(detail) }},
			{CustomAccessToken: func(context.Context, postern.AccessTokenRequest) (map[string]any, error) {
				return nil, errors.New(detail)
			}},
		} {
			s.exec(t, "DELETE FROM auth.users")
			_, err := s.with(t, func(c *postern.Config) { c.Hooks = hooks }).
				SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword})
			wantError(t, err, postern.KindInternal, postern.ErrUnexpectedFailure)
			e, _ := errors.AsType[*postern.Error](err)
			if strings.Contains(e.Message, detail) || !strings.Contains(err.Error(), detail) {
				t.Errorf("got %v, want the detail in the log alone", err)
			}
		}
	})
}

// profile is a row of an application's own.
type profile struct {
	bun.BaseModel `bun:"table:profiles"`

	UserID uuid.UUID `bun:",pk,type:varchar(36)"`
	Plan   string    `bun:",notnull"`
}

func TestRowOfTheApplicationComesAndGoesWithTheUser(t *testing.T) {
	withProvider(t, allWays, func(t *testing.T, o outside) {
		if _, err := o.st.DB().NewCreateTable().Model((*profile)(nil)).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		var fail error
		hooked := o.hooked(t, func(c *postern.Config) {
			c.Hooks.UserCreated = func(ctx context.Context, tx postern.Tx, u *postern.User) error {
				_, err := store.DB(tx).NewInsert().Model(&profile{UserID: u.ID, Plan: "free"}).Exec(ctx)
				return errors.Join(err, fail)
			}
		})
		rows := func() [2]int { return [2]int{o.users(t), o.count(t, "SELECT count(*) FROM profiles")} }
		fail = &postern.HookError{HTTPCode: 402, Message: "no seats left"}
		for name, comeIn := range waysIn {
			if e, ok := errors.AsType[*postern.Error](comeIn(t.Context(), hooked)); !ok || e.Message != "no seats left" {
				t.Errorf("%s: got error %v, want the hook's", name, e)
			}
			if got := rows(); got != [2]int{} {
				t.Fatalf("%s: got %d users and profiles after an error, want none", name, got)
			}
		}
		fail = nil
		for name, comeIn := range waysIn {
			before := rows()
			if err := comeIn(t.Context(), hooked); err != nil && !isCode(err, postern.ErrEmailExists) &&
				!isCode(err, postern.ErrOverEmailSendRateLimit) && !isCode(err, postern.ErrOverSMSSendRateLimit) {
				t.Errorf("%s: %v", name, err)
			}
			if got := rows(); got[0] != got[1] || got[0] < before[0] {
				t.Errorf("%s: got %d users and profiles", name, got)
			}
		}
	})
}

func TestHooksInTheApplicationsTransaction(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		if _, err := s.st.DB().NewCreateTable().Model((*profile)(nil)).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		var h heard
		hooked := s.with(t, func(c *postern.Config) {
			c.Hooks = h.hooks()
			c.Hooks.UserCreated = func(ctx context.Context, tx postern.Tx, u *postern.User) error {
				_, err := store.DB(tx).NewInsert().Model(&profile{UserID: u.ID, Plan: "free"}).Exec(ctx)
				return err
			}
		})
		signUp := func(end func(bun.Tx) error) *postern.Auth {
			tx, err := s.st.DB().BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			in := hooked.In(s.st.Join(tx))
			must(in.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword}))
			if err := end(tx); err != nil {
				t.Fatal(err)
			}
			return in
		}
		signUp(func(tx bun.Tx) error { return tx.Rollback() })
		if users, profiles := s.count(t, "SELECT count(*) FROM auth.users"), s.count(t, "SELECT count(*) FROM profiles"); users+profiles != 0 {
			t.Errorf("after a rollback: got %d users and %d profiles, want none", users, profiles)
		}
		in := signUp(func(tx bun.Tx) error { return tx.Commit() })
		if users, profiles := s.count(t, "SELECT count(*) FROM auth.users"), s.count(t, "SELECT count(*) FROM profiles"); users != 1 || profiles != 1 {
			t.Errorf("after the commit: got %d users and %d profiles, want one of each", users, profiles)
		}
		if len(h.after) != 0 {
			t.Error("AfterUserCreated was called before Deliver")
		}
		for range 2 {
			if err := in.Deliver(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if len(h.before) != 2 || len(h.after) != 1 {
			t.Errorf("got %d and %d calls, want one for each attempt and one for the user", len(h.before), len(h.after))
		}
	})
}

// Between the question and the transaction the world goes on.
func TestAddressThatIsTakenWhileTheHookThinks(t *testing.T) {
	each(t, confirming, func(t *testing.T, s service) {
		var h heard
		hooked := s.with(t, func(c *postern.Config) {
			confirming(c)
			c.Hooks = h.hooks()
			c.Hooks.BeforeUserCreated = func(ctx context.Context, _ *postern.User) error {
				password := newPassword
				_, err := s.AdminCreateUser(ctx, postern.AdminCreateUserParams{Email: ada, Password: &password, EmailConfirm: true})
				return err
			}
		})
		res := must(hooked.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword}))
		if !res.Decoy || len(h.created)+len(h.after) != 0 || s.count(t, "SELECT count(*) FROM auth.users") != 1 {
			t.Errorf("got %+v after %d and %d calls, want the answer for a taken address", res, len(h.created), len(h.after))
		}
		s.signIn(t, newPassword)
	})
}

func TestHookThatHangsHoldsUpNobodyElse(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		s.signUp(t)
		const waiting = 30 // more than a pool has connections
		asked, letGo := make(chan struct{}, waiting), make(chan struct{})
		slow := s.with(t, func(c *postern.Config) {
			c.Hooks.BeforeUserCreated = func(ctx context.Context, _ *postern.User) error {
				asked <- struct{}{}
				<-letGo
				return nil
			}
		})
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
			<-asked
		}
		session := slow.signIn(t, goodPassword) // reads and writes
		slow.caller(t, &session.Session)
		close(letGo)
		wg.Wait()
	})
}

func TestHookMakesTheClaimsOfEveryAccessToken(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		var asked []string
		hooked := s.with(t, func(c *postern.Config) {
			c.Hooks.CustomAccessToken = func(_ context.Context, r postern.AccessTokenRequest) (map[string]any, error) {
				asked = append(asked, r.Method)
				claims := r.Claims.Map()
				claims["plan"], claims["role"], claims["exp"] = "pro", "editor", r.Claims.IssuedAt.Unix()+60
				delete(claims, "user_metadata")
				return claims, nil
			}
		})
		session := hooked.signUp(t)
		for _, session := range []*postern.Session{session, hooked.refresh(t, session.RefreshToken)} {
			c := hooked.caller(t, session)
			if c.User.Email != ada || c.Claims.Role != "editor" || c.Claims.ExpiresAt.Unix()-c.Claims.IssuedAt.Unix() != 60 {
				t.Errorf("got caller %+v with %+v, want ada with the hook's claims", c.User, c.Claims)
			}
			if claims := payload(t, session.AccessToken); claims["plan"] != "pro" || claims["user_metadata"] != nil {
				t.Errorf("got claims %v, want the hook's", claims)
			}
			if session.ExpiresIn != 3600 || session.User.Role != "authenticated" {
				t.Errorf("got %ds and role %q, want the answer as without the hook", session.ExpiresIn, session.User.Role)
			}
		}
		raised, _ := hooked.withApp(t, session)
		if got := hooked.caller(t, raised).Claims.AAL; got != "aal2" {
			t.Errorf("got %s, want aal2", got)
		}
		if want := []string{"password", "token_refresh", "totp"}; !slices.Equal(asked, want) {
			t.Errorf("the hook was asked about %q, want %q", asked, want)
		}
	})
}

// payload returns the claims of a token, unverified.
func payload(t *testing.T, token string) (claims map[string]any) {
	t.Helper()
	if err := json.Unmarshal(must(base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])), &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestClaimsThatAreRefused(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		s.signUp(t)
		const schema = "output claims do not conform to the expected schema: \n"
		for name, test := range map[string]struct {
			spoil func(claims map[string]any) map[string]any
			want  string
		}{
			"none": {func(map[string]any) map[string]any { return nil }, "output claims field is missing"},
			"no email": {func(c map[string]any) map[string]any {
				delete(c, "email")
				return c
			}, schema + "- (root): email is required\n"},
			"several faults": {func(c map[string]any) map[string]any {
				delete(c, "aud")
				c["exp"], c["amr"] = "soon", []any{1}
				return c
			}, schema + "- (root): aud is required\n- exp: Invalid type. Expected: integer\n- amr: Invalid type. Expected: array of strings or objects\n"},
			"another user": {func(c map[string]any) map[string]any {
				c["sub"] = uuid.NewString()
				return c
			}, schema + "- (root): sub and session_id must stay as they are\n"},
			"another session": {func(c map[string]any) map[string]any {
				c["session_id"] = uuid.NewString()
				return c
			}, schema + "- (root): sub and session_id must stay as they are\n"},
			"what no token is looked at with": {func(c map[string]any) map[string]any {
				c["more"] = strings.Repeat("x", 20<<10)
				return c
			}, "output claims are too long"},
			"no text": {func(c map[string]any) map[string]any {
				c["more"] = "\x00"
				return c
			}, "output claims cannot be written"},
		} {
			hooked := s.with(t, func(c *postern.Config) {
				c.Hooks.CustomAccessToken = func(_ context.Context, r postern.AccessTokenRequest) (map[string]any, error) {
					return test.spoil(r.Claims.Map()), nil
				}
			})
			_, err := hooked.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: ada, Password: goodPassword})
			if e, ok := errors.AsType[*postern.Error](err); !ok || e.Kind != postern.KindInternal || e.Message != test.want {
				t.Errorf("%s: got %v, want %q", name, err, test.want)
			}
		}
	})
}

// A client whose answer was lost to a hook asks again.
func TestRefreshThatTheHookRefusedCanBeRepeated(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		down := s.with(t, func(c *postern.Config) {
			c.Hooks.CustomAccessToken = func(context.Context, postern.AccessTokenRequest) (map[string]any, error) {
				return nil, &postern.Error{Kind: postern.KindUnprocessable, Code: postern.ErrHookTimeout, Message: "too late"}
			}
		})
		_, err := down.RefreshToken(t.Context(), session.RefreshToken)
		wantError(t, err, postern.KindUnprocessable, postern.ErrHookTimeout)
		s.Advance(time.Hour)
		s.refresh(t, session.RefreshToken)
	})
}

func TestHookSendsMails(t *testing.T) {
	mailing(t, nil, func(t *testing.T, s service, box *postbox) {
		var sent []postern.EmailOperation
		hooked := s.with(t, func(c *postern.Config) {
			c.Mailer, c.Email.Autoconfirm, c.Email.Notify.EmailChanged = box, false, true
			c.ExternalURL = "https://auth.example.com/auth/v1"
			c.Hooks.SendEmail = func(_ context.Context, e postern.EmailOperation) error {
				sent = append(sent, e)
				return nil
			}
		})
		last := func() postern.EmailOperation { return sent[len(sent)-1] }
		must(hooked.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword}))
		e := last()
		if e.Type != postern.MailSignUp || e.User.Email != ada || e.SiteURL != "https://auth.example.com/auth/v1" || e.TokenNew+e.TokenHashNew != "" {
			t.Errorf("got %+v, want the mail of a sign-up", e)
		}
		session := hooked.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySignUp, Email: ada, Token: string(e.Token)})

		const other = "ada@example.org"
		must(hooked.UpdateUser(t.Context(), hooked.caller(t, session), postern.UpdateUserParams{Email: other}))
		e = last()
		if len(sent) != 2 || e.Type != postern.MailEmailChange || e.User.Email != ada || e.User.NewEmail != other {
			t.Fatalf("got %d mails, the last %+v, want one for both addresses", len(sent), e)
		}
		half := must(hooked.verify(t, postern.VerifyOTPParams{Type: postern.VerifyEmailChange, Email: ada, Token: string(e.Token)}))
		if half.Session != nil {
			t.Error("the code for one address changed it")
		}
		hooked.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifyEmailChange, TokenHash: string(e.TokenHash)}) // of the new address
		if e = last(); e.Type != postern.MailEmailChanged || e.OldEmail != ada || e.User.Email != other || e.Token != "" {
			t.Errorf("got %+v, want the mail that tells of the change", e)
		}
		if box.count() != 0 {
			t.Error("the mailer was used as well")
		}
	})
}

func TestHookThatSendsNothingIsHeardOfAndKeepsNobodyWaiting(t *testing.T) {
	mailing(t, nil, func(t *testing.T, s service, _ *postbox) {
		s.askSignUp(t)
		s.Advance(time.Hour)
		refusal := &postern.HookError{HTTPCode: 429, Message: "enough for today"}
		hooked := s.with(t, func(c *postern.Config) {
			c.Email.Autoconfirm = false
			c.Hooks.SendEmail = func(context.Context, postern.EmailOperation) error { return refusal }
		})
		hooked.Advance(time.Hour)
		for range 2 {
			err := hooked.ResetPasswordForEmail(t.Context(), postern.ResetPasswordParams{Email: ada})
			if e, ok := errors.AsType[*postern.Error](err); !ok || e.Kind != postern.KindTooMany || e.Message != "enough for today" {
				t.Errorf("got %v, want the hook's refusal", err)
			}
		}
	})
}

func TestHookSendsTextMessages(t *testing.T) {
	mailing(t, nil, func(t *testing.T, s service, box *postbox) {
		var sent []postern.SMS
		hooked := s.with(t, func(c *postern.Config) {
			phoneFactors(c)
			c.SMS, c.Phone.Enabled, c.Phone.Autoconfirm = box, true, false
			c.Phone.TestCodes = map[string]string{"15550100000": "123456"}
			c.Phone.Check = func(context.Context, string, string) (bool, error) { return false, errors.New("not asked") }
			c.Hooks.SendSMS = func(_ context.Context, s postern.SMS) error {
				sent = append(sent, s)
				return nil
			}
		})
		res := must(hooked.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Phone: phone}))
		if len(sent) != 1 || sent[0].Phone != phone || sent[0].ForFactor || res.ID != "" {
			t.Fatalf("got %+v, want a code for %s", sent, phone)
		}
		session := hooked.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySMS, Phone: phone, Token: string(sent[0].Code)})
		hooked.challenge(t, session, hooked.withNumber(t, session, "15550100077"))
		if len(sent) != 2 || sent[1].Phone != "15550100077" || !sent[1].ForFactor {
			t.Errorf("got %+v, want a code for a factor", sent)
		}
		must(hooked.SignInWithOTP(t.Context(), postern.SignInWithOTPParams{Phone: "15550100000"}))
		if len(sent) != 2 || box.count() != 0 {
			t.Errorf("got %d and %d messages, want none to a test number", len(sent), box.count())
		}
	})
}

func TestHookJudgesPasswords(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		var heard []postern.PasswordAttempt
		var verdict postern.Verdict
		var failure error
		hooked := s.with(t, func(c *postern.Config) {
			c.Hooks.PasswordVerificationAttempt = func(_ context.Context, p postern.PasswordAttempt) (postern.Verdict, error) {
				heard = append(heard, p)
				return verdict, failure
			}
		})
		try := func(email, password string) error {
			_, err := hooked.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: email, Password: password})
			return err
		}
		refused := func(err error, message string) {
			t.Helper()
			wantError(t, err, postern.KindInvalid, postern.ErrInvalidCredentials)
			if e, _ := errors.AsType[*postern.Error](err); e.Message != message {
				t.Errorf("got %q, want %q", e.Message, message)
			}
		}
		const ordinary = "Invalid login credentials"
		if err := try(ada, goodPassword); err != nil {
			t.Error(err)
		}
		refused(try(ada, "wrong"), ordinary)
		refused(try("nobody@example.com", "wrong"), ordinary)
		if want := []postern.PasswordAttempt{{UserID: session.User.ID, Valid: true}, {UserID: session.User.ID}}; !slices.Equal(heard, want) {
			t.Errorf("the hook heard %+v, want %+v", heard, want)
		}

		verdict = postern.Verdict{Reject: true}
		refused(try(ada, goodPassword), "Further password verification attempts will be rejected.")
		s.caller(t, session)
		verdict = postern.Verdict{Reject: true, Message: "wait", SignOut: true}
		refused(try(ada, "wrong"), "wait")
		if _, err := s.Authenticate(t.Context(), session.AccessToken); !isCode(err, postern.ErrSessionNotFound) {
			t.Errorf("got %v, want the session to have ended", err)
		}
		refused(try("nobody@example.com", "wrong"), ordinary)

		// What fails for an account fails for none, or strangers would see a difference.
		failure = &postern.Error{Kind: postern.KindUnprocessable, Code: postern.ErrHookTimeout, Message: "too late"}
		for _, email := range []string{ada, "nobody@example.com"} {
			wantError(t, try(email, "wrong"), postern.KindUnprocessable, postern.ErrHookTimeout)
		}
	})
}

func TestRejectedPasswordsSayNothingOfHiddenAccounts(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		s.signUp(t)
		hooked := s.with(t, func(c *postern.Config) {
			c.HideAccounts = true
			c.Hooks.PasswordVerificationAttempt = func(context.Context, postern.PasswordAttempt) (postern.Verdict, error) {
				return postern.Verdict{Reject: true, Message: "wait"}, nil
			}
		})
		for password, want := range map[string]string{"wrong": "Invalid login credentials", goodPassword: "wait"} {
			_, err := hooked.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: ada, Password: password})
			if e, ok := errors.AsType[*postern.Error](err); !ok || e.Code != postern.ErrInvalidCredentials || e.Message != want {
				t.Errorf("%s: got %v, want %q", password, err, want)
			}
		}
	})
}

func TestHookJudgesSecondFactors(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		session := s.signUp(t)
		a := s.enroll(t, session, "app")
		var heard []postern.FactorAttempt
		var verdict postern.Verdict
		hooked := s.with(t, func(c *postern.Config) {
			c.Hooks.MFAVerificationAttempt = func(_ context.Context, f postern.FactorAttempt) (postern.Verdict, error) {
				heard = append(heard, f)
				return verdict, nil
			}
		})
		_, err := hooked.answer(t, session, a.factor, "000000")
		wantError(t, err, postern.KindUnprocessable, postern.ErrMFAVerificationFailed)
		raised := must(hooked.answer(t, session, a.factor, hooked.code(a, hooked.Now())))

		hooked.Advance(time.Minute)
		verdict.Reject = true
		_, err = hooked.answer(t, raised, a.factor, hooked.code(a, hooked.Now()))
		wantError(t, err, postern.KindForbidden, postern.ErrMFAVerificationRejected)
		if e, _ := errors.AsType[*postern.Error](err); e.Message != "Further MFA verification attempts will be rejected." {
			t.Errorf("got %q, want GoTrue's text", e.Message)
		}
		if n := s.count(t, "SELECT count(*) FROM auth.sessions"); n != 0 {
			t.Errorf("%d sessions are left, want none", n)
		}
		want := []bool{false, true, true}
		for i, f := range heard {
			if i >= len(want) || f.UserID != session.User.ID || f.FactorID != a.factor || f.FactorType != postern.FactorTOTP || f.Valid != want[i] {
				t.Errorf("attempt %d: the hook heard %+v", i, f)
			}
		}
	})
}
