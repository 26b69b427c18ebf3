package conformance_test

import (
	"net/http"
	"testing"
	"time"
)

// enrolled is a user with an authenticator app.
type enrolled struct {
	*instance
	token, factor, secret string
}

func enroll(t *testing.T, i *instance, email string) *enrolled {
	t.Helper()
	token := i.signUp(t, email).text("access_token")
	f := i.call(t, "POST", "/factors", `{"factor_type":"totp","friendly_name":"app"}`, "Authorization", "Bearer "+token)
	f.is(t, "enrol", http.StatusOK, "")
	return &enrolled{i, token, f.text("id"), f.text("totp", "secret")}
}

// answer challenges the app and answers with a code.
func (e *enrolled) answer(t *testing.T, code string) *answer {
	t.Helper()
	path := "/factors/" + e.factor
	challenge := e.call(t, "POST", path+"/challenge", "", "Authorization", "Bearer "+e.token).text("id")
	return e.call(t, "POST", path+"/verify", `{"challenge_id":"`+challenge+`","code":"`+code+`"}`, "Authorization", "Bearer "+e.token)
}

func showFactorTries(t *testing.T, w *world) {
	auto := start(t, w.open(t), nil)
	ada := enroll(t, auto, "ada@example.com")
	for range 5 {
		ada.answer(t, "nothing").is(t, "a wrong code", http.StatusUnprocessableEntity, "mfa_verification_failed")
	}
	ada.answer(t, totp(ada.secret, time.Now())).is(t, "the right one after that", http.StatusTooManyRequests, "over_request_rate_limit")

	bob := enroll(t, auto, "bob@example.com")
	code := totp(bob.secret, time.Now())
	raised := bob.answer(t, code)
	raised.is(t, "a code", http.StatusOK, "")
	bob.token = raised.text("access_token")
	bob.answer(t, code).is(t, "the same again", http.StatusUnprocessableEntity, "mfa_verification_failed")
}

func showFactorByFactor(t *testing.T, w *world) {
	auto := start(t, w.open(t), map[string]string{
		"GOTRUE_MFA_PHONE_ENROLL_ENABLED": "true", "GOTRUE_MFA_PHONE_VERIFY_ENABLED": "true",
		"GOTRUE_SMS_TEST_OTP": "15550100001:123456",
	})
	ada := enroll(t, auto, "ada@example.com")
	phone := auto.call(t, "POST", "/factors", `{"factor_type":"phone","phone":"15550100001","friendly_name":"planted"}`, "Authorization", "Bearer "+ada.token)
	phone.is(t, "a factor that nobody verifies", http.StatusOK, "")
	ada.answer(t, totp(ada.secret, time.Now())).is(t, "a code of the app", http.StatusOK, "")

	low := auto.signIn(t, `{"email":"ada@example.com",`+password+`}`).text("access_token")
	auto.call(t, "POST", "/factors/"+phone.text("id")+"/challenge", "{}", "Authorization", "Bearer "+low).
		is(t, "the factor from before", http.StatusForbidden, "insufficient_aal")
}
