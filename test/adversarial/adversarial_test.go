// Package adversarial asks the API for what it must not give: the cases are
// tables of HTTP requests, sent over a connection to the handler that applications
// mount, on both databases and in both formats of errors. With FAULTS=full in the
// environment more is tried with more.
//
// A case reads like this: what somebody tries, the request, as whom, and how it is
// answered. In a request <email>, <access> and the like stand for what belongs to
// the account that each case has for itself; see (*world).people.
package adversarial_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/uptrace/bun/dialect"
	"golang.org/x/crypto/bcrypt"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
)

const (
	secret   = "the secret of the adversarial tests, 32 bytes and more"
	password = "correct horse"
	site     = "https://app.example.com"
	external = "https://auth.example.com/auth/v1"
	version  = "2024-01-01" // of the newer format of errors
)

// attack is a case: what somebody tries, and the requests that it takes.
type attack struct {
	name  string
	steps []step
}

// step is a request, and how it has to be answered.
type step struct {
	do      string // method and path
	as      string // the bearer token, "" for none
	body    string
	headers []string // of the form "Name: value"

	want  string // the status and, if there is one, the error's code: "403 bad_jwt"
	has   string // what is in the body or the Location
	lacks string // what is in none of them
	keep  string // "name=path" makes <name> stand for a member of the answer
}

// world is a service behind HTTP, with the names that requests use.
type world struct {
	*authtest.Service
	st      *store.Store
	url     string
	version string // of the API that is asked for, "" for the oldest
}

// each runs a test in new worlds: on every database, on each with one of the formats
// of errors, and if full, on each with both.
func each(t *testing.T, edit func(*postern.Config), test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	usual := map[string]string{"sqlite": version, "postgres": ""}
	for name, open := range map[string]func(testing.TB) *store.Store{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		for _, version := range []string{"", version} {
			if version == usual[name] || full() {
				t.Run(strings.TrimSuffix(name+" "+version, " "), func(t *testing.T) {
					t.Parallel()
					test(t, newWorld(t, open(t), version, edit))
				})
			}
		}
	}
}

// full reports whether everything is to be tried with everything: FAULTS=full.
func full() bool { return os.Getenv("FAULTS") == "full" }

// newWorld makes a world on a database. The service confirms addresses at once
// and spaces no messages; edit, which may be nil, changes that.
func newWorld(t testing.TB, st *store.Store, version string, edit func(*postern.Config)) *world {
	t.Helper()
	s := authtest.On(t, st, func(c *postern.Config) {
		c.SiteURL, c.ExternalURL, c.RedirectURLs = site, external, []string{"https://*.example.org/**", "com.example.app://**"}
		c.JWT.Secret, c.JWT.Issuer = secret, external
		c.Email.MaxFrequency, c.Phone.MaxFrequency, c.MFA.Phone.MaxFrequency = -1, -1, -1
		c.Phone.Enabled = true
		c.Password.BcryptCost = bcrypt.MinCost
		c.Logger = slog.New(slog.DiscardHandler)
		if edit != nil {
			edit(c)
		}
	})
	server := httptest.NewServer(fromPeers(httpadapter.New(s.Auth, httpadapter.Options{})))
	t.Cleanup(server.Close)
	return &world{Service: s, st: st, url: server.URL, version: version}
}

// peerHeader tells a world's server which address a request comes from. Each case
// has its own, so that limits of what one address may ask for do not answer in place
// of what is tested.
const peerHeader = "Test-Peer"

func fromPeers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if peer := r.Header.Get(peerHeader); peer != "" {
			r.RemoteAddr = peer
			r.Header.Del(peerHeader)
		}
		next.ServeHTTP(w, r)
	})
}

// run plays attacks, each with people of its own.
func (w *world) run(t *testing.T, attacks []attack) {
	t.Helper()
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			names := w.people(t)
			for i, s := range a.steps {
				w.play(t, i, s, names)
			}
		})
	}
}

// nobody is the id of nobody.
const nobody = "00000000-0000-4000-8000-000000000000"

