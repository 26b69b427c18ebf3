package provider_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
)

// profileOf signs in with a service that answers the first request for a profile
// with something else.
func profileOf(t *testing.T, s serviceCase, answer string) (*postern.Profile, error) {
	t.Helper()
	in := serve(t, s.answers())
	in.answer(s.profile[0].url, respond(http.StatusOK, answer))
	got, err := signIn(t.Context(), s.construct(in.everywhere()))
	return got.profile, err
}

func mustProfile(t *testing.T, s serviceCase, answer string) *postern.Profile {
	t.Helper()
	p, err := profileOf(t, s, answer)
	if err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
	return p
}

func TestDiscordPictures(t *testing.T) {
	t.Parallel()
	s := caseOf(t, "discord")
	for answer, want := range map[string]string{
		`{"id":"1","username":"ada","discriminator":"0","avatar":"a_ff"}`:       "https://cdn.discordapp.com/avatars/1/a_ff.gif",
		`{"id":"1","username":"ada","discriminator":"0","avatar":"ff"}`:         "https://cdn.discordapp.com/avatars/1/ff.png",
		`{"id":"1","username":"ada","discriminator":"0","avatar":null}`:         "https://cdn.discordapp.com/embed/avatars/0.png",
		`{"id":"1","username":"ada","discriminator":"1338"}`:                    "https://cdn.discordapp.com/embed/avatars/3.png",
		`{"id":"1","username":"ada","discriminator":"nobody"}`:                  "https://cdn.discordapp.com/embed/avatars/0.png",
		`{"id":"1","username":"ada","discriminator":"-9223372036854775808"}`:    "https://cdn.discordapp.com/embed/avatars/0.png",
		`{"id":"1","username":"ada","discriminator":"99999999999999999999999"}`: "https://cdn.discordapp.com/embed/avatars/0.png",
	} {
		claims := mustProfile(t, s, answer).Claims
		if claims.Picture != want || claims.AvatarURL != want {
			t.Errorf("%s: got %s and %s, want %s", answer, claims.Picture, claims.AvatarURL, want)
		}
	}
	if got := mustProfile(t, s, `{"id":"1","username":"ada","discriminator":"0"}`).Claims.Name; got != "ada#0" {
		t.Errorf("got the name %s, want ada#0", got)
	}
}

func TestKakaoWithoutAnAccount(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`{"id":1}`, `{"id":1,"kakao_account":null}`, `{"id":1,"kakao_account":{"profile":null}}`} {
		if p := mustProfile(t, caseOf(t, "kakao"), answer); p.Claims.Subject != "1" || len(p.Emails) != 0 {
			t.Errorf("%s: got the subject %q and %v, want 1 and no address", answer, p.Claims.Subject, p.Emails)
		}
	}
}

func TestKakaoNeedsBothSigns(t *testing.T) {
	t.Parallel()
	for signs, want := range map[string]bool{
		`"is_email_valid":true,"is_email_verified":true`:  true,
		`"is_email_valid":true,"is_email_verified":false`: false,
		`"is_email_valid":false,"is_email_verified":true`: false,
		`"is_email_valid":true`:                           false,
		`"is_email_verified":true`:                        false,
	} {
		p := mustProfile(t, caseOf(t, "kakao"), `{"id":1,"kakao_account":{"email":"ada@example.com",`+signs+`}}`)
		if p.Emails[0].Verified != want {
			t.Errorf("%s: got verified %t, want %t", signs, p.Emails[0].Verified, want)
		}
	}
}

