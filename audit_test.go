package postern_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/internal/webauthntest"
)

// everything switches on all that writes into the audit log.
func everything(c *postern.Config) {
	passkeys(c)
	phoneFactors(c)
	anonymous(c)
	wallets(c)
	c.Phone.Enabled = true
	c.CustomProviders.Maker = newMaker()
	c.Email.MaxFrequency, c.Phone.MaxFrequency, c.MFA.Phone.MaxFrequency = -1, -1, -1
	c.Email.SingleChangeConfirmation = true
	c.AdminRoles = []string{"service_role", "supabase_admin"}
}

// auditNotes reads the audit log from its beginning: of each entry the action, the type, the
// author and the traits, without ids.
func (s service) auditNotes(t *testing.T) []string {
	t.Helper()
	page, err := s.AdminAuditLog(t.Context(), postern.AuditQuery{PerPage: 1000})
	if err != nil {
		t.Fatalf("AdminAuditLog: %v", err)
	}
	var notes []string
	for _, e := range slices.Backward(page.Entries) {
		notes = append(notes, auditNote(t, e))
	}
	return notes
}

var anyID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

func auditNote(t *testing.T, e postern.AuditEntry) string {
	t.Helper()
	var p struct {
		Action   string          `json:"action"`
		LogType  string          `json:"log_type"`
		ID       uuid.UUID       `json:"actor_id"`
		Username string          `json:"actor_username"`
		Name     string          `json:"actor_name"`
		ViaSSO   *bool           `json:"actor_via_sso"`
		Traits   json.RawMessage `json:"traits"`
	}
	decoder := json.NewDecoder(bytes.NewReader(e.Payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil || p.ViaSSO == nil {
		t.Fatalf("the entry %s: %v", e.Payload, err)
	}
	who := p.Username
	if p.ID == uuid.Nil {
		who += "!"
	}
	if p.Name != "" {
		who += " called " + p.Name
	}
	if *p.ViaSSO {
		who += " by SSO"
	}
	return strings.TrimSpace(fmt.Sprintf("%s/%s %s %s", p.Action, p.LogType, who, anyID.ReplaceAllString(string(p.Traits), "ID")))
}

func TestEveryFlowIsInTheAuditLog(t *testing.T) {
	withProvider(t, everything, func(t *testing.T, o outside) {
		s, box, ctx := o.service, o.box, t.Context()
		auto := s.with(t, everything)
		signUp := func(s service, email string) *postern.SignUpResult {
			return must(s.SignUp(ctx, postern.SignUpParams{Email: email, Password: goodPassword, Data: map[string]any{"full_name": "Ada L."}}))
		}
		passed := func(_ any, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		done := func(err error) { t.Helper(); passed(nil, err) }
		verify := func(kind postern.VerifyType, email string) *postern.Session {
			return s.mustVerify(t, postern.VerifyOTPParams{Type: kind, TokenHash: string(box.mail(t, email).TokenHash)})
		}
		exchange := func(location string, verifier string) {
			t.Helper()
			passed(s.ExchangeCodeForSession(ctx, query(t, location).Get("code"), verifier))
		}
		verifier, password := strings.Repeat("v", 43), newPassword
		challenge := postern.Challenge{CodeChallenge: verifier, CodeChallengeMethod: "plain"}
		var session, grace *postern.Session
		var made *postern.User
		var codes *postern.RecoveryCodes
		var key *postern.Passkey
		var phoneFactor uuid.UUID
		authenticator := webauthntest.New(page)
		seen := 0
		for _, flow := range []struct {
			what string
			do   func()
			want []string
		}{
			{"a sign-up that waits", func() { signUp(s, ada) }, []string{
				`user_confirmation_requested/user ada@example.com called Ada L. {"provider":"email"}`}},
			{"its mail, sent again", func() { passed(s.Resend(ctx, postern.ResendParams{Type: postern.VerifySignUp, Email: ada})) }, []string{
				`user_confirmation_requested/user ada@example.com called Ada L. {"provider":"email"}`}},
			{"its confirmation", func() { session = verify(postern.VerifySignUp, ada) }, []string{
				`user_signedup/team ada@example.com called Ada L. {"provider":"email"}`}},
			{"a sign-up with a taken address", func() { signUp(s, ada) }, []string{
				`user_repeated_signup/user ada@example.com called Ada L. {"provider":"email"}`}},
			{"a sign-in", func() { session = s.again(t) }, []string{
				`login/account ada@example.com called Ada L. {"provider":"email"}`}},
			{"a wrong password", func() {
				_, err := s.SignInWithPassword(ctx, postern.SignInWithPasswordParams{Email: ada, Password: "wrong"})
				wantError(t, err, postern.KindInvalid, postern.ErrInvalidCredentials)
			}, nil},
			{"a refresh", func() { session = s.refresh(t, session.RefreshToken) }, nil},
			{"a sign-up that needs no confirmation", func() { grace = signUp(auto, "grace@example.com").Session }, []string{
				`user_signedup/team grace@example.com called Ada L. {"provider":"email"}`,
				`login/account grace@example.com called Ada L. {"provider":"email"}`}},
			{"a sign-up by phone", func() {
				passed(s.SignUp(ctx, postern.SignUpParams{Phone: "15550100001", Password: goodPassword}))
				s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySMS, Phone: "15550100001", Token: s.LastCode(t, "15550100001")})
			}, []string{
				`user_confirmation_requested/user 15550100001 {"provider":"phone"}`,
				`user_signedup/team 15550100001 {"provider":"phone"}`}},
			{"a sign-in by phone", func() {
				passed(s.SignInWithOTP(ctx, postern.SignInWithOTPParams{Phone: "15550100001"}))
				s.mustVerify(t, postern.VerifyOTPParams{Type: postern.VerifySMS, Phone: "15550100001", Token: s.LastCode(t, "15550100001")})
			}, []string{
				`user_recovery_requested/user 15550100001 {"channel":"sms"}`,
				`login/account 15550100001 {"provider":"phone"}`}},
			{"a one-time sign-in of somebody new", func() {
				passed(s.SignInWithOTP(ctx, postern.SignInWithOTPParams{Email: "new@example.com"}))
				verify(postern.VerifyEmail, "new@example.com")
			}, []string{
				`user_confirmation_requested/user new@example.com {"provider":"email"}`,
				`user_signedup/team new@example.com {"provider":"email"}`}},
			{"a magic link", func() {
				passed(s.SignInWithOTP(ctx, postern.SignInWithOTPParams{Email: ada}))
				verify(postern.VerifyMagicLink, ada)
			}, []string{
				`user_recovery_requested/user ada@example.com called Ada L.`,
				`login/account ada@example.com called Ada L.`}},
			{"a magic link with PKCE", func() {
				passed(s.SignInWithOTP(ctx, postern.SignInWithOTPParams{Email: ada, Challenge: challenge}))
				location, _, err := s.VerifyLink(ctx, postern.VerifyLinkParams{Type: postern.VerifyMagicLink, Token: string(box.mail(t, ada).TokenHash)})
				done(err)
				exchange(location, verifier)
			}, []string{
				`user_recovery_requested/user ada@example.com called Ada L.`,
				`login/account ada@example.com called Ada L. {"provider_type":"email"}`}},
			{"a recovery", func() {
				done(s.ResetPasswordForEmail(ctx, postern.ResetPasswordParams{Email: ada}))
				session = verify(postern.VerifyRecovery, ada)
			}, []string{
				`user_recovery_requested/user ada@example.com called Ada L.`,
				`login/account ada@example.com called Ada L.`}},
			{"a recovery of nobody", func() {
				done(s.ResetPasswordForEmail(ctx, postern.ResetPasswordParams{Email: "nobody@example.com"}))
			}, nil},
			{"a reauthentication", func() { passed(s.Reauthenticate(ctx, s.caller(t, session))) }, []string{
				`user_reauthenticate_requested/user ada@example.com called Ada L.`}},
			{"a new password", func() {
				passed(s.UpdateUser(ctx, s.caller(t, session), postern.UpdateUserParams{Password: &password}))
			}, []string{
				`user_updated_password/user ada@example.com called Ada L.`,
				`user_modified/user ada@example.com called Ada L.`}},
			{"a new address", func() {
				passed(s.UpdateUser(ctx, s.caller(t, grace), postern.UpdateUserParams{Email: "hopper@example.com"}))
				grace = verify(postern.VerifyEmailChange, "hopper@example.com")
			}, []string{
				`user_modified/user grace@example.com called Ada L.`,
				`user_modified/user hopper@example.com called Ada L.`}},
			{"an anonymous user", func() { passed(s.SignInAnonymously(ctx, postern.SignInAnonymouslyParams{})) }, []string{
				`user_signedup/team  {"provider":"anonymous"}`}},
			{"a sign-in with a provider", func() { o.mustVisit(t, authtest.Person("hub@example.com")) }, []string{
				`user_signedup/team hub@example.com called A Person {"provider":"github"}`}},
			{"another", func() { o.mustVisit(t, authtest.Person("hub@example.com")) }, []string{
				`login/account hub@example.com called A Person {"provider":"github"}`}},
			{"one with PKCE", func() {
				back, err := o.comeBack(t, o.authorize(t, postern.AuthorizeParams{Challenge: challenge}), authtest.Person("hub@example.com"))
				done(err)
				exchange(back.Location, verifier)
			}, []string{
				`login/account hub@example.com called A Person {"provider_type":"github"}`}},
			{"one that the provider does not vouch for", func() {
				_, err := o.visit(t, unverified("doubt@example.com"))
				wantError(t, err, postern.KindUnprocessable, postern.ErrProviderEmailNeedsVerification)
			}, []string{
				`user_confirmation_requested/user doubt@example.com called A Person {"provider":"github"}`}},
			{"an identity with a known address", func() { o.mustVisit(t, as("of-ada", authtest.Person(ada))) }, []string{
				`identity_linked/user ada@example.com called A Person {"identity_id":"ID","provider":"github","provider_id":"of-ada"}`,
				`login/account ada@example.com called A Person {"provider":"github"}`}},
			{"an identity that is added", func() { passed(o.link(t, session, as("second", authtest.Person("second@example.com")))) }, []string{
				`identity_linked/user ada@example.com called A Person {"identity_id":"ID","provider":"github","provider_id":"second"}`}},
			{"an identity that is removed", func() {
				i := slices.IndexFunc(o.account(t, session.User.ID).Identities, func(i postern.Identity) bool { return i.ID == "second" })
				done(s.UnlinkIdentity(ctx, s.caller(t, session), o.account(t, session.User.ID).Identities[i].IdentityID, ""))
			}, []string{
				`identity_unlinked/user ada@example.com called A Person {"identity_id":"ID","provider":"github","provider_id":"second"}`}},
			{"a wallet", func() {
				passed(s.SignInWithWeb3(ctx, newWallet('a').sign("app.example.com", "https://app.example.com/in", s.Now())))
			}, []string{`user_signedup/team  {"provider":"web3"}`}},
			{"a sign-out", func() { done(s.SignOut(ctx, s.caller(t, session), postern.SignOutGlobal)) }, []string{
				`logout/account ada@example.com called A Person`}},
			{"a token that turns up again", func() {
				session = &s.signIn(t, newPassword).Session
				s.refresh(t, s.refresh(t, session.RefreshToken).RefreshToken)
				s.Advance(time.Minute)
				_, err := s.RefreshToken(ctx, session.RefreshToken)
				wantError(t, err, postern.KindInvalid, postern.ErrRefreshTokenUsed)
			}, []string{
				`login/account ada@example.com called A Person {"provider":"email"}`,
				`token_revoked/token ada@example.com called A Person`}},
			{"a passkey", func() {
				key = must(s.register(t, grace, authenticator))
				passed(s.SignInWithPasskey(ctx, s.present(t, authenticator)))
				passed(s.RenamePasskey(ctx, s.caller(t, grace), key.ID, "phone"))
				done(s.DeletePasskey(ctx, s.caller(t, grace), key.ID))
			}, []string{
				`passkey_created/user hopper@example.com called Ada L. {"passkey_id":"ID"}`,
				`login/account hopper@example.com called Ada L. {"passkey_id":"ID"}`,
				`passkey_updated/user hopper@example.com called Ada L. {"passkey_id":"ID"}`,
				`passkey_deleted/user hopper@example.com called Ada L. {"passkey_id":"ID"}`}},
			{"a factor", func() { grace, _ = s.withApp(t, grace) }, []string{
				`factor_in_progress/factor hopper@example.com called Ada L. {"factor_id":"ID","factor_type":"totp"}`,
				`challenge_created/factor hopper@example.com called Ada L. {"factor_id":"ID","factor_status":"unverified"}`,
				`verification_attempted/factor hopper@example.com called Ada L. {"challenge_id":"ID","factor_id":"ID","factor_type":"totp"}`}},
			{"a factor with a number, removed", func() {
				phoneFactor = s.withNumber(t, grace, "+15550100002")
				s.challenge(t, grace, phoneFactor)
				done(s.UnenrollFactor(ctx, s.caller(t, grace), phoneFactor))
			}, []string{
				`factor_in_progress/factor hopper@example.com called Ada L. {"factor_id":"ID","factor_type":"phone"}`,
				`challenge_created/factor hopper@example.com called Ada L. {"factor_id":"ID","factor_status":"unverified"}`,
				`factor_unenrolled/factor hopper@example.com called Ada L. {"factor_id":"ID","factor_status":"unverified","session_id":"ID"}`}},
			{"recovery codes", func() {
				codes = must(s.GenerateRecoveryCodes(ctx, s.caller(t, grace), ""))
				codes = must(s.RegenerateRecoveryCodes(ctx, s.caller(t, grace)))
				low := must(s.SignInWithPassword(ctx, postern.SignInWithPasswordParams{Email: "hopper@example.com", Password: goodPassword}))
				passed(s.VerifyRecoveryCode(ctx, s.caller(t, &low.Session), codes.Codes[0]))
				passed(s.UnenrollRecoveryCodes(ctx, s.caller(t, grace)))
			}, []string{
				`recovery_codes_generated/factor hopper@example.com called Ada L. {"factor_id":"ID"}`,
				`recovery_codes_regenerated/factor hopper@example.com called Ada L. {"factor_id":"ID"}`,
				`login/account hopper@example.com called Ada L. {"provider":"email"}`,
				`verification_attempted/factor hopper@example.com called Ada L. {"factor_id":"ID","factor_type":"recovery_code"}`,
				`recovery_codes_deleted/factor hopper@example.com called Ada L. {"factor_id":"ID"}`}},

			{"an operator's invitation", func() {
				passed(s.Invite(ctx, postern.InviteParams{Email: "guest@example.com"}))
				verify(postern.VerifyInvite, "guest@example.com")
			}, []string{
				`user_invited/team service_role! {"user_email":"guest@example.com","user_id":"ID"}`,
				`invite_accepted/account guest@example.com {"provider":"email"}`}},
			{"a user made by an operator", func() {
				made = must(s.AdminCreateUser(ctx, postern.AdminCreateUserParams{Email: "made@example.com", Phone: "15550100009", EmailConfirm: true}))
			}, []string{
				`user_signedup/team service_role! {"provider":"email","user_email":"made@example.com","user_id":"ID","user_phone":"15550100009"}`}},
			{"one changed by an operator", func() {
				passed(s.AdminUpdateUser(ctx, made.ID, postern.AdminUpdateUserParams{Password: &password, BanDuration: "1h"}))
			}, []string{
				`user_modified/user service_role! {"user_email":"made@example.com","user_id":"ID","user_phone":"15550100009"}`}},
			{"links by an operator", func() {
				for _, p := range []postern.GenerateLinkParams{
					{Type: postern.LinkSignUp, Email: "l@example.com", Password: goodPassword}, {Type: postern.LinkRecovery, Email: "l@example.com"},
					{Type: postern.LinkEmailChangeNew, Email: "l@example.com", NewEmail: "m@example.com"}, {Type: postern.LinkInvite, Email: "i@example.com"},
				} {
					passed(s.GenerateLink(ctx, p))
				}
			}, []string{
				`user_confirmation_requested/user service_role! {"user_email":"l@example.com","user_id":"ID","user_phone":""}`,
				`user_recovery_requested/user service_role! {"user_email":"l@example.com","user_id":"ID","user_phone":""}`,
				`user_modified/user service_role! {"user_email":"l@example.com","user_id":"ID","user_phone":""}`,
				`user_invited/team service_role! {"user_email":"i@example.com","user_id":"ID"}`}},
			{"factors and passkeys in an operator's hands", func() {
				made = grace.User
				f := must(s.AdminListFactors(ctx, made.ID))[0]
				key = must(s.register(t, grace, webauthntest.New(page)))
				codes = must(s.GenerateRecoveryCodes(ctx, s.caller(t, grace), ""))
				name := "work"
				passed(s.AdminUpdateFactor(ctx, made.ID, f.ID, postern.AdminUpdateFactorParams{FriendlyName: &name}))
				passed(s.AdminDeleteFactor(ctx, made.ID, codes.ID))
				passed(s.AdminDeleteFactor(ctx, made.ID, f.ID))
				done(s.AdminDeletePasskey(ctx, made.ID, key.ID))
			}, []string{
				`passkey_created/user hopper@example.com called Ada L. {"passkey_id":"ID"}`,
				`recovery_codes_generated/factor hopper@example.com called Ada L. {"factor_id":"ID"}`,
				`factor_updated/factor service_role! {"factor_id":"ID","factor_type":"totp","user_id":"ID"}`,
				`recovery_codes_deleted/factor service_role! {"factor_id":"ID","user_id":"ID"}`,
				`factor_deleted/factor service_role! {"factor_id":"ID","factor_type":"totp","user_id":"ID"}`,
				`passkey_deleted/user service_role! {"passkey_id":"ID","user_id":"ID"}`}},
			{"custom providers", func() {
				off := false
				passed(s.AdminCreateCustomProvider(ctx, acme()))
				passed(s.AdminUpdateCustomProvider(ctx, "custom:acme", postern.CustomProviderParams{Enabled: &off}))
				done(s.AdminDeleteCustomProvider(ctx, "custom:acme"))
			}, []string{
				`custom_provider_created/provider service_role! {"enabled":true,"provider":"custom:acme","provider_type":"oidc"}`,
				`custom_provider_updated/provider service_role! {"enabled":false,"provider":"custom:acme","provider_type":"oidc"}`,
				`custom_provider_deleted/provider service_role! {"enabled":false,"provider":"custom:acme","provider_type":"oidc"}`}},
			{"a deletion, by an operator of another role", func() {
				as := postern.WithCaller(ctx, &postern.Caller{Claims: &postern.Claims{Role: "supabase_admin"}})
				done(s.AdminDeleteUser(as, made.ID, false))
			}, []string{
				`user_deleted/team supabase_admin! {"user_email":"hopper@example.com","user_id":"ID","user_phone":""}`}},
		} {
			flow.do()
			notes := s.auditNotes(t)
			if got := notes[seen:]; !slices.Equal(got, flow.want) {
				t.Errorf("%s:\ngot  %s\nwant %s", flow.what, strings.Join(got, "\n     "), strings.Join(flow.want, "\n     "))
			}
			seen = len(notes)
		}
		if n := s.count(t, "SELECT count(*) FROM auth.audit_log_entries WHERE CAST(payload AS TEXT) LIKE '%"+goodPassword+"%'"); n != 0 {
			t.Errorf("the password stands in %d audit entries", n)
		}
	})
}

func TestAuditEntriesHaveTheClientsAddressAndSayWhoCameBySSO(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		ctx := postern.WithRequestInfo(t.Context(), postern.RequestInfo{IP: netip.MustParseAddr("2001:db8::1%eth0")})
		session := s.signUp(t)
		s.exec(t, "UPDATE auth.users SET is_sso_user = TRUE")
		if err := s.SignOut(ctx, s.caller(t, session), postern.SignOutLocal); err != nil {
			t.Fatal(err)
		}
		e := must(s.AdminAuditLog(t.Context(), postern.AuditQuery{})).Entries[0]
		if e.IPAddress != "2001:db8::1" || !strings.HasSuffix(auditNote(t, e), "by SSO") {
			t.Errorf("got %q from %q, want it by SSO, from the client's address", auditNote(t, e), e.IPAddress)
		}
	})
}

