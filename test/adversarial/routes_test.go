package adversarial_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/webauthntest"
	"github.com/postern-auth/postern/provider"
	"github.com/postern-auth/postern/webauthn"
)

// route is a line of the table of routes, whose parameters are placeholders: they
// stand for what <email> has.
type route struct{ method, path string }

// routes reads the table of routes where it is written, so that no route is left out.
func routes(t testing.TB) (all []route) {
	t.Helper()
	source, err := os.ReadFile("../../httpadapter/httpadapter.go")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`\{"(GET|HEAD|POST|PUT|PATCH|DELETE)", "(/[^"]*)", `)
	for _, match := range line.FindAllSubmatch(source, -1) {
		path := strings.TrimSuffix(string(match[2]), "/")
		all = append(all, route{string(match[1]), strings.NewReplacer("{", "<", "}", ">", "_", ".").Replace(path)})
	}
	if len(all) < 50 {
		t.Fatalf("got %d routes, want the many of httpadapter", len(all))
	}
	return all
}

func (r route) operators() bool { return strings.HasPrefix(r.path, "/admin") || r.path == "/invite" }

// as is the token of somebody who may ask for the route.
func (r route) as() string {
	if r.operators() {
		return "<operator>"
	}
	return "<access>"
}

// everyFeature turns on what routes need.
func everyFeature(c *postern.Config) {
	c.AnonymousUsers, c.OAuth.ManualLinking, c.Passkeys.Enabled = true, true, true
	c.MFA.WebAuthn = postern.WebAuthnFactorConfig{Enroll: true, Verify: true}
	c.MFA.Phone = postern.PhoneFactorConfig{Enroll: true, Verify: true, MaxFrequency: -1}
	c.CustomProviders.Maker = provider.NewMaker(provider.MakerConfig{})
	var err error
	if c.WebAuthn, err = webauthn.New(webauthn.Config{RPID: "app.example.com", Origins: []string{site}}); err != nil {
		panic(err)
	}
}

// things gives <email> what the parameters of routes stand for.
func (w *world) things(t testing.TB, names map[string]string) {
	t.Helper()
	names["user.id"] = names["id"]
	names["identifier"] = "custom:nothing"
	factor := w.play(t, 0, step{do: "POST /factors", as: "<access>", body: `{"factor_type":"totp","friendly_name":"app"}`, want: "200"}, names)
	names["factor.id"] = factor.text("id")
	user := w.play(t, 0, step{do: "GET /user", as: "<access>", want: "200"}, names)
	identities, _ := user.member("identities").([]any)
	identity, _ := identities[0].(map[string]any)
	names["identity.id"], _ = identity["identity_id"].(string)

	caller, err := w.Authenticate(t.Context(), names["access"])
	if err != nil {
		t.Fatal(err)
	}
	options, err := w.BeginPasskeyRegistration(t.Context(), caller)
	if err != nil {
		t.Fatal(err)
	}
	credential, err := webauthntest.New(site).Create(options.Options)
	if err != nil {
		t.Fatal(err)
	}
	key, err := w.RegisterPasskey(t.Context(), caller, postern.PasskeyResponse{ChallengeID: options.ChallengeID, Credential: credential})
	if err != nil {
		t.Fatal(err)
	}
	names["passkey.id"] = key.ID.String()
}

