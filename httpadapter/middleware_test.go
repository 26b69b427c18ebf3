package httpadapter_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
)

// recorder is a store that notes where the caller of its one method came from.
type recorder struct {
	stub
	session chan postern.SessionRecord
}

func newRecorder() recorder { return recorder{session: make(chan postern.SessionRecord, 1)} }

// InTx hands out a transaction that takes anything.
func (r recorder) InTx(_ context.Context, fn func(postern.Tx) error) error { return fn(r) }

func (r recorder) FindUserByEmail(context.Context, string, string) (*postern.UserRecord, error) {
	return nil, postern.ErrNoRow
}
func (r recorder) AddUser(context.Context, *postern.UserRecord) error      { return nil }
func (r recorder) AddAuditEntry(context.Context, postern.AuditEntry) error { return nil }
func (r recorder) AddSession(_ context.Context, s *postern.SessionRecord) error {
	r.session <- *s
	return nil
}

// TestClientAddress pins guarantee 28.
func TestClientAddress(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:a::/48")}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"the peer", "192.0.2.1:1234", nil, "192.0.2.1"},
		{"a stranger's header", "192.0.2.1:1234", []string{"198.51.100.1"}, "192.0.2.1"},
		{"an IPv6 peer", "[2001:db8::1]:1234", []string{"198.51.100.1"}, "2001:db8::1"},
		{"a mapped peer", "[::ffff:192.0.2.1]:1234", nil, "192.0.2.1"},
		{"a peer with a zone", "[fe80::1%eth0]:1234", nil, "fe80::1"},
		{"a Unix socket", "@", []string{"198.51.100.1"}, ""},
		{"a proxy that says nothing", "10.0.0.1:1234", nil, "10.0.0.1"},
		{"a proxy", "10.0.0.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		{"a mapped proxy", "[::ffff:10.0.0.1]:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		{"a client that lies", "10.0.0.1:1234", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		{"a client that lies in a line of its own", "10.0.0.1:1234", []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1"},
		{"a client that claims to be a proxy", "10.0.0.1:1234", []string{"203.0.113.9, 10.0.0.9, 198.51.100.1"}, "198.51.100.1"},
		{"several proxies", "10.0.0.1:1234", []string{"203.0.113.9, 198.51.100.1, 2001:db8:a::5,10.0.0.2"}, "198.51.100.1"},
		{"nothing but proxies", "10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"no address", "10.0.0.1:1234", []string{"198.51.100.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"empty hops", "10.0.0.1:1234", []string{" ,198.51.100.1, ,"}, "198.51.100.1"},
		{"ports", "10.0.0.1:1234", []string{"198.51.100.1:99, [2001:db8:a::5]:99"}, "198.51.100.1"},
		{"brackets", "10.0.0.1:1234", []string{"[2001:db8::9]"}, "2001:db8::9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			st := newRecorder()
			a := newAPI(t, st, settings{options: httpadapter.Options{TrustedProxies: trusted}})
			r := request{line: "POST /signup", body: credentials("ann@example.com")}.build(t.Context())
			r.RemoteAddr = c.peer
			r.Header["X-Forwarded-For"] = c.forwarded
			a.handler.ServeHTTP(httptest.NewRecorder(), r)

			got := (<-st.session).IP
			if want, _ := netip.ParseAddr(c.want); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestHeaderOfTheProxies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, peer, told, want string }{
		{"a proxy", "10.0.0.1:1234", "203.0.113.9", "203.0.113.9"},
		{"several", "10.0.0.1:1234", " 203.0.113.9 , 203.0.113.8", "203.0.113.9"},
		{"a stranger", "192.0.2.1:1234", "203.0.113.9", "192.0.2.1"},
		{"a proxy that says nothing", "10.0.0.1:1234", "", "198.51.100.1"},
		{"a proxy that says nonsense", "10.0.0.1:1234", "unknown", "198.51.100.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			st := newRecorder()
			a := newAPI(t, st, settings{options: httpadapter.Options{
				TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, ClientAddressHeader: "CF-Connecting-IP",
			}})
			r := request{line: "POST /signup", body: credentials("ann@example.com")}.build(t.Context())
			r.RemoteAddr = c.peer
			r.Header.Set("CF-Connecting-IP", c.told)
			r.Header.Set("X-Forwarded-For", "198.51.100.1")
			a.handler.ServeHTTP(httptest.NewRecorder(), r)
			if got := (<-st.session).IP; got.String() != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestProxyThatNobodyToldOfIsReported(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nobody, settings{})
	for _, forwarded := range []string{"", "198.51.100.1", "198.51.100.2"} {
		r := request{line: "GET /health", headers: []string{"X-Forwarded-For: " + forwarded}}.build(t.Context())
		r.RemoteAddr = "10.0.0.1:1234"
		a.handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	if n := strings.Count(a.log.String(), "proxy=10.0.0.1"); n != 1 {
		t.Errorf("got %d lines about the proxy, want 1:\n%s", n, a.log)
	}
}

func TestUserAgentIsFitToBeStored(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, sent, want string }{
		{"ordinary", "curl/8.5", "curl/8.5"},
		{"broken UTF-8", "a\xffb\xc3", "ab"},
		{"NUL", "a\x00b", "ab"},
		{"long", strings.Repeat("ä", 1000), strings.Repeat("ä", 512)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			st := newRecorder()
			r := request{line: "POST /signup", body: credentials("ann@example.com"), headers: []string{"User-Agent: " + c.sent}}
			newAPI(t, st, settings{}).expect(t, r, 200)
			if got := (<-st.session).UserAgent; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestAnswersAreSharedAcrossOrigins(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nobody, settings{})
	for _, line := range []string{"GET /health", "GET /nope", "GET /signup", "GET /user", "POST /signup"} {
		got := a.do(t, request{line: line, headers: []string{"Origin: http://app.example.org"}})
		for name, want := range map[string]string{
			"Vary": "Origin", "Access-Control-Allow-Origin": "*",
			"Access-Control-Expose-Headers": "X-Total-Count, Link, X-Supabase-Api-Version",
		} {
			if h := got.header.Get(name); h != want {
				t.Errorf("%s: %s = %q, want %q", line, name, h, want)
			}
		}
		if h := a.do(t, request{line: line}).header.Get("Access-Control-Allow-Origin"); h != "" {
			t.Errorf("%s without Origin: Access-Control-Allow-Origin = %q, want none", line, h)
		}
	}
}

func TestPreflights(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nobody, settings{options: httpadapter.Options{AllowedHeaders: []string{"X-Tenant"}}})
	const supabaseJS = "apikey,authorization,content-type,x-client-info,x-supabase-api-version"
	for _, c := range []struct {
		name, path, origin, method, headers string
		allowed                             bool
	}{
		{"supabase-js", "/token?grant_type=password", "http://app.example.org", "POST", supabaseJS, true},
		{"no headers", "/user", "http://app.example.org", "PUT", "", true},
		{"spaces and capitals", "/user", "http://app.example.org", "PATCH", "Authorization, X-JWT-AUD ,", true},
		{"a configured header", "/user", "http://app.example.org", "GET", "x-tenant", true},
		{"an unknown path", "/nope", "http://app.example.org", "DELETE", "", true},
		{"an unknown method", "/user", "http://app.example.org", "PURGE", "", false},
		{"an unknown header", "/user", "http://app.example.org", "PUT", "authorization,cookie", false},
		{"no origin", "/user", "", "PUT", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := map[string]string{"Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
			if c.allowed {
				want["Access-Control-Allow-Origin"], want["Access-Control-Allow-Methods"] = "*", c.method
				want["Access-Control-Allow-Headers"] = c.headers
			}
			got := a.expect(t, request{line: "OPTIONS " + c.path, headers: []string{
				"Origin: " + c.origin, "Access-Control-Request-Method: " + c.method, "Access-Control-Request-Headers: " + c.headers,
			}}, 204, "")
			for _, name := range []string{
				"Vary", "Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age",
			} {
				if h := got.header.Get(name); h != want[name] {
					t.Errorf("%s = %q, want %q", name, h, want[name])
				}
			}
		})
	}
}

// TestBearerTokens pins contract endpoints.md §0.3.
func TestBearerTokens(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nobody, settings{})
	const unverified = "invalid JWT: unable to parse or verify signature, "
	hour := time.Hour
	user := func(claims jwt.MapClaims) string {
		all := jwt.MapClaims{"sub": someID, "aud": "authenticated", "role": "authenticated", "exp": a.now.Add(hour).Unix()}
		for name, value := range claims {
			all[name] = value
		}
		return mint(t, all)
	}
	good := user(nil)
	for _, c := range []struct {
		name, authorization string
		status              int
		body                string
	}{
		{"none", "", 401, noBearer},
		{"another scheme", "Basic YTpi", 401, noBearer},
		{"no token", "Bearer", 401, noBearer},
		{"an empty token", "Bearer ", 401, noBearer},
		{"two tokens", "Bearer " + good + " " + good, 401, noBearer},
		{"two spaces", "Bearer  " + good, 401, noBearer},
		{"no JWT", "Bearer x", 403, older("403", "bad_jwt", unverified+"token is malformed: token contains an invalid number of segments")},
		{"too long", "Bearer " + user(jwt.MapClaims{"x": strings.Repeat("x", 20000)}), 403, older("403", "bad_jwt", unverified+"token is malformed: token is too long")},
		{"another's signature", "Bearer " + good[:len(good)-4] + "AAAA", 403, older("403", "bad_jwt", unverified+"token signature is invalid: signature is invalid")},
		{"expired", "Bearer " + user(jwt.MapClaims{"exp": a.now.Add(-hour).Unix()}), 403, older("403", "bad_jwt", unverified+"token has invalid claims: token is expired")},
		{"an operator's", "Bearer " + operator(t), 403, older("403", "bad_jwt", "invalid claim: missing sub claim")},
		{"no UUID", "Bearer " + user(jwt.MapClaims{"sub": "x"}), 400, older("400", "bad_jwt", "invalid claim: sub claim must be a UUID")},
		{"a session that is no UUID", "Bearer " + user(jwt.MapClaims{"session_id": "x"}), 403, older("403", "bad_jwt", "invalid claim: session_id claim must be a UUID")},
		{"nobody's", "Bearer " + good, 403, older("403", "user_not_found", "User from sub claim in JWT does not exist")},
		{"in small letters", "bearer " + good, 403, older("403", "user_not_found", "User from sub claim in JWT does not exist")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			q := request{line: "GET /user"}
			if c.authorization != "" {
				q.headers = []string{"Authorization: " + c.authorization}
			}
			a.expect(t, q, c.status, c.body)
		})
	}
}

func TestOperatorsOnly(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nobody, settings{})
	for _, c := range []struct {
		name   string
		claims jwt.MapClaims
		status int
		body   string
	}{
		{"no role", jwt.MapClaims{}, 403, older("403", "not_admin", "User not allowed")},
		{"the key for clients", jwt.MapClaims{"role": "anon"}, 403, older("403", "not_admin", "User not allowed")},
		{"a role in a list", jwt.MapClaims{"role": []string{"service_role"}}, 403, ""},
		{"another operator's role", jwt.MapClaims{"role": "supabase_admin"}, 404, older("404", "user_not_found", "User not found")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := a.do(t, request{line: "GET /admin/users/" + someID, token: mint(t, c.claims)})
			if got.status != c.status || c.body != "" && got.body != c.body {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, c.status, c.body)
			}
		})
	}
}

// app is a handler of an application: it says who the caller is.
var app = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	var seen struct{ User, Role string }
	if u := postern.UserFromContext(r.Context()); u != nil {
		seen.User = u.Email
	}
	if c := postern.ClaimsFromContext(r.Context()); c != nil {
		seen.Role = c.Role
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(seen)
})

