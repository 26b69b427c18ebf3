package adversarial_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// bad are bodies that no route takes, whatever it expects (guarantee E22).
var bad = []struct{ name, body string }{
	{"null", "null"},
	{"a number", "1"},
	{"a text", `"{}"`},
	{"a list", "[]"},
	{"a list of objects", `[{"email":"<new>","password":"<password>"}]`},
	{"true", "true"},
	{"nothing but a space", " "},
	{"half an object", `{"email":"<new>"`},
	{"half a text", `{"email":"<new>`},
	{"bytes after the end", `{"email":"<new>"} x`},
	{"a second object", `{"email":"<new>"}{"email":"<email>"}`},
	{"a NUL after the end", "{}\x00"},
	{"a byte order mark", "\ufeff{}"},
	{"UTF-16", "\xff\xfe{\x00}\x00"},
	{"a NUL", "{\"email\":\"\x00\"}"},
	{"an escaped NUL", `{"email":"a\u0000@example.com","data":{"a":"\u0000"}}`},
	{"an escaped NUL in a name", `{"\u0000":1}`},
	{"invalid UTF-8", "{\"email\":\"a\xff@example.com\"}"},
	{"an overlong slash", "{\"email\":\"\xc0\xaf\"}"},
	{"half a surrogate pair", `{"email":"\ud800@example.com"}`},
	{"surrogates the wrong way round", `{"x":"\udc00\ud800"}`},
	{"a raw line break", "{\"email\":\"a\nb\"}"},
	{"lists 65 deep", `{"x":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `}`},
	{"objects 65 deep", strings.Repeat(`{"x":`, 65) + "1" + strings.Repeat("}", 65)},
	{"lists half a million deep", strings.Repeat("[", 500_000)},
	{"a comment", `{/* */}`},
	{"a comma too many", `{"a":1,}`},
	{"single quotes", `{'a':1}`},
	{"no quotes", `{a:1}`},
	{"not a number", `{"a":NaN}`},
	{"infinity", `{"a":-Infinity}`},
	{"a hexadecimal number", `{"a":0x10}`},
	{"a leading zero", `{"a":01}`},
	{"HTML", `<script>alert(1)</script>`},
	{"XML", `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`},
	{"YAML", "email: a@example.com\n"},
	{"a form", "email=a%40example.com&password=x"},
	{"compressed", compressed(`{"email":"<new>","password":"<password>"}`)},
	{"two million bytes", `{"x":"` + long(2_000_000) + `"}`},
}

func compressed(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text)) // into memory
	_ = z.Close()
	return b.String()
}

// bodiless are the routes that read no body: whatever comes is left alone.
var bodiless = []string{
	"POST /logout", "POST /factors/<factor.id>/challenge", "POST /factors/recovery-codes", "POST /factors/recovery-codes/regenerate",
	"POST /passkeys/authentication/options", "POST /passkeys/registration/options", "POST /callback",
	"DELETE /factors/<factor.id>", "DELETE /factors/recovery-codes", "DELETE /user/identities/<identity.id>", "DELETE /passkeys/<passkey.id>",
	"DELETE /admin/users/<user.id>/factors/<factor.id>", "DELETE /admin/users/<user.id>/passkeys/<passkey.id>", "DELETE /admin/custom-providers/<identifier>",
	"POST /confirm", // reads a form
}

// variants are the queries that make several routes of one.
var variants = map[string][]string{
	"POST /token": {"?grant_type=password", "?grant_type=refresh_token", "?grant_type=pkce", "?grant_type=id_token", "?grant_type=web3"},
}

func TestNoBodyBreaksAnyRoute(t *testing.T) {
	each(t, everyFeature, func(t *testing.T, w *world) {
		names := w.people(t)
		w.things(t, names)
		before := w.everything(t)
		for _, r := range routes(t) {
			line := r.method + " " + r.path
			if r.method == "GET" || r.method == "HEAD" || slices.Contains(bodiless, line) {
				continue
			}
			queries := variants[line]
			if queries == nil {
				queries = []string{""}
			}
			for _, query := range queries {
				t.Run(line+query, func(t *testing.T) {
					for i, b := range bad {
						s := step{do: line + query, as: r.as(), body: b.body, headers: []string{"Content-Type: application/json"}}
						if b.name == "compressed" {
							s.headers = append(s.headers, "Content-Encoding: gzip")
						}
						if got := w.play(t, i, s, names); got.status/100 != 4 {
							t.Errorf("%s: got %d %.300s, want a 4xx", b.name, got.status, got.body)
						}
					}
				})
			}
		}
		if after := w.everything(t); after != before {
			t.Errorf("changed: %s", changed(before, after))
		}
	})
}

// A body that a route does not read breaks nothing either. Each gets what may be used
// up anew.
func TestNoBodyBreaksARouteThatReadsNone(t *testing.T) {
	each(t, everyFeature, func(t *testing.T, w *world) {
		for _, line := range bodiless {
			t.Run(line, func(t *testing.T) {
				for i, b := range bad {
					if i%5 != 0 { // they are alike to who does not read them
						continue
					}
					names := w.people(t)
					w.things(t, names)
					as := "<access>"
					if strings.Contains(line, "/admin") {
						as = "<operator>"
					}
					w.play(t, i, step{do: line, as: as, body: b.body}, names) // checks that it is no failure of the server
				}
			})
		}
	})
}

// values are what no member of a body should be.
var values = []string{
	`null`, `true`, `0`, `-1`, `1e999`, `1.5`, `9223372036854775808`, `""`, `" "`, `"x"`, `[]`, `[null]`, `{}`, `{"a":{}}`, `"\u0000"`, `"\ud800"`,
	`"'; DROP TABLE users; --"`, `"%"`, `"../../etc/passwd"`, `"{{.}}"`, `"${jndi:ldap://x}"`, `"` + strings.Repeat("ä", 40_000) + `"`, `"\u202e\u0007\ufffe"`, `"a\r\nBcc: b@example.com"`,
}

// members are those that any route reads.
var members = []string{
	"email", "phone", "password", "data", "channel", "code_challenge", "code_challenge_method", "create_user", "refresh_token", "auth_code", "code_verifier",
	"id_token", "access_token", "nonce", "provider", "client_id", "issuer", "link_identity", "message", "signature", "chain", "type", "token", "token_hash", "redirect_to",
	"current_password", "app_metadata", "user_metadata", "factor_type", "friendly_name", "code", "challenge_id", "credential", "credential_response", "web_authn", "rpId", "rpOrigins",
	"id", "aud", "role", "password_hash", "email_confirm", "phone_confirm", "ban_duration", "should_soft_delete", "new_email", "options",
	"identifier", "provider_type", "name", "client_secret", "scopes", "discovery_url", "attribute_mapping", "authorization_params", "enabled", "acceptable_client_ids",
}

// Members of every route's body with every value, and all of them if full: none is a
// failure of the server.
func TestNoValueBreaksAnyRoute(t *testing.T) {
	each(t, everyFeature, func(t *testing.T, w *world) {
		few := 8
		if full() {
			few = 1
		}
		names := w.people(t)
		w.things(t, names)
		for _, r := range routes(t) {
			line := r.method + " " + r.path
			if r.method == "GET" || r.method == "HEAD" || r.method == "DELETE" || slices.Contains(bodiless, line) {
				continue
			}
			queries := variants[line]
			if queries == nil {
				queries = []string{""}
			}
			for _, query := range queries {
				t.Run(line+query, func(t *testing.T) {
					for i, value := range values {
						for k, member := range members {
							if (i+k)%few != 0 {
								continue
							}
							rest := `,"email":"<new>","password":"<password>"`
							if member == "email" || member == "phone" {
								rest = `,"password":"<password>"`
							}
							w.play(t, i, step{do: line + query, as: r.as(), body: fmt.Sprintf(`{%q:%s%s}`, member, value, rest)}, names)
						}
					}
				})
			}
		}
	})
}

// parameters are those that any route reads from the query.
var parameters = []string{
	"grant_type", "scope", "type", "token", "token_hash", "redirect_to", "email", "provider", "scopes", "state", "code", "error", "iss", "invite_token", "code_challenge",
	"code_challenge_method", "page", "per_page", "sort", "filter", "cursor", "limit", "skip_http_redirect", "flow_id",
}

func TestNoQueryBreaksAnyRoute(t *testing.T) {
	each(t, everyFeature, func(t *testing.T, w *world) {
		names := w.people(t)
		w.things(t, names)
		for _, r := range routes(t) {
			if r.method != "GET" && r.method != "HEAD" && r.path != "/callback" && r.path != "/token" {
				continue
			}
			t.Run(r.method+" "+r.path, func(t *testing.T) {
				for i, value := range []string{
					"", "\x00", "\xff", "'", "%", "-1", "0", "99999999999999999999", "1e9", "a b", "created_at desc", "created_at; DROP TABLE", "../x", "<script>", "\r\nSet-Cookie: a=b",
					"sms", "signup", long(20_000), nobody, "\u202e", "2001-01-01",
				} {
					q := url.Values{}
					for _, name := range parameters {
						w.play(t, i, step{do: r.method + " " + r.path + "?" + name + "=" + url.QueryEscape(value), as: r.as()}, names)
						q.Add(name, value)
						q.Add(name, value+"x")
					}
					if len(value) < 100 {
						w.play(t, i, step{do: r.method + " " + r.path + "?" + q.Encode(), as: r.as()}, names)
					}
				}
				for i, raw := range []string{"%", "%zz", "&&&=&", "a;b;c", "?", "=x", "%00=%00", strings.Repeat("a=b&", 5000)} {
					w.play(t, i, step{do: r.method + " " + r.path + "?" + strings.ReplaceAll(raw, " ", "+"), as: r.as()}, names)
				}
			})
		}
	})
}

// Parameters of the path are ids or nothing.
func TestNoPathBreaksAnyRoute(t *testing.T) {
	each(t, everyFeature, func(t *testing.T, w *world) {
		names := w.people(t)
		before := w.everything(t)
		for _, r := range routes(t) {
			if !strings.Contains(r.path, "<") {
				continue
			}
			t.Run(r.method+" "+r.path, func(t *testing.T) {
				for i, id := range []string{
					"%00", "%ff", "x", "%2e%2e", "%2f", "..%2f..%2fsettings", "'%20OR%201=1", "{" + nobody + "}", "urn:uuid:" + nobody, strings.ReplaceAll(nobody, "-", ""),
					strings.ToUpper("abcdefab-0000-4000-8000-000000000000"), "00000000-0000-0000-0000-000000000000", long(8000), "%F0%9F%98%80", "custom:%00", "custom:..", "null", "*",
				} {
					path := placeholder.ReplaceAllString(r.path, id)
					w.play(t, i, step{do: r.method + " " + path, as: r.as(), body: `{"friendly_name":"x","email":"<new>"}`}, names).refused(t)
				}
			})
		}
		if after := w.everything(t); after != before {
			t.Errorf("changed: %s", changed(before, after))
		}
	})
}
