package httpadapter_test

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
)

// taker is a route that takes a body, and a body that it would accept.
type taker struct {
	line  string
	token string
	good  string
}

// takers lists the routes that take a body, for a signed-in user.
func takers(t testing.TB, user postern.Session) []taker {
	path := "/admin/users/" + user.User.ID.String()
	admin := operator(t)
	return []taker{
		{"POST /signup", "", `{"email":"new@example.com","password":"` + password + `","data":{"a":1}}`},
		{"POST /token?grant_type=password", "", credentials(user.User.Email)},
		{"POST /token?grant_type=refresh_token", "", `{"refresh_token":"` + user.RefreshToken + `"}`},
		{"PUT /user", user.AccessToken, `{"data":{"a":1}}`},
		{"POST /admin/users", admin, `{"email":"newer@example.com","user_metadata":{"a":1}}`},
		{"PUT " + path, admin, `{"user_metadata":{"a":1}}`},
		{"DELETE " + path, admin, `{"should_soft_delete":true}`},
	}
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
		"user_metadata":1,"email_confirm":"x","should_soft_delete":"x"}`,
	"a number out of range": `{"data":{"a":1e999999},"user_metadata":{"a":1e999999},"email":0,"refresh_token":0,"should_soft_delete":0}`,
}

// badFields are wrong in a field that the routes have.
var badFields = map[string]string{
	"a number that no column holds": `{"email":"x@example.com","password":"` + password + `","data":{"a":-1E+400000},"user_metadata":{"a":-1E+400000}}`,
	"too many decimals":             `{"email":"x@example.com","password":"` + password + `","data":{"a":1e-99999},"user_metadata":{"a":1e-99999}}`,
	"large metadata": `{"email":"x@example.com","password":"` + password + `","data":{"a":"` + strings.Repeat("x", 65<<10) +
		`"},"user_metadata":{"a":"` + strings.Repeat("x", 65<<10) + `"}}`,
	"a long password":      `{"email":"x@example.com","password":"` + strings.Repeat("x", 73) + `"}`,
	"a very long password": `{"email":"x@example.com","password":"` + strings.Repeat("x", 1<<19) + `"}`,
	"a long address":       `{"email":"` + strings.Repeat("x", 300) + `@example.com","password":"` + password + `"}`,
	"two addresses":        `{"email":"x@example.com, y@example.com","password":"` + password + `"}`,
	"a line break":         `{"email":"x@example.com\r\nBcc: y@example.com","password":"` + password + `"}`,
	"a phone of letters":   `{"phone":"abc","password":"` + password + `"}`,
	"an endless phone":     `{"phone":"` + strings.Repeat("1", 1000) + `","password":"` + password + `"}`,
	"an id of another kind": `{"email":"x@example.com","id":"x","phone":"1","refresh_token":"x","password":"` + password +
		`","app_metadata":{}, "ban_duration":"forever"}`,
}

func TestBadBodiesAreRefusedAndNothingIsStored(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		ann := a.signUp(t, "ann@example.com")
		before := a.everything(t)
		for _, route := range takers(t, ann) {
			for name, body := range badBodies {
				a.refuses(t, name, request{line: route.line, token: route.token, body: body}, 400)
			}
			a.refuses(t, "too large", request{
				line: route.line, token: route.token, body: strings.TrimSuffix(route.good, "}") + strings.Repeat(" ", 1<<20) + "}",
			}, 413)
			a.refuses(t, "too large a form", request{
				line: route.line, token: route.token, body: strings.Repeat("a=b&", 1<<18) + "a=b", headers: form,
			}, 413)
			if strings.HasPrefix(route.line, "DELETE") {
				continue
			}
			a.refuses(t, "no body", request{line: route.line, token: route.token}, 400)
			a.refuses(t, "a form", request{line: route.line, token: route.token, body: route.good, headers: form}, 400)
			for name, body := range badFields {
				a.refuses(t, name, request{line: route.line, token: route.token, body: body}, 0)
			}
		}
		if after := a.everything(t); after != before {
			t.Errorf("stored before:\n%s\nafter:\n%s", before, after)
		}
		for _, route := range takers(t, ann) {
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
		{"POST /admin/users", `{"password":1}`, "json: cannot unmarshal number into Go struct field AdminUserParams.password of type string"},
		{"PUT " + admin, `{"email_confirm":"x"}`, "json: cannot unmarshal string into Go struct field AdminUserParams.email_confirm of type bool"},
		{"DELETE " + admin, `{"should_soft_delete":"x"}`, "json: cannot unmarshal string into Go struct field adminUserDeleteParams.should_soft_delete of type bool"},
	} {
		a.expect(t, request{line: c.line, token: operator(t), body: c.body}, 400,
			older("400", "bad_json", "Could not parse request body as JSON: "+c.want))
	}
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
	routes := slices.DeleteFunc(takers(f, a.signUp(f, "ann@example.com")), func(r taker) bool {
		return strings.HasPrefix(r.line, "DELETE") // whoever is deleted cannot be asked for the next body
	})
	for i, route := range routes {
		f.Add(uint8(i), []byte(route.good))
		for _, bodies := range []map[string]string{badBodies, badFields} {
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
