package httpadapter_test

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
)

// taker is a route that takes a body, a body that it would accept, and the fields
// that it refuses where they are wrong.
type taker struct {
	line   string
	token  string
	good   string
	fields []map[string]string
}

// takers lists the routes that take a body, for the user ann@example.com.
func takers(t testing.TB, a *api, ann postern.Session) []taker {
	t.Helper()
	path := "/admin/users/" + ann.User.ID.String()
	admin := operator(t)
	link := decode[generated](t, a.expect(t, request{line: "POST /admin/generate_link", token: admin, body: `{"type":"recovery","email":"ann@example.com"}`}, 200))
	exchange := object("auth_code", a.authCode(t, "bob@example.com"), "code_verifier", verifier)
	account := []map[string]string{badData, badAddresses, badPasswords}
	return []taker{
		{"POST /signup", "", `{"email":"new@example.com","password":"` + password + `","data":{"a":1}}`, account},
		{"POST /token?grant_type=password", "", credentials(ann.User.Email), account},
		{"POST /token?grant_type=refresh_token", "", `{"refresh_token":"` + ann.RefreshToken + `"}`, account},
		{"POST /token?grant_type=pkce", "", exchange, account},
		{"POST /otp", "", `{"email":"code@example.com","data":{"a":1}}`, []map[string]string{badData, badAddresses}},
		{"POST /magiclink", "", `{"email":"link@example.com","data":{"a":1}}`, []map[string]string{badData, badAddresses}},
		{"POST /recover", "", `{"email":"nobody@example.com"}`, []map[string]string{badAddresses}},
		{"POST /resend", "", `{"type":"signup","email":"nobody@example.com"}`, account},
		{"POST /verify", "", object("type", "recovery", "token_hash", link.HashedToken), account},
		{"PUT /user", ann.AccessToken, `{"data":{"a":1}}`, account},
		{"POST /invite", admin, `{"email":"guest@example.com","data":{"a":1}}`, []map[string]string{badData, badAddresses}},
		{"POST /admin/generate_link", admin, `{"type":"invite","email":"later@example.com","data":{"a":1}}`, account},
		{"POST /admin/users", admin, `{"email":"newer@example.com","user_metadata":{"a":1}}`, account},
		{"PUT " + path, admin, `{"user_metadata":{"a":1}}`, account},
		{"DELETE " + path, admin, `{"should_soft_delete":true}`, nil},
	}
}

// tooLarge is the status for a body that is too large (contract: errors.md §2).
func (r taker) tooLarge() int {
	if r.line == "POST /otp" || r.line == "POST /magiclink" {
		return 400
	}
	return 413
}

// badBodies are wrong whatever a route expects (guarantee 22).
var badBodies = map[string]string{
	"nothing":                 " ",
	"null":                    "null",
	"null in spaces":          " \n null ",
	"an array":                "[]",
	"a number":                "1",
	"a string":                `"{}"`,
	"half an object":          `{"email":`,
	"trailing bytes":          `{} x`,
	"two values":              `{}{}`,
	"two lines":               "{}\n{}",
	"a comma too many":        `{"a":1,}`,
	"single quotes":           `{'a':1}`,
	"a byte order mark":       "\ufeff{}",
	"NUL":                     "{\"a\":\"\x00\"}",
	"NUL after the end":       "{}\x00",
	"escaped NUL":             `{"data":{"a":"\u0000"}}`,
	"escaped NUL in a name":   `{"data":{"\u0000":1}}`,
	"escaped NUL in a stray":  `{"unknown":"\u0000"}`,
	"invalid UTF-8":           "{\"email\":\"a\xff@example.com\"}",
	"an overlong slash":       "{\"email\":\"\xc0\xaf@example.com\"}",
	"UTF-16":                  "\xff\xfe{\x00}\x00",
	"half a surrogate pair":   `{"email":"\ud800@example.com"}`,
	"surrogates in bad order": `{"email":"\udc00\ud800@example.com"}`,
	"deep arrays":             `{"data":{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}}`,
	"deep objects":            `{"unknown":` + strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64) + `}`,
	"very deep":               strings.Repeat("[", 1<<20),
	"wrong types": `{"email":1,"phone":[],"password":{},"data":"x","refresh_token":1,"app_metadata":1,
		"user_metadata":1,"email_confirm":"x","should_soft_delete":"x","auth_code":1}`,
	"a number out of range": `{"data":{"a":1e999999},"user_metadata":{"a":1e999999},"email":0,"refresh_token":0,"should_soft_delete":0}`,
}

