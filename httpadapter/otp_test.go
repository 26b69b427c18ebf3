package httpadapter_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

// The example of RFC 7636, appendix B.
const (
	verifier      = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	codeChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

const badChannel = "Invalid channel, supported values are 'sms' or 'whatsapp'. 'whatsapp' is only supported if Twilio or Twilio Verify is used as the provider."

// confirming lets addresses and numbers wait for their confirmation.
func confirming(c *postern.Config) {
	c.Email.Autoconfirm = false
	c.Phone.Enabled = true
}

// enrol makes an account with a proven address.
func (a *api) enrol(t testing.TB, email string) {
	t.Helper()
	a.expect(t, request{line: "POST /admin/users", token: operator(t), body: `{"email":"` + email + `","password":"` + password + `","email_confirm":true}`}, 200)
}

// signIn signs an account of enrol's in.
func (a *api) signIn(t testing.TB, email string) postern.Session {
	t.Helper()
	return decode[postern.Session](t, a.expect(t, request{line: "POST /token?grant_type=password", body: credentials(email)}, 200))
}

// refusal is a request and what it is answered with, in the older format.
type refusal struct {
	line, body    string
	status        int
	code, message string
}

func (a *api) expectRefusals(t *testing.T, token string, refusals []refusal) {
	t.Helper()
	for _, c := range refusals {
		got := a.expect(t, request{line: c.line, token: token, body: c.body}, c.status, older(strconv.Itoa(c.status), c.code, c.message))
		wantHeaders(t, got.header, map[string]string{"X-Sb-Error-Code": c.code, "Retry-After": ""})
	}
}

// TestOTPRefusals pins contract endpoints.md, POST /otp and POST /magiclink.
func TestOTPRefusals(t *testing.T) {
	t.Parallel()
	const (
		half   = "PKCE flow requires code_challenge_method and code_challenge"
		length = "code challenge has to be between 43 and 128 characters"
		signs  = "code challenge can only contain alphanumeric characters, hyphens, periods, underscores and tildes"
	)
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: confirming})
		a.expectRefusals(t, "", []refusal{
			{"POST /otp", `{}`, 400, "validation_failed", "One of email or phone must be set"},
			{"POST /otp", `{"email":"","phone":""}`, 400, "validation_failed", "One of email or phone must be set"},
			{"POST /otp", `{"email":"a@example.com","phone":"15550100001"}`, 400, "validation_failed", "Only an email address or phone number should be provided"},
			{"POST /otp", `{"email":"a@example.com","channel":"sms"}`, 400, "validation_failed", "Channel should only be specified with Phone OTP"},
			{"POST /otp", `{"email":"bad"}`, 400, "validation_failed", "Unable to validate email address: invalid format"},
			{"POST /otp", `{"email":"a@example.com","create_user":false}`, 422, "otp_disabled", "Signups not allowed for otp"},
			{"POST /otp", `{"email":"bad","create_user":false}`, 422, "otp_disabled", "Signups not allowed for otp"},
			{"POST /otp", `{"phone":"15550100001","create_user":false}`, 422, "otp_disabled", "Signups not allowed for otp"},
			{"POST /otp", `{"phone":"bad","create_user":false}`, 422, "otp_disabled", "Signups not allowed for otp"},
			{"POST /otp", `{"phone":"bad"}`, 400, "validation_failed", "Invalid phone number format (E.164 required)"},
			{"POST /otp", `{"phone":"15550100001","channel":"fax"}`, 400, "validation_failed", badChannel},
			{"POST /otp", `{"phone":"15550100001","channel":"whatsapp"}`, 400, "validation_failed", badChannel},
			{"POST /otp", object("email", "a@example.com", "code_challenge", codeChallenge), 400, "validation_failed", half},
			{"POST /otp", object("email", "a@example.com", "code_challenge_method", "s256"), 400, "validation_failed", half},
			{"POST /otp", object("email", "a@example.com", "code_challenge_method", "s256", "code_challenge", "x"), 400, "validation_failed", length},
			{"POST /otp", object("email", "a@example.com", "code_challenge_method", "s256", "code_challenge", strings.Repeat("x", 129)), 400, "validation_failed", length},
			{"POST /otp", object("email", "a@example.com", "code_challenge_method", "s256", "code_challenge", strings.Repeat("+", 43)), 400, "validation_failed", signs},
			{"POST /otp", object("email", "a@example.com", "code_challenge_method", "s512", "code_challenge", codeChallenge), 400, "validation_failed", "Invalid code_challenge_method"},

			{"POST /magiclink", `{}`, 422, "validation_failed", "Password recovery requires an email"},
			{"POST /magiclink", `{"phone":"15550100001"}`, 422, "validation_failed", "Password recovery requires an email"},
			{"POST /magiclink", `{"email":"bad"}`, 400, "validation_failed", "Unable to validate email address: invalid format"},
			{"POST /magiclink", object("email", "a@example.com", "code_challenge", codeChallenge), 400, "validation_failed", half},
		})
		if n := a.messages(); n != 0 {
			t.Errorf("%d messages were sent, want none", n)
		}
		off := newAPI(t, st, settings{config: func(c *postern.Config) { c.Email.Disabled = true }})
		off.expectRefusals(t, "", []refusal{
			{"POST /otp", `{"email":"a@example.com"}`, 422, "email_provider_disabled", "Email logins are disabled"},
			{"POST /magiclink", `{"email":"a@example.com"}`, 422, "email_provider_disabled", "Email logins are disabled"},
			{"POST /otp", `{"phone":"15550100001"}`, 400, "phone_provider_disabled", "Unsupported phone provider"},
			{"POST /otp", `{"phone":"bad"}`, 400, "phone_provider_disabled", "Unsupported phone provider"},
			{"POST /recover", `{"email":"a@example.com"}`, 400, "email_provider_disabled", "Email logins are disabled"},
			{"POST /resend", `{"type":"signup","email":"a@example.com"}`, 400, "email_provider_disabled", "Email logins are disabled"},
			{"POST /resend", `{"type":"sms","phone":"15550100001"}`, 400, "phone_provider_disabled", "Phone logins are disabled"},
		})
		closed := newAPI(t, st, settings{config: func(c *postern.Config) { c.Email.NoMagicLinks, c.DisableSignUp, c.Phone.Enabled = true, true, true }})
		closed.expectRefusals(t, "", []refusal{
			{"POST /otp", `{"email":"a@example.com"}`, 422, "email_provider_disabled", "Login with magic link is disabled"},
			{"POST /magiclink", `{"email":"a@example.com"}`, 422, "email_provider_disabled", "Login with magic link is disabled"},
			{"POST /otp", `{"phone":"15550100001"}`, 422, "signup_disabled", "Signups not allowed for this instance"},
		})
	})
}

