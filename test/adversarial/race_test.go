package adversarial_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/authtest"
	"github.com/postern-auth/postern/internal/totp"
)

// once is something that can be used once: prepare makes it, and the requests use
// it, in several ways at the same moment.
type once struct {
	name    string
	prepare func(t *testing.T, w *world, names map[string]string)
	uses    []step
}

const verifier = "a-verifier-of-forty-three-letters-or-more-0123456789"

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// mailed waits for the mail that a request sends, and remembers what is in it.
func mailed(do, as, body, to string) func(t *testing.T, w *world, names map[string]string) {
	return func(t *testing.T, w *world, names map[string]string) {
		w.play(t, 0, step{do: do, as: as, body: body, want: "200"}, names)
		email := fill(to, names)
		names["code"] = w.LastCode(t, email)
		if m, ok := w.Outbox.Last(email); ok {
			names["hash"] = m.TokenHash
		}
	}
}

var onces = []once{
	{"code of a sign-up", mailed("POST /signup", "", `{"email":"<new>","password":"<password>"}`, "<new>"), []step{
		{do: "POST /verify", body: `{"type":"signup","email":"<new>","token":"<code>"}`},
		{do: "POST /verify", body: `{"type":"email","email":"<new>","token":"<code>"}`},
		{do: "POST /verify", body: `{"type":"signup","token_hash":"<hash>"}`},
		{do: "GET /verify?type=signup&token=<hash>"},
	}},
	{"code of a sign-in", mailed("POST /otp", "", `{"email":"<email>"}`, "<email>"), []step{
		{do: "POST /verify", body: `{"type":"email","email":"<email>","token":"<code>"}`},
		{do: "POST /verify", body: `{"type":"magiclink","email":"<email>","token":"<code>"}`},
		{do: "GET /verify?type=magiclink&token=<hash>"},
	}},
	{"code of a recovery", mailed("POST /recover", "", `{"email":"<email>"}`, "<email>"), []step{
		{do: "POST /verify", body: `{"type":"recovery","email":"<email>","token":"<code>"}`},
		{do: "POST /verify", body: `{"type":"recovery","token_hash":"<hash>"}`},
		{do: "GET /verify?type=recovery&token=<hash>"},
	}},
	{"invitation", mailed("POST /invite", "<operator>", `{"email":"<new>"}`, "<new>"), []step{
		{do: "POST /verify", body: `{"type":"invite","token_hash":"<hash>"}`},
		{do: "GET /verify?type=invite&token=<hash>"},
	}},
	{"code by text message", func(t *testing.T, w *world, names map[string]string) {
		phone := fmt.Sprintf("1555%07d", population.Add(1))
		names["phone"] = phone
		w.play(t, 0, step{do: "POST /otp", body: `{"phone":"<phone>"}`, want: "200"}, names)
		names["code"] = w.LastCode(t, phone)
	}, []step{{do: "POST /verify", body: `{"type":"sms","phone":"<phone>","token":"<code>"}`}}},
	{"auth code", func(t *testing.T, w *world, names map[string]string) {
		names["challenge"] = challengeOf(verifier)
		mailed("POST /otp", "", `{"email":"<email>","code_challenge":"<challenge>","code_challenge_method":"s256"}`, "<email>")(t, w, names)
		got := w.play(t, 1, step{do: "GET /verify?type=magiclink&token=<hash>", want: "303"}, names)
		to, _ := url.Parse(got.header.Get("Location"))
		names["authcode"] = to.Query().Get("code")
	}, []step{{do: "POST /token?grant_type=pkce", body: `{"auth_code":"<authcode>","code_verifier":"` + verifier + `"}`}}},
	{"state of a provider", func(t *testing.T, w *world, names map[string]string) {
		got := w.play(t, 0, step{do: "GET /authorize?provider=github", want: "302"}, names)
		names["back"] = github.Approve(got.header.Get("Location"), authtest.Person(names["new"])).Encode()
	}, []step{{do: "GET /callback?<back>"}, {do: "POST /callback?<back>"}}},
	{"challenge of a second factor", func(t *testing.T, w *world, names map[string]string) {
		got := w.play(t, 0, step{do: "POST /factors", as: "<access>", body: `{"factor_type":"totp"}`, want: "200", keep: "factor=id"}, names)
		w.play(t, 1, step{do: "POST /factors/<factor>/challenge", as: "<access>", want: "200", keep: "asked=id"}, names)
		code, err := totp.Code(got.text("totp", "secret"), totp.Step(time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		names["code"] = code
	}, []step{{do: "POST /factors/<factor>/verify", as: "<access>", body: `{"challenge_id":"<asked>","code":"<code>"}`}}},
}

var github = authtest.NewProvider("github")

// Guarantee A1, over HTTP: of 20 uses at once, in whatever ways, one succeeds, and
// none later.
func TestWhatIsGoodOnceIsUsedOnce(t *testing.T) {
	each(t, func(c *postern.Config) {
		c.Email.Autoconfirm = false
		c.Providers = []postern.Provider{github.Provider()}
	}, func(t *testing.T, w *world) {
		for _, o := range onces {
			t.Run(o.name, func(t *testing.T) {
				names := w.people(t)
				o.prepare(t, w, names)
				answers := make([]answer, 20)
				begin := make(chan struct{})
				var all sync.WaitGroup
				for i := range answers {
					s := o.uses[i%len(o.uses)]
					all.Go(func() {
						<-begin
						answers[i] = w.play(t, i, s, names)
					})
				}
				close(begin)
				all.Wait()
				granted := 0
				for _, a := range answers {
					if a.grants() {
						granted++
					}
				}
				if granted != 1 {
					t.Errorf("%d of %d uses at once succeeded, want 1", granted, len(answers))
				}
				for i, s := range o.uses {
					if got := w.play(t, i, s, names); got.grants() {
						t.Errorf("%s succeeds afterwards: %d %s", s.do, got.status, got.shown())
					}
				}
			})
		}
	})
}

// grants reports whether an answer signs somebody in.
func (a answer) grants() bool { return strings.Contains(a.shown(), "access_token") }

// Guarantee A3, A5: what is good for one thing is good for nothing else, and guesses
// end it.
func TestCodesAreGoodForOneThing(t *testing.T) {
	each(t, func(c *postern.Config) { c.Email.Autoconfirm = false }, func(t *testing.T, w *world) {
		for name, c := range map[string]struct {
			prepare func(t *testing.T, w *world, names map[string]string)
			others  []step
			own     step
		}{
			"recovery": {mailed("POST /recover", "", `{"email":"<email>"}`, "<email>"), []step{
				{do: "POST /verify", body: `{"type":"recovery","email":"<other.email>","token":"<code>"}`},
				{do: "POST /verify", body: `{"type":"signup","token_hash":"<hash>"}`},
				{do: "POST /verify", body: `{"type":"invite","token_hash":"<hash>"}`},
				{do: "POST /verify", body: `{"type":"email_change","token_hash":"<hash>"}`},
				{do: "POST /verify", body: `{"type":"recovery","token_hash":"<code>"}`},
				{do: "POST /verify", body: `{"type":"recovery","email":"<email>","token":"<hash>"}`},
				{do: "GET /verify?type=signup&token=<hash>"},
				{do: "GET /verify?type=recovery&token=<code>"},
			}, step{do: "POST /verify", body: `{"type":"recovery","token_hash":"<hash>"}`}},
			"sign-up": {mailed("POST /signup", "", `{"email":"<new>","password":"<password>"}`, "<new>"), []step{
				{do: "POST /verify", body: `{"type":"recovery","email":"<new>","token":"<code>"}`},
				{do: "POST /verify", body: `{"type":"signup","email":"<email>","token":"<code>"}`},
				{do: "POST /verify", body: `{"type":"email_change","email":"<new>","token":"<code>"}`},
				{do: "POST /verify", body: `{"type":"invite","token_hash":"<hash>"}`},
				{do: "POST /verify", body: `{"type":"sms","phone":"<new>","token":"<code>"}`},
			}, step{do: "POST /verify", body: `{"type":"signup","email":"<new>","token":"<code>"}`}},
		} {
			t.Run(name, func(t *testing.T) {
				names := w.people(t)
				c.prepare(t, w, names)
				for i, s := range c.others {
					if got := w.play(t, i, s, names); got.grants() {
						t.Errorf("step %d, %s %s: succeeds", i, s.do, s.body)
					}
				}
				if got := w.play(t, 0, c.own, names); !got.grants() {
					t.Errorf("%s: got %d %s, want success", c.own.do, got.status, got.body)
				}
			})
		}
		t.Run("guesses", func(t *testing.T) {
			names := w.people(t)
			mailed("POST /otp", "", `{"email":"<email>"}`, "<email>")(t, w, names)
			for i := range 5 {
				w.play(t, i, step{do: "POST /verify", body: `{"type":"email","email":"<email>","token":"00000` + fmt.Sprint(i) + `"}`, want: "403 otp_expired"}, names)
			}
			w.play(t, 5, step{do: "POST /verify", body: `{"type":"email","email":"<email>","token":"<code>"}`, want: "403 otp_expired"}, names)
		})
		t.Run("an older code", func(t *testing.T) {
			names := w.people(t)
			ask := mailed("POST /otp", "", `{"email":"<email>"}`, "<email>")
			ask(t, w, names)
			older := names["hash"]
			ask(t, w, names)
			w.play(t, 0, step{do: "POST /verify", body: `{"type":"magiclink","token_hash":"` + older + `"}`, want: "403 otp_expired"}, names)
			w.play(t, 1, step{do: "POST /verify", body: `{"type":"magiclink","token_hash":"<hash>"}`, want: "200"}, names)
		})
	})
}

// Guarantee A2: what was sent before is void once the account has another password or
// address, whoever changed it.
func TestWhatWasSentBeforeAChangeIsVoid(t *testing.T) {
	each(t, func(c *postern.Config) { c.Email.Autoconfirm, c.Email.SingleChangeConfirmation = false, true }, func(t *testing.T, w *world) {
		for name, change := range map[string][]step{
			"password":                {{do: "PUT /user", as: "<access>", body: `{"password":"battery staple"}`, want: "200"}},
			"password, by operator":   {{do: "PUT /admin/users/<id>", as: "<operator>", body: `{"password":"battery staple"}`, want: "200"}},
			"address, by operator":    {{do: "PUT /admin/users/<id>", as: "<operator>", body: `{"email":"<new>","email_confirm":true}`, want: "200"}},
			"ban":                     {{do: "PUT /admin/users/<id>", as: "<operator>", body: `{"ban_duration":"24h"}`, want: "200"}},
			"deletion that is soft":   {{do: "DELETE /admin/users/<id>", as: "<operator>", body: `{"should_soft_delete":true}`, want: "200"}},
			"deletion":                {{do: "DELETE /admin/users/<id>", as: "<operator>", body: `{}`, want: "200"}},
			"address, by its new one": nil, // see below
		} {
			t.Run(name, func(t *testing.T) {
				names := w.people(t)
				mailed("POST /recover", "", `{"email":"<email>"}`, "<email>")(t, w, names)
				old := step{do: "POST /verify", body: `{"type":"recovery","token_hash":"` + names["hash"] + `"}`}
				if change == nil {
					mailed("PUT /user", "<access>", `{"email":"<new>"}`, "<new>")(t, w, names)
					change = []step{{do: "POST /verify", body: `{"type":"email_change","token_hash":"<hash>"}`, want: "200"}}
				}
				for i, s := range change {
					w.play(t, i, s, names)
				}
				if got := w.play(t, 9, old, names); got.grants() {
					t.Errorf("the link of before is good: %d %s", got.status, got.body)
				}
			})
		}
	})
}