var population atomic.Int64

// people makes two accounts with a session each, and returns what requests call
// what belongs to them: <email>, <id>, <access>, <refresh> and <session> of the
// one who asks, <other.email> and so on of somebody else. <operator> is an
// operator's token, <password> everybody's password, <new> an address that nobody has,
// <nobody> an id that nobody has, and <peer> where the requests come from.
func (w *world) people(t testing.TB) map[string]string {
	t.Helper()
	n := population.Add(1)
	names := map[string]string{
		"operator": mint(t, jwt.MapClaims{"role": "service_role"}), "password": password,
		"peer": netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, byte(n >> 16), byte(n >> 8), byte(n)}), 1234).String(),
		"new":  fmt.Sprintf("new-%d@example.com", n), "nobody": nobody,
	}
	for _, who := range []string{"", "other."} {
		email := fmt.Sprintf("%sann-%d@example.com", who, n)
		secret := password
		_, err := w.AdminCreateUser(t.Context(), postern.AdminCreateUserParams{Email: email, Password: &secret, EmailConfirm: true})
		if err != nil {
			t.Fatal(err)
		}
		s, err := w.SignInWithPassword(t.Context(), postern.SignInWithPasswordParams{Email: email, Password: password})
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"email": email, "id": s.User.ID.String(), "access": s.AccessToken, "refresh": s.RefreshToken, "session": s.Session.ID.String(),
		} {
			names[who+name] = value
		}
	}
	return names
}

// mint signs claims with the secret of these tests.
func mint(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

var placeholder = regexp.MustCompile(`<[a-z.]+>`)

// fill puts in what placeholders stand for. Those that stand for nothing stay.
func fill(text string, names map[string]string) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		if value, ok := names[strings.Trim(p, "<>")]; ok {
			return value
		}
		return p
	})
}

// play sends one request and checks the answer.
func (w *world) play(t testing.TB, i int, s step, names map[string]string) answer {
	t.Helper()
	filled := step{do: fill(s.do, names), as: fill(s.as, names), body: fill(s.body, names)}
	for _, h := range s.headers {
		filled.headers = append(filled.headers, fill(h, names))
	}
	if peer := names["peer"]; peer != "" {
		filled.headers = append(filled.headers, peerHeader+": "+peer)
	}
	got := w.send(t, filled)
	if is := strings.TrimSpace(fmt.Sprint(got.status, " ", got.code())); s.want != "" && is != s.want {
		t.Errorf("step %d, %s: got %s: %.300s, want %s", i, s.do, is, got.shown(), s.want)
	}
	if has := fill(s.has, names); !strings.Contains(got.shown(), has) {
		t.Errorf("step %d, %s: got %.500s, want %s in it", i, s.do, got.shown(), has)
	}
	if lacks := fill(s.lacks, names); lacks != "" && strings.Contains(got.shown(), lacks) {
		t.Errorf("step %d, %s: got %.500s, want nothing of %s", i, s.do, got.shown(), lacks)
	}
	if name, path, ok := strings.Cut(s.keep, "="); ok {
		names[name] = got.text(strings.Split(path, ".")...)
	}
	return got
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// shown is all that a client is shown.
func (a answer) shown() string { return a.body + a.header.Get("Location") }

// member is a value inside of a JSON answer, nil when there is none.
func (a answer) member(path ...string) any {
	var at any
	_ = json.Unmarshal([]byte(a.body), &at)
	for _, name := range path {
		object, _ := at.(map[string]any)
		at = object[name]
	}
	return at
}

func (a answer) text(path ...string) string {
	text, _ := a.member(path...).(string)
	return text
}

// code is the error's code in either format, "" for none.
func (a answer) code() string {
	if a.status < 400 {
		return ""
	}
	if code := a.text("error_code"); code != "" {
		return code
	}
	return a.text("code")
}

// client neither follows redirects nor asks for compression.
var client = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// send sends a request, and checks what has to be true of every answer.
func (w *world) send(t testing.TB, s step) answer {
	t.Helper()
	method, path, _ := strings.Cut(s.do, " ")
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, w.url+path, bytes.NewReader([]byte(s.body)))
	if err != nil {
		t.Fatalf("%s: %v", s.do, err)
	}
	if s.as != "" {
		r.Header.Set("Authorization", "Bearer "+s.as)
	}
	if w.version != "" {
		r.Header.Set("X-Supabase-Api-Version", w.version)
	}
	for _, h := range s.headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", s.do, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", s.do, err)
	}
	a := answer{res.StatusCode, res.Header, string(body)}
	if err := a.wellFormed(w.version, s.do); err != nil {
		t.Errorf("%s: got %d %.300s: %v", s.do, a.status, a.body, err)
	}
	return a
}