// TestRecoverAndResendRefusals pins contract endpoints.md, POST /recover and POST
// /resend.
func TestRecoverAndResendRefusals(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: confirming})
		const types = "Missing one of these types: signup, email_change, sms, phone_change"
		a.expectRefusals(t, "", []refusal{
			{"POST /recover", `{}`, 400, "validation_failed", "Password recovery requires an email"},
			{"POST /recover", `{"email":"bad"}`, 400, "validation_failed", "Unable to validate email address: invalid format"},
			{"POST /recover", object("email", "a@example.com", "code_challenge", codeChallenge), 400, "validation_failed", "PKCE flow requires code_challenge_method and code_challenge"},

			{"POST /resend", `{}`, 400, "validation_failed", types},
			{"POST /resend", `{"type":"recovery","email":"a@example.com"}`, 400, "validation_failed", types},
			{"POST /resend", `{"type":"signup"}`, 400, "validation_failed", "Type provided requires an email address"},
			{"POST /resend", `{"type":"signup","phone":"15550100001"}`, 400, "validation_failed", "Type provided requires an email address"},
			{"POST /resend", `{"type":"sms","email":"a@example.com"}`, 400, "validation_failed", "Type provided requires a phone number"},
			{"POST /resend", `{"type":"email_change","email":"a@example.com","phone":"15550100001"}`, 400, "validation_failed", "Only an email address or phone number should be provided."},
			{"POST /resend", `{"type":"phone_change"}`, 400, "validation_failed", "Missing email address or phone number"},
			{"POST /resend", `{"type":"signup","email":"bad"}`, 400, "validation_failed", "Unable to validate email address: invalid format"},
			{"POST /resend", `{"type":"sms","phone":"bad"}`, 400, "validation_failed", "Invalid phone number format (E.164 required)"},
			{"POST /resend", object("type", "signup", "email", "a@example.com", "code_challenge_method", "s256"), 400, "validation_failed", "PKCE flow requires code_challenge_method and code_challenge"},
		})
		if n := a.messages(); n != 0 {
			t.Errorf("%d messages were sent, want none", n)
		}
	})
}

