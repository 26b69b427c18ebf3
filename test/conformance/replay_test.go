package conformance_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/envtest"
)

// TestTranscripts replays what the real server was recorded to answer, on both
// databases. Every scenario is played up to the first step that needs a feature
// that is not there yet; such steps are passed over where they leave no trace.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	scenarios, err := readTranscripts(envtest.GoTrue(t, "transcripts", "transcripts"))
	if err != nil || len(scenarios) == 0 {
		t.Fatalf("got %d scenarios, %v; want some", len(scenarios), err)
	}
	for _, db := range databases {
		t.Run(db.name, func(t *testing.T) {
			t.Parallel()
			w, y, u := newWorld(t, db.open), newTally(), newUsage()
			ran := 0
			t.Cleanup(func() { // which is when the scenarios are over
				if ran == len(scenarios) && !t.Failed() {
					y.log(t)
					u.check(t)
				}
			})
			for _, s := range scenarios {
				t.Run(s.name, func(t *testing.T) {
					ran++
					t.Parallel()
					replay(t, w, s, y, u)
				})
			}
		})
	}
}

// replay plays a scenario and stops at the first step that differs.
func replay(t *testing.T, w *world, s scenario, y *tally, u *usage) {
	m := &matcher{vars: w.given(t), now: time.Now}
	for i, recorded := range s.steps {
		if g := gapOf(recorded); g >= 0 {
			if leavesNoTrace(recorded) {
				y.left[g].Add(1)
				continue
			}
			y.left[g].Add(int64(len(s.steps) - i))
			return
		}
		ours, applied := expected(s.name, recorded)
		if diffs := m.play(t, w, ours); diffs != nil {
			t.Fatalf("%s/%s (%s): %s\n\t%s", s.area, s.name, s.needs, ours, strings.Join(diffs, "\n\t"))
		}
		y.played.Add(1)
		for _, d := range applied {
			u.seen[d].Add(1)
		}
	}
}

// play sends a step's request and returns what differs in the answer.
func (m *matcher) play(t *testing.T, w *world, s step) []string {
	t.Helper()
	time.Sleep(s.wait())
	if s.Mail != nil {
		return m.read(t, w, s)
	}
	r, err := m.fillRequest(s.Request)
	if err != nil {
		return []string{err.Error()}
	}
	got, err := send(t.Context(), w.instance[s.Instance].url, r)
	if err != nil {
		return []string{err.Error()}
	}
	if got.status != s.Response.Status {
		m.differ("status", "got %d, want %d", got.status, s.Response.Status)
	}
	m.compare("body", s.Response.Body, got.body)
	m.compare("headers", s.Response.Headers, got.headers)
	for _, p := range sortedKeys(s.JWT) {
		m.compareToken(p, s.JWT[p])
	}
	return m.take()
}

var (
	hrefs  = regexp.MustCompile(`href="([^"]+)"`)
	tags   = regexp.MustCompile(`<[^>]+>`)
	digits = regexp.MustCompile(`\b\d{6,10}\b`)
)