// The fields of accounts that are wrong in themselves.
var (
	badData = map[string]string{
		"a number that no column holds": `{"email":"x@example.com","password":"` + password + `","data":{"a":-1E+400000},"user_metadata":{"a":-1E+400000}}`,
		"too many decimals":             `{"email":"x@example.com","password":"` + password + `","data":{"a":1e-99999},"user_metadata":{"a":1e-99999}}`,
		"large metadata": `{"email":"x@example.com","password":"` + password + `","data":{"a":"` + strings.Repeat("x", 65<<10) +
			`"},"user_metadata":{"a":"` + strings.Repeat("x", 65<<10) + `"}}`,
	}
	badAddresses = map[string]string{
		"a long address":     `{"email":"` + strings.Repeat("x", 300) + `@example.com","password":"` + password + `"}`,
		"two addresses":      `{"email":"x@example.com, y@example.com","password":"` + password + `"}`,
		"a line break":       `{"email":"x@example.com\r\nBcc: y@example.com","password":"` + password + `"}`,
		"a phone of letters": `{"phone":"abc","password":"` + password + `"}`,
		"an endless phone":   `{"phone":"` + strings.Repeat("1", 1000) + `","password":"` + password + `"}`,
	}
	badPasswords = map[string]string{
		"a long password":      `{"email":"x@example.com","password":"` + strings.Repeat("x", 73) + `"}`,
		"a very long password": `{"email":"x@example.com","password":"` + strings.Repeat("x", 1<<19) + `"}`,
		"an id of another kind": `{"email":"x@example.com","id":"x","phone":"1","refresh_token":"x","password":"` + password +
			`","app_metadata":{}, "ban_duration":"forever"}`,
	}
)

func TestBadBodiesAreRefusedAndNothingIsStored(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		ann := a.signUp(t, "ann@example.com")
		routes := takers(t, a, ann)
		before := a.everything(t)
		for _, route := range routes {
			for name, body := range badBodies {
				a.refuses(t, name, request{line: route.line, token: route.token, body: body}, 400)
			}
			a.refuses(t, "too large", request{
				line: route.line, token: route.token, body: strings.TrimSuffix(route.good, "}") + strings.Repeat(" ", 1<<20) + "}",
			}, route.tooLarge())
			a.refuses(t, "too large a form", request{
				line: route.line, token: route.token, body: strings.Repeat("a=b&", 1<<18) + "a=b", headers: form,
			}, route.tooLarge())
			if strings.HasPrefix(route.line, "DELETE") {
				continue
			}
			a.refuses(t, "no body", request{line: route.line, token: route.token}, 400)
			a.refuses(t, "a form", request{line: route.line, token: route.token, body: route.good, headers: form}, 400)
			for _, fields := range route.fields {
				for name, body := range fields {
					a.refuses(t, name, request{line: route.line, token: route.token, body: body}, 0)
				}
			}
		}
		if after := a.everything(t); after != before {
			t.Errorf("stored before:\n%s\nafter:\n%s", before, after)
		}
		for _, route := range routes {
			a.expect(t, request{line: route.line, token: route.token, body: route.good}, 200)
		}
	})
}

var form = []string{"Content-Type: application/x-www-form-urlencoded"}

// refuses wants a 4xx, and where the status is known that one.
func (a *api) refuses(t testing.TB, name string, q request, status int) {
	t.Helper()
	got := a.do(t, q)
	if got.status/100 != 4 || status != 0 && got.status != status {
		t.Errorf("%s to %s = %d %.300s, want %d", name, q.line, got.status, got.body, max(status, 400))
	}
}