// wellFormed says what is wrong with the form of an answer to a request, for a client
// that asks for a version of the API (contract: errors.md §1, §2).
func (a answer) wellFormed(version, request string) error {
	switch {
	case a.status >= 500:
		return fmt.Errorf("a failure of the server")
	case strings.Contains(a.body, `"access_token"`) && a.header.Get("Cache-Control") != "no-store":
		return fmt.Errorf("a token that caches may keep")
	case a.status < 400 || strings.HasPrefix(request, "HEAD ") || a.status == 405 && a.body == "":
		return nil
	case a.status == 404 && a.body == "404 page not found\n":
		return nil
	case strings.Contains(request, " /confirm") && strings.HasPrefix(a.body, "<!DOCTYPE html>"):
		return nil
	case a.header.Get("Content-Type") != "application/json":
		return fmt.Errorf("Content-Type is %q", a.header.Get("Content-Type"))
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(a.body), &members); err != nil {
		return err
	}
	if name, ok := members["error"].(string); ok && name != "" && a.status == 400 {
		return onlyTexts(members, "error", "error_description")
	}
	if version == "" {
		if members["code"] != float64(a.status) {
			return fmt.Errorf("code is %v", members["code"])
		}
		delete(members, "code")
		return onlyTexts(members, "error_code", "msg", "weak_password")
	}
	if a.header.Get("X-Supabase-Api-Version") != version {
		return fmt.Errorf("X-Supabase-Api-Version is %q", a.header.Get("X-Supabase-Api-Version"))
	}
	return onlyTexts(members, "code", "message", "weak_password")
}

// onlyTexts wants members to be texts that say something, under these names alone.
// The reasons for a weak password are the one thing that is no text.
func onlyTexts(members map[string]any, names ...string) error {
	for name, value := range members {
		text, ok := value.(string)
		if !slices.Contains(names, name) || name != "weak_password" && (!ok || text == "") {
			return fmt.Errorf("%s is %v", name, value)
		}
	}
	if len(members) == 0 {
		return fmt.Errorf("there is nothing in it")
	}
	return nil
}

// everything is all that is stored, but for what counts requests.
func (w *world) everything(t testing.TB) string {
	t.Helper()
	tables := "SELECT 'auth.' || tablename FROM pg_tables WHERE schemaname = 'auth' ORDER BY 1"
	if w.st.DB().Dialect().Name() == dialect.SQLite {
		tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1"
	}
	var all strings.Builder
	for _, table := range w.query(t, tables) {
		if strings.Contains(table, "limit") {
			continue
		}
		rows := w.query(t, "SELECT * FROM "+table)
		slices.Sort(rows)
		fmt.Fprintf(&all, "%s\n%s\n", table, strings.Join(rows, "\n"))
	}
	return all.String()
}

// query returns the rows of a query, each as a line.
func (w *world) query(t testing.TB, query string) (lines []string) {
	t.Helper()
	rows, err := w.st.DB().DB.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, v := range values {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			texts = append(texts, fmt.Sprint(v))
		}
		lines = append(lines, strings.Join(texts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// changed says in what two states of a database differ.
func changed(before, after string) string {
	was := strings.Split(before, "\n")
	var lines []string
	for line := range strings.SplitSeq(after, "\n") {
		if !slices.Contains(was, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func long(n int) string { return strings.Repeat("x", n) }
