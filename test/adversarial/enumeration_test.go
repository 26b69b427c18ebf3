package adversarial_test

import (
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/test/internal/journal"
)

// question is a request about an account, and who may have to be told apart from
// whom by nothing that is in the answer.
type question struct {
	name, do, body string // in which <who> is the address
	want           string // the answer to all of them
	who            []string
}

// The accounts that questions are about.
const (
	confirmed = "confirmed@example.com"
	passless  = "without-a-password@example.com"
	banned    = "banned@example.com"
	waiting   = "waiting@example.com"
	unknown   = "unknown@example.com"

	phoneConfirmed, phoneWaiting, phoneUnknown = "15550100001", "15550100002", "15550100003"
)

var (
	mails  = []string{confirmed, passless, banned, waiting, unknown}
	phones = []string{phoneConfirmed, phoneWaiting, phoneUnknown}
)

// Guarantee D19: the answers are the same to the byte, but for ids and times.
var questions = []question{
	{"password", "POST /token?grant_type=password", `{"email":"<who>","password":"wrong password"}`, "400 invalid_credentials", mails},
	{"empty password", "POST /token?grant_type=password", `{"email":"<who>","password":""}`, "400 invalid_credentials", mails},
	{"password that is too long", "POST /token?grant_type=password", `{"email":"<who>","password":"` + long(73) + `"}`, "400 invalid_credentials", mails},
	{"password of a phone", "POST /token?grant_type=password", `{"phone":"<who>","password":"wrong password"}`, "400 invalid_credentials", phones},
	{"recovery", "POST /recover", `{"email":"<who>"}`, "200", mails},
	{"one-time code", "POST /otp", `{"email":"<who>"}`, "200", mails},
	{"magic link", "POST /magiclink", `{"email":"<who>"}`, "200", mails},
	{"resent confirmation", "POST /resend", `{"type":"signup","email":"<who>"}`, "200", mails},
	{"resent change", "POST /resend", `{"type":"email_change","email":"<who>"}`, "200", mails},
	{"wrong code", "POST /verify", `{"type":"email","email":"<who>","token":"000000"}`, "403 otp_expired", mails},
	{"wrong code of a sign-up", "POST /verify", `{"type":"signup","email":"<who>","token":"000000"}`, "403 otp_expired", mails},
	{"wrong code of a recovery", "POST /verify", `{"type":"recovery","email":"<who>","token":"000000"}`, "403 otp_expired", mails},
	{"wrong code of a phone", "POST /verify", `{"type":"sms","phone":"<who>","token":"000000"}`, "403 otp_expired", phones},
	{"sign-up", "POST /signup", `{"email":"<who>","password":"another horse","data":{"n":1e2,"long name":"","b":"x"}}`, "200", []string{waiting, unknown}},
	{"sign-up by phone", "POST /signup", `{"phone":"<who>","password":"another horse","data":{"n":1e2}}`, "200", []string{phoneWaiting, phoneUnknown}},
	{"weak password at sign-up", "POST /signup", `{"email":"<who>","password":"x"}`, "422 weak_password", mails},
}

// hidden are those that HideAccounts adds.
var hidden = []question{
	{"sign-up", "POST /signup", `{"email":"<who>","password":"another horse","data":{"n":1e2,"long name":"","b":"x"}}`, "200", mails},
	{"sign-up by phone", "POST /signup", `{"phone":"<who>","password":"another horse"}`, "200", phones},
	{"code without sign-up", "POST /otp", `{"email":"<who>","create_user":false}`, "200", mails},
	{"code by phone", "POST /otp", `{"phone":"<who>"}`, "200", phones},
	{"code by phone without sign-up", "POST /otp", `{"phone":"<who>","create_user":false}`, "200", phones},
	{"resent code", "POST /resend", `{"type":"sms","phone":"<who>"}`, "200", phones},
}