// everything is all that the API shows of what is stored.
func (a *api) everything(t testing.TB) string {
	t.Helper()
	list := a.expect(t, request{line: "GET /admin/users", token: operator(t)}, 200)
	return list.header.Get("X-Total-Count") + list.body
}

func TestParserErrorsAreShown(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nobody, settings{})
	const admin = "/admin/users/" + someID
	for _, c := range []struct{ line, body, want string }{
		{"POST /signup", ``, "unexpected end of JSON input"},
		{"POST /signup", `{"a":`, "unexpected end of JSON input"},
		{"POST /signup", `{} x`, "invalid character 'x' after top-level value"},
		{"POST /signup", `{'a':1}`, `invalid character '\\'' looking for beginning of object key string`},
		{"POST /signup", `null`, "null is no object"},
		{"POST /signup", `{"email":"a@example.com","password":5}`, "json: cannot unmarshal number into Go struct field SignupParams.password of type string"},
		{"POST /signup", `{"data":"x"}`, "json: cannot unmarshal string into Go struct field SignupParams.data of type map[string]interface {}"},
		{"POST /token?grant_type=password", `{"email":{}}`, "json: cannot unmarshal object into Go struct field PasswordGrantParams.email of type string"},
		{"POST /token?grant_type=refresh_token", `{"refresh_token":[1]}`, "json: cannot unmarshal array into Go struct field RefreshTokenGrantParams.refresh_token of type string"},
		{"POST /token?grant_type=pkce", `{"auth_code":1}`, "json: cannot unmarshal number into Go struct field PKCEGrantParams.auth_code of type string"},
		{"POST /otp", `{"create_user":"yes"}`, "json: cannot unmarshal string into Go struct field OtpParams.create_user of type bool"},
		{"POST /otp", `{"email":7}`, "json: cannot unmarshal number into Go struct field OtpParams.email of type string"},
		{"POST /otp", `{"a":`, "unexpected end of JSON input"},
		{"POST /recover", `{"email":7}`, "json: cannot unmarshal number into Go struct field RecoverParams.email of type string"},
		{"POST /resend", `{"type":7}`, "json: cannot unmarshal number into Go struct field ResendConfirmationParams.type of type string"},
		{"POST /verify", `{"type":1}`, "json: cannot unmarshal number into Go struct field VerifyParams.type of type string"},
		{"POST /invite", `{"email":7}`, "json: cannot unmarshal number into Go struct field InviteParams.email of type string"},
		{"POST /admin/generate_link", `{"type":7}`, "json: cannot unmarshal number into Go struct field GenerateLinkParams.type of type string"},
		{"POST /admin/users", `{"password":1}`, "json: cannot unmarshal number into Go struct field AdminUserParams.password of type string"},
		{"PUT " + admin, `{"email_confirm":"x"}`, "json: cannot unmarshal string into Go struct field AdminUserParams.email_confirm of type bool"},
		{"DELETE " + admin, `{"should_soft_delete":"x"}`, "json: cannot unmarshal string into Go struct field adminUserDeleteParams.should_soft_delete of type bool"},
	} {
		a.expect(t, request{line: c.line, token: operator(t), body: c.body}, 400,
			older("400", "bad_json", "Could not parse request body as JSON: "+c.want))
	}
}

// TestParserErrorsOfMagicLink: this route words them as a stream's, but for what
// GoTrue would let through.
func TestParserErrorsOfMagicLink(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nobody, settings{})
	for body, want := range map[string]string{
		"":                           "EOF",
		" ":                          "EOF",
		"{":                          "unexpected EOF",
		`{"a":`:                      "unexpected EOF",
		`{"email":7}`:                "json: cannot unmarshal number into Go struct field MagicLinkParams.email of type string",
		"null":                       "null is no object",
		"{} x":                       "invalid character 'x' after top-level value",
		strings.Repeat(" ", 1<<20+1): "http: request body too large",
	} {
		a.expect(t, request{line: "POST /magiclink", body: body}, 400, older("400", "bad_json", "Could not read verification params: "+want))
	}
	a.expect(t, request{line: "POST /otp", body: strings.Repeat(" ", 1<<20+1)}, 400,
		older("400", "bad_json", "Could not read verification params: http: request body too large"))
}