func TestAuditLogIsPagedAndSearched(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		s.signUp(t)
		s.SignedIn(t, "lovelace_1@example.com")
		for search, want := range map[string]int{
			"": 4, "author:ada": 2, "author:LOVELACE": 1, "author:service_role": 1, "author:%": 0, "author:lovelace_": 1, "author:e_a": 0,
			"action:login": 2, "action:log": 2, "type:team": 2, "type:": 4, "type:a:b": 0, "action:\x00": -1,
		} {
			page, err := s.AdminAuditLog(t.Context(), postern.AuditQuery{Search: search, PerPage: 1})
			if want < 0 {
				wantError(t, err, postern.KindInvalid, postern.ErrValidationFailed)
				continue
			}
			if err != nil || page.Total != want || len(page.Entries) != min(want, 1) {
				t.Errorf("%q: got %+v and %v, want %d in all", search, page, err, want)
			}
		}
		for _, search := range []string{"author", "payload:x", "ACTION:login", ":"} {
			_, err := s.AdminAuditLog(t.Context(), postern.AuditQuery{Search: search})
			wantError(t, err, postern.KindInvalid, postern.ErrValidationFailed)
		}
		second := must(s.AdminAuditLog(t.Context(), postern.AuditQuery{Page: 2, PerPage: 3}))
		if second.Page != 2 || second.PerPage != 3 || second.Total != 4 || len(second.Entries) != 1 || !strings.HasPrefix(auditNote(t, second.Entries[0]), "user_signedup") {
			t.Errorf("got %+v, want the oldest entry of 4", second)
		}
		if all := must(s.AdminAuditLog(t.Context(), postern.AuditQuery{Page: -1, PerPage: 5000})); all.Page != 1 || all.PerPage != 1000 {
			t.Errorf("got page %d of %d, want 1 of 1000", all.Page, all.PerPage)
		}
	})
}