func TestNobodyIsToldWhoHasAnAccount(t *testing.T) {
	each(t, waitingForConfirmation, func(t *testing.T, w *world) {
		for _, q := range questions {
			t.Run(q.name, func(t *testing.T) { w.ask(t, q) })
		}
	})
}

func TestNobodyIsToldWhoHasAnAccountThatIsHidden(t *testing.T) {
	each(t, func(c *postern.Config) {
		waitingForConfirmation(c)
		c.HideAccounts = true
	}, func(t *testing.T, w *world) {
		for _, q := range slices.Concat(questions, hidden) {
			t.Run(q.name, func(t *testing.T) { w.ask(t, q) })
		}
	})
}

func waitingForConfirmation(c *postern.Config) {
	c.Email.Autoconfirm, c.Phone.Autoconfirm = false, false
}

// ask puts a question about everybody, and compares the answers.
func (w *world) ask(t *testing.T, q question) {
	t.Helper()
	answers := map[string]string{}
	for _, who := range q.who {
		w.populate(t) // the question before may have made an account
		got := w.play(t, 0, step{do: q.do, body: q.body, want: q.want}, map[string]string{"who": who})
		answers[who] = fmt.Sprint(got.status, neutral(got.body, who))
	}
	for _, who := range q.who {
		if answers[who] != answers[q.who[0]] {
			t.Errorf("%s is answered %s, want the same as for %s: %s", who, answers[who], q.who[0], answers[q.who[0]])
		}
	}
}

