package sms_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/postern-auth/postern/message/sms"
)

// says answers every request with the same status and body.
type says struct {
	status int
	body   string
}

func (s says) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: s.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(s.body)), Request: r}, nil
}

// FuzzAnswers has every service answer with anything. Nothing panics, and no error
// that a client may be shown has a line break or what the service was sent.
func FuzzAnswers(f *testing.F) {
	for i, g := range gateways() {
		f.Add(uint8(i), uint16(g.status), g.success)
		f.Add(uint8(i), uint16(g.refused), strings.ReplaceAll(g.refusal, "%s", `"no\r\nno `+credential+`"`))
	}
	for _, body := range []string{"", "null", "[]", "{}", `{"messages":[]}`, `{"messages":[null]}`, `{"sid":7}`, "<html>", `{"message":{"a":1}}`, `{"errors":[{}]}`} {
		for i := range gateways() {
			f.Add(uint8(i), uint16(200), body)
			f.Add(uint8(i), uint16(400), body)
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, status uint16, body string) {
		g := gateways()[int(i)%len(gateways())]
		s, err := g.sender(sms.Endpoint{URL: "https://sms.example/", Client: &http.Client{Transport: says{200 + int(status)%400, body}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = s.SendSMS(t.Context(), message); err == nil {
			return
		}
		if shown := err.Error(); strings.ContainsAny(shown, "\r\n") || strings.Contains(shown, credential) || strings.Contains(shown, code) {
			t.Errorf("%s answered %d %q: the error is %q", g.name, status, body, shown)
		}
	})
}