// journal is a logger that keeps what it hears.
func journal() (*slog.Logger, func() []string) {
	var text bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&text, nil))
	return logger, func() []string { return strings.Split(strings.TrimSpace(text.String()), "\n") }
}

func TestAuditEntriesAreLoggedOnceTheyAreCommitted(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*postern.AuditConfig)
		rows int
	}{
		"table and log": {func(c *postern.AuditConfig) { c.Log = true }, 2},
		"log alone":     {func(c *postern.AuditConfig) { c.Log, c.NoTable = true, true }, 0},
		"nowhere":       {func(c *postern.AuditConfig) { c.NoTable = true }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, nil, func(t *testing.T, s service) {
				logger, lines := journal()
				logged := s.with(t, func(cfg *postern.Config) {
					cfg.Audit.Logger = logger
					c.edit(&cfg.Audit)
				})
				logged.signUp(t)
				_, err := logged.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword})
				wantError(t, err, postern.KindUnprocessable, postern.ErrUserAlreadyExists)
				if n := s.count(t, "SELECT count(*) FROM auth.audit_log_entries"); n != c.rows {
					t.Errorf("got %d rows, want %d", n, c.rows)
				}
				if name == "nowhere" {
					return
				}
				var entry struct {
					Msg     string
					Level   string
					ID      uuid.UUID
					Payload struct {
						Action   string
						Username string `json:"actor_username"`
					}
				}
				got := lines()
				if err := json.Unmarshal([]byte(got[0]), &entry); err != nil || len(got) != 2 {
					t.Fatalf("got %q, want the two entries of what was committed", got)
				}
				if entry.Msg != "audit" || entry.Level != "INFO" || entry.ID == uuid.Nil || entry.Payload.Action != "user_signedup" || entry.Payload.Username != ada {
					t.Errorf("got %+v of %s, want the sign-up", entry, got[0])
				}
			})
		})
	}
}