// TestNobodyLearnsWhoHasAnAccount pins guarantee 19 where messages are asked for:
// the answers are the same, and so is the wait for the next.
func TestNobodyLearnsWhoHasAnAccount(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: confirming})
		a.enrol(t, "ann@example.com")
		for _, body := range []string{
			`{"email":"%s"}`, `{"type":"signup","email":"%s"}`, `{"type":"email_change","email":"%s"}`,
		} {
			line := "POST /resend"
			if !strings.Contains(body, "type") {
				line = "POST /recover"
			}
			for _, email := range []string{"ann@example.com", "nobody@example.com"} {
				q := request{line: line, body: strings.Replace(body, "%s", email, 1)}
				a.expect(t, q, 200, "{}")
				a.expect(t, q, 429, older("429", "over_email_send_rate_limit", "For security purposes, you can only request this after 60 seconds."))
			}
			a.wait()
		}
		for _, kind := range []string{"sms", "phone_change"} {
			q := request{line: "POST /resend", body: object("type", kind, "phone", "15550100001")}
			a.expect(t, q, 200, "{}")
			a.expect(t, q, 429, older("429", "over_sms_send_rate_limit", "For security purposes, you can only request this after 60 seconds."))
		}
		if n := a.messages(); n != 1 { // the recovery mail
			t.Errorf("%d messages were sent, want 1", n)
		}
	})
}

func TestMailSpacing(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{config: confirming})
	a.enrol(t, "ann@example.com")
	otp := request{line: "POST /otp", body: `{"email":"ann@example.com"}`}
	a.expect(t, otp, 200, "{}")
	*a.now = a.now.Add(20 * time.Second)
	const message = "For security purposes, you can only request this after 40 seconds."
	a.expect(t, otp, 429, older("429", "over_email_send_rate_limit", message))
	// Magic links and recoveries share their spacing.
	recovery := request{line: "POST /recover", body: `{"email":"ann@example.com"}`, headers: []string{"X-Supabase-Api-Version: 2024-01-01"}}
	a.expect(t, recovery, 429, `{"code":"over_email_send_rate_limit","message":"`+message+`"}`)
	*a.now = a.now.Add(40 * time.Second)
	a.expect(t, recovery, 200, "{}")
}

// TestSMSAnswers pins contract endpoints.md, POST /otp, for phones: who has an
// account already is told the id of the message.
func TestSMSAnswers(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: func(c *postern.Config) {
			confirming(c)
			c.Phone.WhatsApp = true
			c.Phone.TestCodes = map[string]string{"15550100009": "123409"}
		}})
		a.expect(t, request{line: "POST /otp", body: `{"phone":"+1 555 0100001","channel":"whatsapp"}`}, 200, "{}")
		text := a.textTo(t, "15550100001")
		if text.Channel != "whatsapp" {
			t.Errorf("channel = %q, want whatsapp", text.Channel)
		}
		got := a.expect(t, request{line: "POST /verify", body: object("type", "sms", "phone", "15550100001", "token", string(text.Code))}, 200)
		if s := decode[postern.Session](t, got); s.User.Phone != "15550100001" || s.User.PhoneConfirmedAt == nil {
			t.Errorf("got %s", got.body)
		}
		a.wait()
		a.expect(t, request{line: "POST /otp", body: `{"phone":"15550100001","create_user":false}`}, 200, `{"message_id":"sms-2"}`)

		a.expect(t, request{line: "POST /otp", body: `{"phone":"15550100009"}`}, 200, "{}")
		a.expect(t, request{line: "POST /verify", body: `{"type":"sms","phone":"15550100009","token":"123409"}`}, 200)
		a.wait()
		a.expect(t, request{line: "POST /otp", body: `{"phone":"15550100009"}`}, 200, `{"message_id":"test-otp"}`)

		a.expect(t, request{line: "POST /signup", body: object("phone", "15550100002", "password", password)}, 200)
		a.wait()
		a.expect(t, request{line: "POST /resend", body: object("type", "sms", "phone", "15550100002")}, 200, `{"message_id":"sms-4"}`)
		a.expect(t, request{line: "POST /verify", body: object("type", "sms", "phone", "15550100002", "token", string(a.textTo(t, "15550100002").Code))}, 200)
	})
}