func TestMiddlewareProtectsAnApplication(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		user, token, admin := *a, *a, *a
		user.handler = httpadapter.RequireUser(a.auth)(app)
		token.handler = httpadapter.RequireToken(a.auth)(app)
		admin.handler = httpadapter.RequireAdmin(a.auth)(app)
		ann := a.signUp(t, "ann@example.com").AccessToken

		for _, guarded := range []*api{&user, &token, &admin} {
			guarded.expect(t, request{line: "GET /notes"}, 401, noBearer)
		}
		user.expect(t, request{line: "GET /notes", token: ann}, 200, `{"User":"ann@example.com","Role":"authenticated"}`+"\n")
		token.expect(t, request{line: "GET /notes", token: ann}, 200, `{"User":"","Role":"authenticated"}`+"\n")
		token.expect(t, request{line: "GET /notes", token: operator(t)}, 403, older("403", "bad_jwt", "invalid claim: missing sub claim"))
		admin.expect(t, request{line: "GET /notes", token: operator(t)}, 200, `{"User":"","Role":"service_role"}`+"\n")
		admin.expect(t, request{line: "GET /notes", token: ann, headers: []string{"X-Supabase-Api-Version: 2024-01-01"}}, 403,
			`{"code":"not_admin","message":"User not allowed"}`)

		a.expect(t, request{line: "POST /logout", token: ann}, 204, "")
		user.expect(t, request{line: "GET /notes", token: ann}, 403,
			older("403", "session_not_found", "Session from session_id claim in JWT does not exist"))
		token.expect(t, request{line: "GET /notes", token: ann}, 200)
	})
}

