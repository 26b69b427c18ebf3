package httpadapter_test

import (
	"strings"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/webauthntest"
	"github.com/postern-auth/postern/webauthn"
)

func withPasskeys(t *testing.T) func(*postern.Config) {
	t.Helper()
	ceremonies, err := webauthn.New(webauthn.Config{RPID: "example.com", Origins: []string{site}})
	if err != nil {
		t.Fatal(err)
	}
	return func(c *postern.Config) {
		c.WebAuthn, c.Passkeys.Enabled = ceremonies, true
		c.MFA.WebAuthn = postern.WebAuthnFactorConfig{Enroll: true, Verify: true}
	}
}

// TestPasskeys pins contract endpoints.md §6.
func TestPasskeys(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a, device := newAPI(t, st, settings{config: withPasskeys(t)}), webauthntest.New(site)
		token := a.signUp(t, "ann@example.com").AccessToken
		o := decode[postern.PasskeyOptions](t, a.expect(t, request{line: "POST /passkeys/registration/options", token: token, body: `{}`}, 200))
		credential, err := device.Create(o.Options)
		if err != nil {
			t.Fatal(err)
		}
		end := `{"challenge_id":"` + o.ChallengeID.String() + `","credential":` + string(credential) + `}`
		passkey := decode[postern.Passkey](t, a.expect(t, request{line: "POST /passkeys/registration/verify", token: token, body: end}, 200))
		a.expect(t, request{line: "POST /passkeys/registration/verify", token: token, body: end}, 400,
			older("400", "webauthn_challenge_not_found", "Challenge not found or already used"))

		o = decode[postern.PasskeyOptions](t, a.expect(t, request{line: "POST /passkeys/authentication/options", body: `{"gotrue_meta_security":{}}`}, 200))
		if strings.Contains(string(o.Options), "allowCredentials") {
			t.Errorf("got options %s, want none that name credentials", o.Options)
		}
		for body, want := range map[string]string{
			`{"challenge_id":1}`:   older("400", "bad_json", "Could not parse request body as JSON: json: cannot unmarshal number into Go struct field PasskeyVerifyParams.challenge_id of type string"),
			`{}`:                   older("400", "validation_failed", "challenge_id is required"),
			`{"challenge_id":"x"}`: older("400", "validation_failed", "credential is required"),
			`{"challenge_id":"` + someID + `","credential":null}`:    older("400", "validation_failed", "credential is required"),
			`{"challenge_id":"x","credential":{}}`:                   older("400", "validation_failed", "challenge_id must be a valid UUID"),
			`{"challenge_id":"` + someID + `","credential":{}}`:      older("400", "webauthn_challenge_not_found", "Challenge not found or already used"),
			`{"challenge_id":"` + someID + `","credential":"\ud800"`: "",
		} {
			if want == "" {
				a.expect(t, request{line: "POST /passkeys/authentication/verify", body: body}, 400)
				continue
			}
			a.expect(t, request{line: "POST /passkeys/authentication/verify", body: body}, 400, want)
		}
		credential, err = device.Get(o.Options)
		if err != nil {
			t.Fatal(err)
		}
		got := a.expect(t, request{
			line: "POST /passkeys/authentication/verify", body: `{"challenge_id":"` + o.ChallengeID.String() + `","credential":` + string(credential) + `}`,
		}, 200)
		wantHeaders(t, got.header, map[string]string{"Cache-Control": "no-store"})
		o = decode[postern.PasskeyOptions](t, a.expect(t, request{line: "POST /passkeys/authentication/options"}, 200))
		a.expect(t, request{line: "POST /passkeys/authentication/verify", body: `{"challenge_id":"` + o.ChallengeID.String() + `","credential":{"id":1}}`}, 400,
			older("400", "webauthn_verification_failed", "Invalid credential response"))

		one := "/passkeys/" + passkey.ID.String()
		a.expect(t, request{line: "GET /passkeys/", token: token}, 200)
		a.expect(t, request{line: "GET /passkeys"}, 401)
		a.expect(t, request{line: "PATCH " + one, token: token, body: `{}`}, 400, older("400", "validation_failed", "friendly_name is required"))
		renamed := decode[postern.Passkey](t, a.expect(t, request{line: "PATCH " + one + "/", token: token, body: `{"friendly_name":"laptop","id":"` + someID + `"}`}, 200))
		if renamed.ID != passkey.ID || renamed.FriendlyName != "laptop" {
			t.Errorf("got %+v, want nothing but another name", renamed)
		}
		for _, id := range []string{"nope", someID} {
			a.expect(t, request{line: "DELETE /passkeys/" + id, token: token}, 404, older("404", "validation_failed", "Passkey not found"))
		}
		a.expect(t, request{line: "DELETE " + one, token: token}, 204, "")
		a.expect(t, request{line: "GET /passkeys", token: token}, 200, `[]`)
	})
}