// read waits for a step's mail and returns what differs in it.
func (m *matcher) read(t *testing.T, w *world, s step) []string {
	t.Helper()
	to, err := m.fill(s.Mail.To)
	if err != nil {
		return []string{err.Error()}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	box := w.instance[s.Instance].box
	if _, err := box.Wait(ctx, to, s.Mail.Nth); err != nil {
		return []string{fmt.Sprintf("mail %d to %s: %v", s.Mail.Nth, to, err)}
	}
	all := box.Messages(to)
	got := all[len(all)-s.Mail.Nth]
	var links []any
	for _, href := range hrefs.FindAllStringSubmatch(got.HTML, -1) {
		links = append(links, html.UnescapeString(href[1]))
	}
	m.compare("mail.subject", s.Mail.Subject, got.Subject)
	m.compare("mail.links", s.Mail.Links, links)
	if s.Mail.OTP != nil {
		m.compare("mail.otp", s.Mail.OTP, digits.FindString(tags.ReplaceAllString(got.HTML, " ")))
	}
	return m.take()
}

// fillRequest puts values in place of all placeholders of a request.
func (m *matcher) fillRequest(r request) (filled request, err error) {
	filled = r
	if filled.Path, err = m.fill(r.Path); err != nil {
		return filled, err
	}
	filled.Headers = map[string]string{}
	for name, value := range r.Headers {
		if filled.Headers[name], err = m.fill(value); err != nil {
			return filled, err
		}
	}
	if r.Raw != nil {
		raw, err := m.fill(*r.Raw)
		filled.Raw = &raw
		return filled, err
	}
	if r.Body != nil {
		body, err := m.fill(string(r.Body)) // no value needs to be escaped in JSON
		filled.Body = json.RawMessage(body)
		return filled, err
	}
	return filled, nil
}

// compareToken compares the readable parts of the access token that a placeholder
// stands for, if it stands for one by now.
func (m *matcher) compareToken(placeholder string, want jwtParts) {
	token := m.vars[strings.Trim(placeholder, "{}")]
	if token == "" {
		return
	}
	got, err := readToken(token)
	if err != nil {
		m.differ(placeholder, "%v", err)
		return
	}
	m.compare(placeholder+".header", want.Header, got.Header)
	m.compare(placeholder+".claims", want.Claims, got.Claims)
}

// readToken reads a token without verifying it.
func readToken(token string) (parts jwtParts, err error) {
	segments := strings.Split(token, ".")
	if len(segments) != 3 {
		return parts, fmt.Errorf("got a token of %d parts, want 3", len(segments))
	}
	for i, into := range []any{&parts.Header, &parts.Claims} {
		text, err := base64.RawURLEncoding.DecodeString(segments[i])
		if err != nil {
			return parts, err
		}
		if err := json.Unmarshal(text, into); err != nil {
			return parts, err
		}
	}
	return parts, nil
}

// given are the values of placeholders that a scenario starts with.
func (w *world) given(t testing.TB) map[string]string {
	t.Helper()
	vars := tokens(t)
	vars["run:1"] = "r" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	for name, i := range w.instance {
		vars["base_"+name] = i.url
		vars["enc_base_"+name] = url.QueryEscape(i.url)
	}
	return vars
}

// ghost is the id of a user that no instance has.
const ghost = "5a1f1f5e-7f4e-4d0c-9a3e-2f0d6b0a9c11"

// tokens are those that the recordings take for given.
func tokens(t testing.TB) map[string]string {
	t.Helper()
	const user = "authenticated"
	hour := time.Hour
	return map[string]string{
		"admin_jwt":   mint(t, secret, hour, jwt.MapClaims{"role": "service_role"}),
		"anon_jwt":    mint(t, secret, hour, jwt.MapClaims{"role": "anon"}),
		"expired_jwt": mint(t, secret, -hour, jwt.MapClaims{"sub": ghost, "role": user, "aud": user}),
		"ghost_jwt":   mint(t, secret, hour, jwt.MapClaims{"sub": ghost, "role": user, "aud": user}),
		"badsub_jwt":  mint(t, secret, hour, jwt.MapClaims{"sub": "not-a-uuid", "role": user, "aud": user}),
		"badsig_jwt":  mint(t, "another-secret-with-at-least-32-characters", hour, jwt.MapClaims{"sub": ghost, "role": user, "aud": user}),
	}
}

// mint signs a token that expires after some time.
func mint(t testing.TB, secret string, life time.Duration, claims jwt.MapClaims) string {
	t.Helper()
	now := time.Now()
	claims["exp"] = now.Add(life).Unix()
	claims["iat"] = min(now.Unix(), now.Add(life).Add(-time.Hour).Unix())
	return sign(t, secret, claims)
}

func sign(t testing.TB, secret string, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}
