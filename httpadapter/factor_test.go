package httpadapter_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/internal/totp"
)

// withApp signs somebody up who has used a new authenticator app.
func (a *api) withApp(t *testing.T, email string) (raised postern.Session, factor uuid.UUID) {
	t.Helper()
	token := a.signUp(t, email).AccessToken
	f := decode[postern.EnrolledFactor](t, a.expect(t, request{line: "POST /factors", token: token, body: `{"factor_type":"totp"}`}, 200))
	ch := decode[postern.FactorChallenge](t, a.expect(t, request{line: "POST /factors/" + f.ID.String() + "/challenge", token: token}, 200))
	code, err := totp.Code(f.TOTP.Secret, totp.Step(*a.now))
	if err != nil {
		t.Fatal(err)
	}
	got := a.expect(t, request{
		line: "POST /factors/" + f.ID.String() + "/verify", token: token, body: `{"challenge_id":"` + ch.ID.String() + `","code":"` + code + `"}`,
	}, 200)
	wantHeaders(t, got.header, map[string]string{"Cache-Control": "no-store", "Sb-Auth-User-Id": ""})
	return decode[postern.Session](t, got), f.ID
}

// TestFactors pins contract endpoints.md §5.
func TestFactors(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		ann := a.signUp(t, "ann@example.com")
		f := decode[postern.EnrolledFactor](t, a.expect(t, request{
			line: "POST /factors/", token: ann.AccessToken, body: `{"factor_type":"totp","friendly_name":"app","status":"verified","id":"` + someID + `"}`,
		}, 200))
		if f.ID.String() == someID || f.TOTP == nil || f.Type != "totp" || f.FriendlyName != "app" {
			t.Errorf("got %+v, want an app with an id of its own", f)
		}
		factor := "/factors/" + f.ID.String()
		for _, c := range []struct {
			line, body string
			status     int
			want       string
		}{
			{"POST /factors", `{}`, 400, older("400", "validation_failed", "factor_type needs to be totp, phone, or webauthn")},
			{"POST /factors", `{"factor_type":"phone"}`, 422, older("422", "mfa_phone_enroll_not_enabled", "MFA enroll is disabled for Phone")},
			{"POST /factors", `{"factor_type":"webauthn"}`, 422, older("422", "mfa_webauthn_enroll_not_enabled", "MFA enroll is disabled for WebAuthn")},
			{"POST /factors", `{"factor_type":"totp","friendly_name":"app"}`, 422, older("422", "mfa_factor_name_conflict", `A factor with the friendly name \"app\" for this user already exists`)},
			{"POST /factors/nope/challenge", ``, 404, older("404", "validation_failed", "factor_id must be an UUID")},
			{"POST /factors/" + someID + "/challenge", ``, 404, older("404", "mfa_factor_not_found", "Factor not found")},
			{"POST " + factor + "/verify", `{}`, 400, older("400", "validation_failed", "Code needs to be non-empty")},
			{"POST " + factor + "/verify", `{"code":"123456"}`, 422, older("422", "mfa_factor_not_found", "MFA factor with the provided challenge ID not found")},
			{"POST " + factor + "/verify", `{"code":"1","challenge_id":"x"}`, 400, older("400", "bad_json", `Could not parse request body as JSON: uuid: incorrect UUID length 1 in string \"x\"`)},
			{"DELETE /factors/" + someID, ``, 404, older("404", "mfa_factor_not_found", "Factor not found")},
		} {
			a.expect(t, request{line: c.line, token: ann.AccessToken, body: c.body}, c.status, c.want)
		}
		a.expect(t, request{line: "DELETE " + factor, token: ann.AccessToken}, 200, `{"id":"`+f.ID.String()+`"}`)
	})
}

