package captcha_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/httpadapter/captcha"
)

const (
	secret = "0x4AAAAAAAsecret"
	token  = "03AGdBq25token"
)

// asking returns a Verifier that asks a service which answers like this.
func asking(t *testing.T, answer http.HandlerFunc, edit ...func(*captcha.Config)) *captcha.Verifier {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	cfg := captcha.Config{URL: server.URL + "/siteverify", Secret: " " + secret + "\n"}
	for _, e := range edit {
		e(&cfg)
	}
	v, err := captcha.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func saying(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestServiceIsAskedByForm(t *testing.T) {
	t.Parallel()
	type question struct {
		method, path, kind string
		form               url.Values
	}
	asked := make(chan question, 1)
	v := asking(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		asked <- question{r.Method, r.URL.String(), r.Header.Get("Content-Type"), r.PostForm}
		_, _ = io.WriteString(w, `{"success":true,"challenge_ts":"2026-01-02T03:04:05Z","hostname":"example.com","error-codes":[]}`)
	})
	for client, form := range map[netip.Addr]url.Values{
		netip.MustParseAddr("2001:db8::1"): {"secret": {secret}, "response": {token}, "remoteip": {"2001:db8::1"}},
		{}:                                 {"secret": {secret}, "response": {token}},
	} {
		if err := v.Verify(t.Context(), token, client); err != nil {
			t.Errorf("Verify: %v", err)
		}
		want := question{"POST", "/siteverify", "application/x-www-form-urlencoded", form}
		if got := <-asked; !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestRefusalsHaveTheServicesCodes(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"success":false,"error-codes":["invalid-input-response","timeout-or-duplicate"]}`: "invalid-input-response, timeout-or-duplicate",
		`{"success":false}`: "",
	} {
		for _, status := range []int{200, 400} {
			err := asking(t, saying(status, body)).Verify(t.Context(), token, netip.Addr{})
			if _, ok := errors.AsType[*httpadapter.CaptchaRefusal](err); !ok || err.Error() != "captcha protection: request disallowed ("+want+")" {
				t.Errorf("%d %s: got %v, want a refusal with %q", status, body, err, want)
			}
		}
	}
}

// TestBrokenServicesAgreeToNothing plays what is neither yes nor no.
func TestBrokenServicesAgreeToNothing(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"nothing":          saying(200, ""),
		"a page":           saying(200, "<html>success</html>"),
		"null":             saying(200, "null"),
		"no word of it":    saying(200, `{"error":"busy"}`),
		"a text":           saying(200, `{"success":"true"}`),
		"a list":           saying(200, `[{"success":true}]`),
		"yes, as an error": saying(500, `{"success":true}`),
		"no, as an error":  saying(503, `{"success":false}`),
		"yes, not found":   saying(404, `{"success":true}`),
		"yes, elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/yes", http.StatusTemporaryRedirect)
		},
		"yes, as it leaves": saying(302, `{"success":true}`),
		"no end of it":      saying(200, `{"success":true,"x":"`+strings.Repeat("x", 1<<21)+`"}`),
		"no answer":         func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"none for long":     func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body); <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := asking(t, answer, func(c *captcha.Config) {
				if name == "none for long" {
					c.Timeout = 20 * time.Millisecond
				}
			})
			err := v.Verify(t.Context(), token, netip.Addr{})
			if _, refused := errors.AsType[*httpadapter.CaptchaRefusal](err); err == nil || refused {
				t.Fatalf("got %v, want an error that is no refusal", err)
			}
			if text := err.Error(); strings.Contains(text, secret) || strings.Contains(text, token) || strings.Contains(text, "siteverify") {
				t.Errorf("got %q, which shows too much", text)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, cfg := range []captcha.Config{
		{}, {Secret: secret}, {URL: captcha.HCaptcha}, {URL: captcha.Turnstile, Secret: "  "},
		{URL: "hcaptcha.com", Secret: secret}, {URL: "ftp://example.com", Secret: secret}, {URL: captcha.HCaptcha, Secret: secret, Timeout: -1},
	} {
		if _, err := captcha.New(cfg); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("New(%+v): got %v, want an error without the secret", cfg, err)
		}
	}
}