// What is no boolean is not taken for one (guarantees: B8).
func TestVerifiedIsABoolean(t *testing.T) {
	t.Parallel()
	for name, sign := range map[string]string{
		"discord": `"verified":true`, "github": `"verified":true`, "bitbucket": `"is_confirmed":true`,
		"kakao": `"is_email_verified":true`, "slack_oidc": `"email_verified":true`,
	} {
		member, _, _ := strings.Cut(sign, ":")
		for _, value := range []string{`"true"`, `"false"`, "1", `"1"`, "[true]"} {
			s := caseOf(t, name)
			in := serve(t, replace(s.answers(), strings.NewReplacer(sign, member+":"+value)))
			got, err := signIn(t.Context(), s.construct(in.everywhere()))
			if err != nil {
				continue
			}
			for _, e := range got.profile.Emails {
				if e.Verified {
					t.Errorf("%s takes %s for verified", name, value)
				}
			}
		}
	}
}

func TestLinkedInWithLittleToTell(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		`{"id":"l1"}`,
		`{"id":"l1","firstName":null,"profilePicture":null}`,
		`{"id":"l1","firstName":{"localized":{"en_US":"Ada"}},"profilePicture":{"displayImage~":{"elements":[]}}}`,
		`{"id":"l1","profilePicture":{"displayImage~":{"elements":[{"identifiers":[]}]}}}`,
	} {
		claims := mustProfile(t, caseOf(t, "linkedin"), answer).Claims
		if claims.Subject != "l1" || claims.Name != "" || claims.Picture != "" {
			t.Errorf("%s: got %+v, want the subject l1 alone", answer, claims)
		}
	}
}

func TestNotionOfAWorkspaceIsNobody(t *testing.T) {
	t.Parallel()
	answer := `{"object":"user","id":"bot-1","type":"bot","bot":{"owner":{"type":"workspace","workspace":true},"workspace_name":"Acme"}}`
	if p, err := profileOf(t, caseOf(t, "notion"), answer); err == nil {
		t.Errorf("got %+v, want an error", p)
	}
}

func TestSpotifyPictures(t *testing.T) {
	t.Parallel()
	for images, want := range map[string]string{
		`null`:                      "",
		`[]`:                        "",
		`[{"url":"a"}]`:             "a",
		`[{"url":"a"},{"url":"b"}]`: "a",
		`[{"url":"a","height":null,"width":null},{"url":"b","height":1,"width":1}]`: "b",
		`[{"url":"a","height":9,"width":1},{"url":"b","height":4,"width":4}]`:       "b",
	} {
		if got := mustProfile(t, caseOf(t, "spotify"), `{"id":"1","images":`+images+`}`).Claims.Picture; got != want {
			t.Errorf("%s: got %q, want %q", images, got, want)
		}
	}
}

func TestWorkOSWithoutAProfile(t *testing.T) {
	t.Parallel()
	for _, issued := range []string{
		`{"access_token":"access-token"}`,
		`{"access_token":"access-token","profile":null}`,
		`{"access_token":"access-token","profile":"prof_1"}`,
		`{"access_token":"access-token","profile":[]}`,
		`{"access_token":"access-token","profile":{"id":1}}`,
		`{"access_token":"access-token","profile":{"email":"ada@example.com"}}`,
	} {
		s := caseOf(t, "workos")
		s.issued = issued
		_, err := signIn(t.Context(), s.construct(serve(t, s.answers()).here()))
		wantError(t, err)
	}
}

func TestWorkOSIsToldWhereToSignIn(t *testing.T) {
	t.Parallel()
	p := caseOf(t, "workos").construct(application())
	asked := url.Values{"workos_provider": {"GoogleOAuth"}, "connection": {"conn_1"}}
	u, _ := authorize(t, p, postern.ProviderStart{State: state, CallbackURL: callbackURL, Params: asked})
	for name, want := range map[string]string{"provider": "GoogleOAuth", "connection": "conn_1", "workos_provider": ""} {
		if got := u.Query().Get(name); got != want {
			t.Errorf("got %s = %q, want %q", name, got, want)
		}
	}
	if asked.Get("workos_provider") == "" {
		t.Error("the request's own parameters were changed")
	}
}

