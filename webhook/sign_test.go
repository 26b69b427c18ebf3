package webhook

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

const (
	oneSecret   = "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	otherSecret = "v1,whsec_" + "b3RoZXIgc2VjcmV0IG9mIHRoZSBzYW1lIGxlbmd0aA=="
)

func mustParse(t *testing.T, text string) Secrets {
	t.Helper()
	s, err := ParseSecrets(postern.Secret(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The example of the specification's reference libraries.
func TestSignatureIsTheSpecifications(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	mustParse(t, oneSecret).sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if got, want := h.Get("webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSecretsAreReplacedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	now, body := time.Unix(1_800_000_000, 0), []byte(`{}`)
	h := http.Header{}
	mustParse(t, oneSecret+"|"+otherSecret).sign(h, "1", now, body)
	for _, secret := range []string{oneSecret, otherSecret} {
		if err := mustParse(t, secret).Verify(h, body, now); err != nil {
			t.Error(err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	now, body := time.Unix(1_800_000_000, 0), []byte(`{"a":1}`)
	secrets := mustParse(t, oneSecret)
	tests := []struct {
		name  string
		spoil func(h http.Header)
		body  string
		at    time.Time
	}{
		{"another body", func(http.Header) {}, `{"a":2}`, now},
		{"an old request", func(http.Header) {}, `{"a":1}`, now.Add(Tolerance + time.Second)},
		{"a request from the future", func(http.Header) {}, `{"a":1}`, now.Add(-Tolerance - time.Second)},
		{"another id", func(h http.Header) { h.Set("webhook-id", "2") }, `{"a":1}`, now},
		{"another time", func(h http.Header) { h.Set("webhook-timestamp", "1800000001") }, `{"a":1}`, now},
		{"no time", func(h http.Header) { h.Del("webhook-timestamp") }, `{"a":1}`, now},
		{"no signature", func(h http.Header) { h.Del("webhook-signature") }, `{"a":1}`, now},
		{"nonsense", func(h http.Header) { h.Set("webhook-signature", "v1, ,v1,%%%") }, `{"a":1}`, now},
	}
	for _, test := range tests {
		h := http.Header{}
		secrets.sign(h, "1", now, body)
		test.spoil(h)
		if secrets.Verify(h, []byte(test.body), test.at) == nil {
			t.Errorf("%s was accepted", test.name)
		}
	}
}

func TestParseSecretsRefusesWithoutShowing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,whsec_%%%", "v1,whsec_c2hvcnQ=", oneSecret + "|", oneSecret + "|v1a,whsk_abc"} {
		_, err := ParseSecrets(postern.Secret(text))
		if err == nil {
			t.Errorf("%q was accepted", text)
		} else if strings.Contains(err.Error(), "MfKQ") || strings.Contains(err.Error(), "c2hv") {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}