func TestPasskeysThatAreOff(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		ann := a.signUp(t, "ann@example.com")
		off := older("404", "passkey_disabled", "Passkeys are disabled")
		for _, line := range []string{
			"GET /passkeys", "POST /passkeys/authentication/options", "POST /passkeys/authentication/verify", "POST /passkeys/registration/options",
			"DELETE /passkeys/" + someID,
		} {
			a.expect(t, request{line: line}, 404, off)
		}
		list := "/admin/users/" + ann.User.ID.String() + "/passkeys"
		a.expect(t, request{line: "GET " + list, token: operator(t)}, 200, `[]`)
		a.expect(t, request{line: "DELETE " + list + "/" + someID, token: operator(t)}, 404, older("404", "validation_failed", "Passkey not found"))
		a.expect(t, request{line: "GET " + list, token: ann.AccessToken}, 403)
	})
}

func TestWebAuthnFactors(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a, device := newAPI(t, st, settings{config: withPasskeys(t)}), webauthntest.New(site)
		token := a.signUp(t, "ann@example.com").AccessToken
		f := decode[postern.EnrolledFactor](t, a.expect(t, request{line: "POST /factors", token: token, body: `{"factor_type":"webauthn","friendly_name":"key"}`}, 200))
		path := "/factors/" + f.ID.String()
		ch := decode[postern.FactorChallenge](t, a.expect(t, request{
			line: "POST " + path + "/challenge", token: token, body: `{"webauthn":{"rpId":"evil.example","rpOrigins":["https://evil.example"]}}`,
		}, 200))
		if ch.WebAuthn == nil || ch.WebAuthn.Type != "create" || !strings.Contains(string(ch.WebAuthn.CredentialOptions.PublicKey), `"id":"example.com"`) {
			t.Fatalf("got %+v, want options for the configured domain", ch)
		}
		credential, err := device.Create(ch.WebAuthn.CredentialOptions.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		verify := func(webauthn string) request {
			return request{line: "POST " + path + "/verify", token: token, body: `{"challenge_id":"` + ch.ID.String() + `"` + webauthn + `}`}
		}
		for webauthn, message := range map[string]string{
			``:                              "WebAuthn config required",
			`,"webauthn":null`:              "WebAuthn config required",
			`,"webauthn":{}`:                "WebAuthn type must be create or request",
			`,"webauthn":{"type":"create"}`: "credential_response required",
			`,"webauthn":{"type":"request","credential_response":{}}`: "WebAuthn type must be create",
			`,"webauthn":{"type":"create","credential_response":{}}`:  "Invalid credential_response",
		} {
			a.expect(t, verify(webauthn), 400, older("400", "validation_failed", message))
		}
		raised := decode[postern.Session](t, a.expect(t, verify(`,"webauthn":{"type":"create","credential_response":`+string(credential)+`}`), 200))
		if len(raised.User.Factors) != 1 || raised.User.Factors[0].FactorType != "webauthn" {
			t.Errorf("got factors %+v, want the key", raised.User.Factors)
		}
	})
}