var varying = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[0-9:.]+Z`)

// neutral is a body without what is different in every answer.
func neutral(body, who string) string {
	return regexp.MustCompile(regexp.QuoteMeta(who)).ReplaceAllString(varying.ReplaceAllString(body, "…"), "<who>")
}

// populate makes the accounts that questions are about, and removes all others.
func (w *world) populate(t testing.TB) {
	t.Helper()
	everybody, err := w.AdminListUsers(t.Context(), postern.AdminListUsersParams{PerPage: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range everybody.Users {
		if err := w.AdminDeleteUser(t.Context(), u.ID, false); err != nil {
			t.Fatal(err)
		}
	}
	secret := password
	for _, p := range []postern.AdminCreateUserParams{
		{Email: confirmed, Password: &secret, EmailConfirm: true},
		{Email: passless, EmailConfirm: true},
		{Email: banned, Password: &secret, EmailConfirm: true, BanDuration: "24h"},
		{Phone: phoneConfirmed, Password: &secret, PhoneConfirm: true},
	} {
		if _, err := w.AdminCreateUser(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []postern.SignUpParams{{Email: waiting, Password: password}, {Phone: phoneWaiting, Password: password}} {
		if _, err := w.SignUp(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
}

// The work that is done is the same where nothing is sent: as many hashes, which take
// the time, and the same statements. Where something is sent to some, the others wait
// (TestRequestsThatSendNothingTakeAsLong).
//
// A hash fills 16 MiB here, which nothing else comes near, so that what a request
// allocates tells how many there were. Nothing may run beside this test.
func TestTheSameWorkIsDoneWhoeverHasAnAccount(t *testing.T) {
	const memory = 16 << 20
	journal.Each(t, func(t *testing.T, st *store.Store, j *journal.Journal) {
		w := newWorld(t, st, "", func(c *postern.Config) {
			waitingForConfirmation(c)
			c.Password.Algorithm, c.Password.Argon2 = "argon2id", postern.Argon2Config{MemoryKiB: memory >> 10, Passes: 1, Parallelism: 1}
		})
		for _, c := range []struct {
			name, do, body string
			hashes         uint64
			who            []string
		}{
			{"password", "POST /token?grant_type=password", `{"email":"<who>","password":"wrong password"}`, 1, mails},
			{"password of a phone", "POST /token?grant_type=password", `{"phone":"<who>","password":"wrong password"}`, 1, phones},
			{"wrong code", "POST /verify", `{"type":"email","email":"<who>","token":"000000"}`, 0, mails},
			{"wrong code of a phone", "POST /verify", `{"type":"sms","phone":"<who>","token":"000000"}`, 0, phones},
		} {
			var want []string
			for _, who := range c.who {
				w.populate(t)
				names := map[string]string{"who": who}
				w.play(t, 0, step{do: c.do, body: c.body}, names) // once for all that is done only once
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				statements := j.During(func() { w.play(t, 0, step{do: c.do, body: c.body}, names) })
				runtime.ReadMemStats(&after)
				if n := (after.TotalAlloc - before.TotalAlloc) / memory; n != c.hashes {
					t.Errorf("%s of %s: got %d hashes, want %d", c.name, who, n, c.hashes)
				}
				if want == nil {
					want = statements
				}
				if !slices.Equal(statements, want) {
					t.Errorf("%s of %s: got the statements %v, want %v as for %s", c.name, who, statements, want, c.who[0])
				}
			}
		}
		for _, who := range mails { // what is hashed at sign-up does not depend on anybody's account
			w.populate(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			w.play(t, 0, step{do: "POST /signup", body: `{"email":"<who>","password":"another horse"}`, want: "200"}, map[string]string{"who": who})
			runtime.ReadMemStats(&after)
			if n := (after.TotalAlloc - before.TotalAlloc) / memory; n != 1 {
				t.Errorf("sign-up of %s: got %d hashes, want 1", who, n)
			}
		}
	})
}

// "Banned" is said to nobody who does not know the password, and of what waits under
// an address nothing is shown.
func TestAccountsAreShownToNobodyElse(t *testing.T) {
	each(t, waitingForConfirmation, func(t *testing.T, w *world) {
		w.run(t, []attack{
			{"a ban is told to who knows the password", []step{
				{do: "PUT /admin/users/<id>", as: "<operator>", body: `{"ban_duration":"24h"}`, want: "200"},
				{do: "POST /token?grant_type=password", body: `{"email":"<email>","password":"wrong password"}`, want: "400 invalid_credentials"},
				{do: "POST /token?grant_type=password", body: `{"email":"<email>","password":"<password>"}`, want: "400 user_banned"},
			}},
			{"a ban is not told by a code", []step{
				{do: "PUT /admin/users/<id>", as: "<operator>", body: `{"ban_duration":"24h"}`, want: "200"},
				{do: "POST /otp", body: `{"email":"<email>"}`, want: "200", lacks: "ban"},
				{do: "POST /verify", body: `{"email":"<email>","type":"email","token":"000000"}`, want: "403 otp_expired"},
			}},
			{"data of a sign-up that waits", []step{
				{do: "POST /signup", body: `{"email":"<new>","password":"<password>","data":{"diary":"dear diary"}}`, want: "200", keep: "first=id"},
				{do: "POST /signup", body: `{"email":"<new>","password":"another horse"}`, want: "200", lacks: "dear diary"},
				{do: "POST /signup", body: `{"email":"<new>","password":"another horse"}`, want: "200", lacks: "<first>"},
			}},
			{"data of an account", []step{
				{do: "PUT /user", as: "<access>", body: `{"data":{"diary":"dear diary"}}`, want: "200", has: "dear diary"},
				{do: "POST /signup", body: `{"email":"<email>","password":"another horse"}`, want: "200", lacks: "dear diary"},
				{do: "POST /signup", body: `{"email":"<email>","password":"another horse"}`, want: "200", lacks: "<id>"},
			}},
			{"the address by another spelling", []step{
				{do: "POST /signup", body: `{"email":" <email> ","password":"another horse","data":{"a":1}}`},
				{do: "POST /token?grant_type=password", body: `{"email":"<email>","password":"another horse"}`, want: "400 invalid_credentials"},
				{do: "POST /token?grant_type=password", body: `{"email":"<email>","password":"<password>"}`, want: "200"},
			}},
		})
	})
}