func TestOperatorWithASession(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{config: func(c *postern.Config) { c.Session.Timebox = time.Hour }})
		session := a.signUp(t, "ann@example.com")
		claims, err := a.auth.VerifyToken(t.Context(), session.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		as := func(sessionID string) request {
			return request{line: "GET /admin/users", token: mint(t, jwt.MapClaims{
				"sub": claims.Subject, "aud": "authenticated", "role": "service_role", "session_id": sessionID, "exp": a.now.Add(9 * time.Hour).Unix(),
			})}
		}
		a.expect(t, as(claims.SessionID), 200)
		a.expect(t, as(uuid.NewString()), 403, older("403", "session_not_found", "Session from session_id claim in JWT does not exist"))
		*a.now = a.now.Add(2 * time.Hour)
		a.expect(t, as(claims.SessionID), 403, older("403", "session_expired", "Session is no longer valid"))
	})
}

// TestSlowBodies needs a server: a body in a recorder never makes one wait.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nobody, settings{options: httpadapter.Options{MaxRequestDuration: time.Millisecond}})
	server := httptest.NewServer(a.handler)
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /signup HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, "POST /signup", res); got.status != 504 {
		t.Errorf("got %d %s, want 504", got.status, got.body)
	}
}

// TestLinksOfMailsBeginWithAListedHost pins contract endpoints.md §0.2.
func TestLinksOfMailsBeginWithAListedHost(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{config: confirming, options: httpadapter.Options{ExternalHosts: []string{"login.example.org", "localhost"}}})
	for i, c := range []struct {
		target, host, proto, want string
	}{
		{"/otp", "", "", "https://auth.example.com"},
		{"/otp", "login.example.org", "http", "https://login.example.org"},
		{"/otp", "localhost", "http", "http://localhost"},
		{"/otp", "localhost", "", "https://localhost"},
		{"/otp", "localhost:9999", "http", "https://auth.example.com"},
		{"/otp", "evil.example.net", "https", "https://auth.example.com"},
		{"/otp", "LOGIN.example.org", "", "https://auth.example.com"},
		{"/otp", "login.example.org, evil.example.net", "", "https://auth.example.com"},
		{"http://login.example.org/otp", "", "", "https://login.example.org"},
		{"http://login.example.org/otp", "evil.example.net", "", "https://auth.example.com"},
	} {
		email := strings.Repeat("a", i+1) + "@example.com"
		q := request{line: "POST " + c.target, body: object("email", email), headers: []string{"Host: login.example.org"}}
		if c.host != "" {
			q.headers = append(q.headers, "X-Forwarded-Host: "+c.host)
		}
		if c.proto != "" {
			q.headers = append(q.headers, "X-Forwarded-Proto: "+c.proto)
		}
		a.expect(t, q, 200)
		if link := a.mailTo(t, email).ConfirmationURL; !strings.HasPrefix(link, c.want+"/auth/v1/verify?") {
			t.Errorf("%+v: got the link %s", c, link)
		}
	}
}