// Guarantee B10, C15: no route of operators' serves anybody else, whatever the token.
func TestOperatorsRoutesAreForOperators(t *testing.T) {
	each(t, everyFeature, func(t *testing.T, w *world) {
		names := w.people(t)
		w.things(t, names)
		own := mintedFor(t, names)
		tokens := []struct{ name, token, want string }{
			{"nobody", "", "401 no_authorization"},
			{"a user", "<access>", "403 not_admin"},
			{"the anon key", mint(t, jwt.MapClaims{"role": "anon"}), "403 not_admin"},
			{"a key without a role", mint(t, jwt.MapClaims{}), "403 not_admin"},
			{"a key whose role is written otherwise", mint(t, jwt.MapClaims{"role": "Service_Role"}), "403 not_admin"},
			{"a key with a list of roles", mint(t, jwt.MapClaims{"role": []string{"service_role"}}), "403 bad_jwt"},
			{"an operator's key that has expired", mint(t, jwt.MapClaims{"role": "service_role", "exp": 1_000_000_000}), "403 bad_jwt"},
			{"an operator's key of tomorrow", mint(t, jwt.MapClaims{"role": "service_role", "nbf": 9_000_000_000}), "403 bad_jwt"},
			{"an operator's session that is gone", own(nobody), "403 session_not_found"},
			{"an operator's key that nobody signed", mint(t, jwt.MapClaims{"role": "service_role"}) + "x", "403 bad_jwt"},
			{"a refresh token", "<refresh>", "403 bad_jwt"},
		}
		before := w.everything(t)
		n := 0
		for _, r := range routes(t) {
			if !r.operators() {
				continue
			}
			n++
			t.Run(r.method+" "+r.path, func(t *testing.T) {
				for i, c := range tokens {
					s := step{do: r.method + " " + r.path, as: c.token, body: `{"email":"<new>"}`, want: c.want}
					if r.method == "GET" {
						s.body = ""
					}
					if got := w.play(t, i, s, names); t.Failed() {
						t.Fatalf("as %s: got %d %s", c.name, got.status, got.body)
					}
				}
			})
		}
		if n < 20 {
			t.Errorf("got %d routes of operators', want all", n)
		}
		if after := w.everything(t); after != before {
			t.Errorf("changed: %s", changed(before, after))
		}
	})
}

// mintedFor returns what mints an operator's key that belongs to a session of a user.
func mintedFor(t testing.TB, names map[string]string) func(session string) string {
	return func(session string) string {
		return mint(t, jwt.MapClaims{
			"role": "service_role", "sub": names["id"], "aud": "authenticated", "iss": external, "session_id": session, "exp": 9_000_000_000,
		})
	}
}

// What is for those who are signed in is for nobody else.
func TestUsersRoutesAreForUsers(t *testing.T) {
	each(t, everyFeature, func(t *testing.T, w *world) {
		names := w.people(t)
		w.things(t, names)
		before := w.everything(t)
		for _, r := range routes(t) {
			signedIn := strings.HasPrefix(r.path, "/user") || strings.HasPrefix(r.path, "/factors") || r.path == "/logout" || r.path == "/reauthenticate" ||
				strings.HasPrefix(r.path, "/passkeys") && !strings.Contains(r.path, "authentication")
			if !signedIn {
				continue
			}
			t.Run(r.method+" "+r.path, func(t *testing.T) {
				w.play(t, 0, step{do: r.method + " " + r.path, want: "401 no_authorization"}, names)
				w.play(t, 1, step{do: r.method + " " + r.path, as: "<operator>", want: "403 bad_jwt"}, names)
				w.play(t, 2, step{do: r.method + " " + r.path + "?access_token=<access>&apikey=<access>", want: "401 no_authorization"}, names)
				w.play(t, 3, step{do: r.method + " " + r.path, headers: []string{"Cookie: access_token=<access>; sb-access-token=<access>"}, want: "401 no_authorization"}, names)
			})
		}
		if after := w.everything(t); after != before {
			t.Errorf("changed: %s", changed(before, after))
		}
	})
}

// Nobody reaches what is another's by naming it in the path.
func TestUsersDoNotReachOneAnother(t *testing.T) {
	each(t, everyFeature, func(t *testing.T, w *world) {
		names := w.people(t)
		w.things(t, names)
		before := w.everything(t)
		for _, r := range routes(t) {
			if r.operators() || !strings.Contains(r.path, "<") {
				continue
			}
			t.Run(r.method+" "+r.path, func(t *testing.T) {
				w.play(t, 0, step{do: r.method + " " + r.path, as: "<other.access>", body: `{"code":"123456","challenge_id":"<nobody>","friendly_name":"mine"}`}, names).refused(t)
			})
		}
		if after := w.everything(t); after != before {
			t.Errorf("changed: %s", changed(before, after))
		}
	})
}