func TestAdminFactors(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		session, factor := a.withApp(t, "ann@example.com")
		admin, list := operator(t), "/admin/users/"+session.User.ID.String()+"/factors"
		one := list + "/" + factor.String()
		if got := decode[[]postern.Factor](t, a.expect(t, request{line: "GET " + list, token: admin}, 200)); len(got) != 1 || got[0].ID != factor {
			t.Errorf("got %+v, want the app", got)
		}
		a.expect(t, request{line: "GET " + list, token: session.AccessToken}, 403)
		got := decode[postern.Factor](t, a.expect(t, request{line: "PUT " + one, token: admin, body: `{"friendly_name":"new","status":"unverified","phone":"1555"}`}, 200))
		if got.FriendlyName != "new" || got.Status != "verified" || got.Phone != "" {
			t.Errorf("got %+v, want nothing but another name", got)
		}
		a.expect(t, request{line: "DELETE " + list + "/" + someID, token: admin}, 404, older("404", "mfa_factor_not_found", "Factor not found"))
		a.expect(t, request{line: "DELETE " + one, token: admin}, 200)
		a.expect(t, request{line: "GET " + list, token: admin}, 200, `[]`)
	})
}

func TestMiddlewareAsksForProofs(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		low := a.signUp(t, "low@example.com")
		raised, _ := a.withApp(t, "ann@example.com")
		done := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		a.handler = httpadapter.RequireAAL2(a.auth)(done)
		a.expect(t, request{line: "GET /"}, 401)
		a.expect(t, request{line: "GET /", token: low.AccessToken}, 403, older("403", "insufficient_aal", "AAL2 required: verify a second factor first"))
		a.expect(t, request{line: "GET /", token: raised.AccessToken}, 204)
		a.handler = httpadapter.RequireRecentSignIn(a.auth, time.Minute)(done)
		a.wait()
		a.expect(t, request{line: "GET /", token: low.AccessToken}, 204)
		a.wait()
		a.expect(t, request{line: "GET /", token: low.AccessToken}, 403, older("403", "reauthentication_needed", "Sign in again to do this"))
	})
}

func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		const path = "/factors/recovery-codes"
		low := a.signUp(t, "low@example.com")
		a.expect(t, request{line: "POST " + path}, 401)
		a.expect(t, request{line: "POST " + path, token: low.AccessToken}, 403, older("403", "insufficient_aal", "AAL2 session is required to manage recovery codes"))
		a.expect(t, request{line: "GET " + path, token: low.AccessToken}, 404, older("404", "mfa_factor_not_found", "Factor not found"))
		a.expect(t, request{line: "PUT " + path, token: low.AccessToken}, 405)

		session, _ := a.withApp(t, "ann@example.com")
		got := a.expect(t, request{line: "POST " + path, token: session.AccessToken, body: `{"friendly_name":"on paper","codes":["x"]}`}, 200)
		wantHeaders(t, got.header, map[string]string{"Cache-Control": "no-store"})
		codes := decode[postern.RecoveryCodes](t, got)
		if codes.FriendlyName != "on paper" || len(codes.Codes) != 10 {
			t.Errorf("got %s, want ten codes on paper", got.body)
		}
		a.expect(t, request{line: "POST " + path, token: session.AccessToken}, 422)
		a.expect(t, request{line: "GET " + path, token: session.AccessToken}, 200, `{"id":"`+codes.ID.String()+`","type":"recovery_code","total":10,"remaining":10}`)
		for body, status := range map[string]int{`{`: 400, `{}`: 422, `{"code":1}`: 400, `{"code":"` + codes.Codes[0] + `x"}`: 422} {
			a.expect(t, request{line: "POST " + path + "/verify", token: session.AccessToken, body: body}, status)
		}
		raised := a.expect(t, request{line: "POST " + path + "/verify", token: session.AccessToken, body: `{"code":"` + codes.Codes[0] + `"}`}, 200)
		wantHeaders(t, raised.header, map[string]string{"Cache-Control": "no-store"})
		token := decode[postern.Session](t, raised).AccessToken
		a.expect(t, request{line: "POST " + path + "/regenerate", token: token}, 200)
		a.expect(t, request{line: "DELETE " + path, token: token}, 200, `{"id":"`+codes.ID.String()+`"}`)
	})
}