func TestXNeedsItsVerifier(t *testing.T) {
	t.Parallel()
	s := caseOf(t, "x")
	in := serve(t, s.answers())
	if _, err := s.construct(in.here()).Exchange(t.Context(), postern.ProviderReturn{Code: code}); err == nil {
		t.Error("exchanged a code without a verifier")
	}
	wantEqual(t, "the requests", len(in.requests()), 0)
}

// Those who sign in at Zoom itself are verified when Zoom says so; of the others
// somebody else does.
func TestZoomVerifies(t *testing.T) {
	t.Parallel()
	for signs, want := range map[string]bool{
		`"login_type":"100","verified":1`: true,
		`"login_type":"100","verified":0`: false,
		`"login_type":100,"verified":0`:   false,
		`"login_type":"100"`:              false,
		`"login_type":"1","verified":0`:   true,
		`"login_type":101`:                true,
		`"verified":1`:                    true,
		`"verified":"1"`:                  true,
		`"verified":0`:                    false,
		`"login_types":[100]`:             false,
	} {
		p := mustProfile(t, caseOf(t, "zoom"), `{"id":"z1","email":"ada@example.com",`+signs+`}`)
		if p.Emails[0].Verified != want {
			t.Errorf("%s: got verified %t, want %t", signs, p.Emails[0].Verified, want)
		}
	}
}

// Names of which one half is missing have no space in its place.
func TestHalfANameIsAName(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"id":"1","first_name":"Ada"}`:  "Ada",
		`{"id":"1","last_name":"Byron"}`: "Byron",
		`{"id":"1"}`:                     "",
	} {
		for _, name := range []string{"facebook", "zoom"} {
			if got := mustProfile(t, caseOf(t, name), answer).Claims.FullName; got != want {
				t.Errorf("%s of %s: got %q, want %q", name, answer, got, want)
			}
		}
	}
}

// FuzzProfiles reads what is no profile, and what nearly is one, as that of every
// service.
func FuzzProfiles(f *testing.F) {
	for _, s := range services() {
		for _, p := range s.profile {
			f.Add([]byte(p.json))
		}
	}
	for _, seed := range []string{
		"", "null", "[]", "{}", "1e400", `"\ud800"`, `{"id":-1}`, `{"id":1.5}`, `{"data":[null]}`, `{"data":[[]]}`, `{"elements":[null]}`,
		`{"id":"` + strings.Repeat("x", 1<<10) + `"}`, strings.Repeat("[", 1<<12), `{"id":"1","id":2,"ID":[]}`,
	} {
		f.Add([]byte(seed))
	}
	all := services()
	f.Fuzz(func(t *testing.T, answer []byte) {
		for _, s := range all {
			c := application()
			c.HTTPClient = &http.Client{Transport: always{s, answer}}
			got, err := signIn(t.Context(), s.construct(c))
			if err == nil && got.profile.Claims.Subject == "" {
				t.Errorf("%s: %q is somebody without a subject", s.name, answer)
			}
			if err != nil || got.profile == nil {
				continue
			}
			for _, e := range got.profile.Emails {
				if e.Email == "" {
					t.Errorf("%s: %q has an address that is none", s.name, answer)
				}
			}
			if _, err := json.Marshal(got.profile.Claims); err != nil {
				t.Errorf("%s: the claims of %q cannot be written: %v", s.name, answer, err)
			}
		}
	})
}

// always answers every request for a profile alike.
type always struct {
	service serviceCase
	answer  []byte
}

func (a always) RoundTrip(r *http.Request) (*http.Response, error) {
	body, isToken := []byte(a.service.answers()[r.URL.String()]), false
	for _, at := range a.service.tokenEndpoints() {
		isToken = isToken || r.URL.String() == at
	}
	switch {
	case !isToken:
		body = a.answer
	case a.service.name == "workos":
		body = append(append([]byte(`{"access_token":"access-token","profile":`), a.answer...), '}')
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(body)),
	}, nil
}
