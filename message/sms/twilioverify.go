package sms

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/postern-auth/postern"
)

// TwilioVerifyConfig is an account at Twilio, for its Verify.
type TwilioVerifyConfig struct {
	AccountSID string
	AuthToken  postern.Secret
	// ServiceSID is the Verify service ("VA…"). GoTrue calls it the message
	// service SID here too.
	ServiceSID string
	Endpoint   Endpoint
}

// Verifier sends codes that Twilio Verify makes, by text message and WhatsApp,
// and asks whether one is right. The text and the code of a postern.SMS are not
// used.
type Verifier struct {
	*Sender
	checkPath string
}

// TwilioVerify returns a Verifier.
func TwilioVerify(cfg TwilioVerifyConfig) (*Verifier, error) {
	s, err := cfg.Endpoint.service("twilio_verify", "https://verify.twilio.com",
		setting{"AccountSID", cfg.AccountSID}, setting{"AuthToken", string(cfg.AuthToken)},
		setting{"ServiceSID", cfg.ServiceSID})
	if err != nil {
		return nil, err
	}
	s.authorizeBasic(cfg.AccountSID, cfg.AuthToken)
	path := "/v2/Services/" + url.PathEscape(cfg.ServiceSID)
	return &Verifier{
		Sender: &Sender{
			service:  s,
			path:     path + "/Verifications",
			whatsApp: true,
			form:     verificationForm,
			read:     readVerification,
		},
		checkPath: path + "/VerificationCheck",
	}, nil
}

// CheckSMS reports whether code is the one that the last SendSMS to phone (digits
// only) sent. Twilio lets a code be right once, and ends it after five wrong ones
// or ten minutes. What no code of Twilio's can be is not asked about. An error is
// an *Error and means that it is not known.
func (v *Verifier) CheckSMS(ctx context.Context, phone, code string) (bool, error) {
	if !isVerifyCode(code) {
		return false, nil
	}
	form := url.Values{"To": {"+" + phone}, "Code": {code}}
	return exchange(ctx, v.service, request{v.checkPath, form, code}, readCheck)
}

// isVerifyCode knows the lengths that a Verify service can be set to.
func isVerifyCode(code string) bool {
	return len(code) >= 4 && len(code) <= 10 && strings.Trim(code, "0123456789") == ""
}

func verificationForm(m postern.SMS) url.Values {
	return url.Values{"To": {"+" + m.Phone}, "Channel": {m.Channel}}
}

func readVerification(a answer) (string, error) {
	if !a.twilioOK() {
		return "", a.twilioError()
	}
	var verification struct {
		SID string `json:"sid"`
	}
	err := a.decode(&verification)
	return verification.SID, err
}

// tooManyChecks is what Twilio says (with 429) of a code that was tried too often.
const tooManyChecks = 60202

func readCheck(a answer) (bool, error) {
	if a.status == http.StatusNotFound { // used, expired, or never sent
		return false, nil
	}
	if !a.twilioOK() {
		return false, a.checkError()
	}
	var check struct {
		Status string `json:"status"`
		Valid  bool   `json:"valid"`
	}
	if err := a.decode(&check); err != nil {
		return false, err
	}
	return check.Valid && check.Status == "approved", nil
}

// checkError returns nil for what is the code's fault.
func (a answer) checkError() error {
	var refusal twilioRefusal
	if a.decode(&refusal) == nil && refusal.Code == tooManyChecks {
		return nil
	}
	return a.twilioError()
}