func TestParserErrorsOfPutUser(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{})
	ann := a.signUp(t, "ann@example.com")
	for body, want := range map[string]string{
		`{"data":[1]}`: "json: cannot unmarshal array into Go struct field UserUpdateParams.data of type map[string]interface {}",
		`{"email":5}`:  "json: cannot unmarshal number into Go struct field UserUpdateParams.email of type string",
		`{"nonce":5}`:  "json: cannot unmarshal number into Go struct field UserUpdateParams.nonce of type string",
		`{`:            "unexpected end of JSON input",
	} {
		a.expect(t, request{line: "PUT /user", token: ann.AccessToken, body: body}, 400,
			older("400", "bad_json", "Could not parse request body as JSON: "+want))
	}
}

func TestBodiesAreReadLeniently(t *testing.T) {
	t.Parallel()
	a := newAPI(t, openSQLite(t), settings{})
	for i, c := range []struct {
		body    string
		headers []string
	}{
		{` {"email":"%s","password":"` + password + `"} ` + "\n", nil},
		{`{"EMAIL":"%s","Password":"` + password + `"}`, nil},
		{`{"email":"%s","password":"` + password + `","unknown":{"a":[1,null]}}`, nil},
		{`{"email":"%s","password":"` + password + `","data":null,"phone":null,"gotrue_meta_security":{"captcha_token":1}}`, nil},
		{`{"email":"%s","password":"` + password + `"}`, []string{"Content-Type: text/plain"}},
		{`{"email":"%s","password":"` + password + `"}`, []string{"Content-Type: "}},
		{`{"email":"%s","password":"` + password + `","data":{"a":` + strings.Repeat("[", 62) + strings.Repeat("]", 62) + `}}`, nil},
	} {
		body := fmt.Sprintf(c.body, fmt.Sprintf("user%d@example.com", i))
		a.expect(t, request{line: "POST /signup", body: body, headers: c.headers}, 200)
	}
}

func TestMetadataKeepsItsDigits(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		const numbers = `"big":12345678901234567890,"precise":0.1234567890123456789`
		got := a.expect(t, request{
			line: "POST /signup", body: `{"email":"ann@example.com","password":"` + password + `","data":{` + numbers + `}}`,
		}, 200)
		token := decode[postern.Session](t, got).AccessToken
		for _, q := range []request{
			{line: "GET /user", token: token},
			{line: "PUT /user", token: token, body: `{"data":{"more":98765432109876543210}}`},
			{line: "GET /user", token: token},
		} {
			got := a.expect(t, q, 200)
			for _, want := range []string{"12345678901234567890", "0.1234567890123456789"} {
				if !strings.Contains(got.body, want) {
					t.Errorf("%s: %s lacks %s", q.line, got.body, want)
				}
			}
		}
	})
}

// FuzzBody sends any body to any route that takes one.
func FuzzBody(f *testing.F) {
	a := newAPI(f, openSQLite(f), settings{})
	routes := slices.DeleteFunc(takers(f, a, a.signUp(f, "ann@example.com")), func(r taker) bool {
		return strings.HasPrefix(r.line, "DELETE") // whoever is deleted cannot be asked for the next body
	})
	for i, route := range routes {
		f.Add(uint8(i), []byte(route.good))
		for _, bodies := range []map[string]string{badBodies, badData, badAddresses, badPasswords} {
			for _, body := range bodies {
				f.Add(uint8(i), []byte(body[:min(len(body), 1024)]))
			}
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, body []byte) {
		route := routes[int(i)%len(routes)]
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, request{line: route.line, token: route.token, body: string(body)}.build(t.Context()))
		if c := w.Code / 100; c != 2 && c != 4 {
			t.Errorf("%s %q = %d %s", route.line, body, w.Code, w.Body)
		}
	})
}
