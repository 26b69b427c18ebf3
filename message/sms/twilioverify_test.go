package sms_test

import (
	"errors"
	"net/url"
	"reflect"
	"testing"

	"github.com/postern-auth/postern/message/sms"
)

func connectVerifier(t *testing.T, e sms.Endpoint) *sms.Verifier {
	t.Helper()
	v, err := verifier(e)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerifierAsksWhetherACodeIsRight(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		status int
		body   string
		want   bool
	}{
		{"right", 200, `{"status":"approved","valid":true}`, true},
		{"wrong", 200, `{"status":"pending","valid":false}`, false},
		{"approved, not valid", 200, `{"status":"approved","valid":false}`, false},
		{"valid, not approved", 200, `{"status":"canceled","valid":true}`, false},
		{"used, expired or never sent", 404, `{"code":20404,"message":"Not found","status":404}`, false},
		{"tried too often", 429, `{"code":60202,"message":"Max check attempts reached","status":429}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			endpoint, asked := serve(t, test.status, test.body)
			got, err := connectVerifier(t, endpoint).CheckSMS(t.Context(), phone, code)
			if err != nil || got != test.want {
				t.Errorf("CheckSMS = %v, %v; want %v", got, err, test.want)
			}
			want := received{
				"POST", "/v2/Services/VA1/VerificationCheck", basic("AC/1", credential), "application/x-www-form-urlencoded",
				url.Values{"To": {"+" + phone}, "Code": {code}},
			}
			if got := <-asked; !reflect.DeepEqual(got, want) {
				t.Errorf("Twilio was asked\n%+v, want\n%+v", got, want)
			}
		})
	}
}

func TestVerifierDoesNotKnowWhenTwilioDoesNotSay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"garbage", 200, `approved`, "twilio_verify gave an answer that makes no sense"},
		{"half of it", 200, `{"status":"approved","valid":true`, "twilio_verify gave an answer that makes no sense"},
		{"refused", 401, `{"code":20003,"message":"Authenticate","status":401}`, "Authenticate"},
		{"too many requests", 429, `{"code":20429,"message":"Too many requests","status":429}`, "Too many requests"},
		{"down", 503, `<html>`, "twilio_verify answered with status 503"},
		{"redirected", 302, ``, "twilio_verify answered with status 302"},
		{"echoing the code", 400, `{"code":60200,"message":"Invalid: ` + code + `","status":400}`, "Invalid: [secret]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			endpoint, _ := serve(t, test.status, test.body)
			right, err := connectVerifier(t, endpoint).CheckSMS(t.Context(), phone, code)
			if right {
				t.Error("the code is right")
			}
			checkError(t, err, "twilio_verify", test.want)
		})
	}
}

func TestVerifierDoesNotAskAboutWhatNoCodeCanBe(t *testing.T) {
	t.Parallel()
	offline := sms.Endpoint{URL: "http://127.0.0.1:1"}
	for _, given := range []string{"", "123", "12345678901", "12345a", "１２３４", "1234\n"} {
		if right, err := connectVerifier(t, offline).CheckSMS(t.Context(), phone, given); right || err != nil {
			t.Errorf("CheckSMS(%q) = %v, %v; want false", given, right, err)
		}
	}
	if _, err := connectVerifier(t, offline).CheckSMS(t.Context(), phone, "1234"); errors.Unwrap(err) == nil {
		t.Errorf("a code of four digits: %v, want an error of the connection", err)
	}
}

func TestVerifierReachesWhatsApp(t *testing.T) {
	t.Parallel()
	endpoint, asked := serve(t, 201, `{"sid":"VE1","status":"pending"}`)
	m := message
	m.Channel = "whatsapp"
	if _, err := connectVerifier(t, endpoint).SendSMS(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	want := url.Values{"To": {"+" + phone}, "Channel": {"whatsapp"}}
	if got := (<-asked).form; !reflect.DeepEqual(got, want) {
		t.Errorf("the form is %v, want %v", got, want)
	}
}