func TestMessagesThatCannotBeSent(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: confirming})
		a.enrol(t, "ann@example.com")
		ann := a.signIn(t, "ann@example.com").AccessToken
		a.sent.fail(errors.New("out of paper"))
		for _, c := range []struct{ line, token, body, message string }{
			{"POST /signup", "", credentials("new@example.com"), "Error sending confirmation email"},
			{"POST /otp", "", `{"email":"ann@example.com"}`, "Error sending magic link email"},
			{"POST /recover", "", `{"email":"ann@example.com"}`, "Error sending recovery email"},
			{"PUT /user", ann, `{"email":"else@example.com"}`, "Error sending email change email"},
			{"GET /reauthenticate", ann, "", "Error sending reauthentication email"},
			{"POST /invite", operator(t), `{"email":"guest@example.com"}`, "Error sending invite email"},
		} {
			got := decode[struct {
				Code    string `json:"error_code"`
				Message string `json:"msg"`
			}](t, a.expect(t, request{line: c.line, token: c.token, body: c.body}, 500))
			if got.Code != "unexpected_failure" || got.Message != c.message {
				t.Errorf("%s: got %+v, want %s", c.line, got, c.message)
			}
		}
		if log := a.log.String(); !strings.Contains(log, "out of paper") {
			t.Errorf("the log lacks the cause: %s", log)
		}
		a.expect(t, request{line: "POST /otp", body: `{"phone":"15550100001"}`}, 422,
			older("422", "sms_send_failed", "Error sending confirmation OTP to provider: out of paper"))
		a.expect(t, request{line: "PUT /user", token: ann, body: `{"phone":"15550100002"}`}, 422,
			older("422", "sms_send_failed", "Error sending phone_change OTP to provider: out of paper"))

		a.sent.fail(nil) // nobody has to wait for the next
		a.expect(t, request{line: "POST /otp", body: `{"email":"ann@example.com"}`}, 200, "{}")
		a.expect(t, request{line: "POST /otp", body: `{"phone":"15550100001"}`}, 200, "{}")
	})
}

func TestMailsToAuthorizedAddressesOnly(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{config: func(c *postern.Config) {
		confirming(c)
		c.Email.AuthorizedAddresses = []string{"team@example.com"}
	}})
	for _, line := range []string{"POST /signup", "POST /otp", "POST /magiclink"} {
		a.expect(t, request{line: line, body: credentials("ann@example.com")}, 400,
			older("400", "email_address_not_authorized", `Email address \"ann@example.com\" cannot be used as it is not authorized`))
	}
	a.expect(t, request{line: "POST /otp", body: credentials("Team+tag@example.com")}, 200, "{}")
}

// TestReauthenticate pins contract endpoints.md, GET /reauthenticate and the
// nonce of PUT /user.
func TestReauthenticate(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: func(c *postern.Config) {
			confirming(c)
			c.AnonymousUsers, c.Password.RequireReauthentication, c.JWT.TTL = true, true, 100*time.Hour
		}})
		a.enrol(t, "ann@example.com")
		ann := a.signIn(t, "ann@example.com").AccessToken
		put := func(body string) request { return request{line: "PUT /user", token: ann, body: body} }

		*a.now = a.now.Add(25 * time.Hour)
		a.expect(t, put(`{"password":"New-secret-456"}`), 400,
			older("400", "reauthentication_needed", "Password update requires reauthentication"))
		a.expect(t, request{line: "GET /reauthenticate/", token: ann}, 200, "{}")
		a.expect(t, request{line: "GET /reauthenticate", token: ann}, 429)
		nonce := string(a.mailTo(t, "ann@example.com").Token)
		wrong := older("422", "reauthentication_not_valid", "Nonce has expired or is invalid")
		a.expect(t, put(object("password", "New-secret-456", "nonce", other(nonce))), 422, wrong)
		a.expect(t, put(object("password", "New-secret-456", "nonce", nonce)), 200)
		a.expect(t, put(object("password", "New-secret-789", "nonce", nonce)), 422, wrong)

		anonymous := decode[postern.Session](t, a.expect(t, request{line: "POST /signup", body: "{}"}, 200)).AccessToken
		a.expect(t, request{line: "GET /reauthenticate", token: anonymous}, 400,
			older("400", "validation_failed", "Reauthentication requires the user to have an email or a phone number"))

		a.expect(t, request{line: "POST /otp", body: `{"phone":"15550100001"}`}, 200)
		code := string(a.textTo(t, "15550100001").Code)
		bob := decode[postern.Session](t, a.expect(t, request{line: "POST /verify", body: object("type", "sms", "phone", "15550100001", "token", code)}, 200))
		a.expect(t, request{line: "GET /reauthenticate", token: bob.AccessToken}, 200, `{"message_id":"sms-2"}`)
	})
}

// other is a code that is not the one given.
func other(code string) string {
	if code[0] == '0' {
		return "1" + code[1:]
	}
	return "0" + code[1:]
}