func TestAuditEntriesOfYourTransactionAreLoggedByDeliver(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		logger, lines := journal()
		logged := s.with(t, func(c *postern.Config) { c.Audit = postern.AuditConfig{Log: true, Logger: logger} })
		for _, commit := range []bool{false, true} {
			tx, err := s.st.DB().BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			in := logged.In(s.st.Join(tx))
			must(in.SignUp(t.Context(), postern.SignUpParams{Email: ada, Password: goodPassword}))
			if got := lines(); got[0] != "" {
				t.Errorf("got %q before the commit, want nothing", got)
			}
			if !commit {
				tx.Rollback()
				continue
			}
			if err := errors.Join(tx.Commit(), in.Deliver(t.Context()), in.Deliver(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		if got := lines(); len(got) != 2 || !strings.Contains(got[0], "user_signedup") || !strings.Contains(got[1], "login") {
			t.Errorf("got %q, want sign-up and login, once", got)
		}
	})
}

func TestAuditEntriesThatAreOldGo(t *testing.T) {
	each(t, nil, func(t *testing.T, s service) {
		keeping := s.with(t, func(c *postern.Config) { c.Audit.Retention = 30 * 24 * time.Hour })
		s.signUp(t)
		s.Advance(31 * 24 * time.Hour)
		keeping.Advance(31 * 24 * time.Hour)
		s.signIn(t, goodPassword)
		for _, c := range []struct {
			of   service
			want int
		}{{s, 3}, {keeping, 1}} {
			if err := postern.Tidy(c.of.Auth, context.Background()); err != nil {
				t.Fatal(err)
			}
			if n := s.count(t, "SELECT count(*) FROM auth.audit_log_entries"); n != c.want {
				t.Errorf("got %d entries, want %d", n, c.want)
			}
		}
	})
}
