package conformance_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/uptrace/bun/dialect"
	"golang.org/x/crypto/bcrypt"

	"github.com/postern-auth/postern"
)

// TestDifferences plays what the recordings do not have, on both databases.
func TestDifferences(t *testing.T) {
	t.Parallel()
	for _, db := range databases {
		t.Run(db.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, db.open)
			for _, d := range differences {
				if d.shows == nil {
					continue
				}
				t.Run(d.id, func(t *testing.T) {
					t.Parallel()
					d.shows(t, w)
				})
			}
		})
	}
}

const password = `"password":"Secret-pw-123"`

// operator is the header of an operator's requests.
func operator(t testing.TB) (name, value string) {
	t.Helper()
	return bearer(mint(t, secret, time.Hour, jwt.MapClaims{"role": "service_role"}))
}

// admin makes a request as an operator.
func (i *instance) admin(t testing.TB, method, path, body string) *answer {
	t.Helper()
	name, value := operator(t)
	return i.call(t, method, path, body, name, value)
}

// signUp makes an account that is signed in at once.
func (i *instance) signUp(t testing.TB, email string) *answer {
	t.Helper()
	return i.call(t, "POST", "/signup", fmt.Sprintf(`{"email":%q,%s}`, email, password)).is(t, "sign-up", http.StatusOK, "")
}

func (i *instance) signIn(t testing.TB, body string) *answer {
	t.Helper()
	return i.call(t, "POST", "/token?grant_type=password", body)
}

func (i *instance) refresh(t testing.TB, token string) *answer {
	t.Helper()
	return i.call(t, "POST", "/token?grant_type=refresh_token", fmt.Sprintf(`{"refresh_token":%q}`, token))
}

func showDuplicatePhone(t *testing.T, w *world) {
	phone := w.instance["phone"]
	phone.admin(t, "POST", "/admin/users", `{"phone":"15550109001"}`).is(t, "the first", http.StatusOK, "")
	second := phone.admin(t, "POST", "/admin/users", `{"phone":"15550109002"}`).is(t, "the second", http.StatusOK, "")
	phone.admin(t, "PUT", "/admin/users/"+second.text("id"), `{"phone":"15550109001"}`).
		is(t, "the first's number for the second", http.StatusUnprocessableEntity, "phone_exists")
}

func showAudiences(t *testing.T, w *world) {
	const body = `{"email":"audience@example.com",` + password + `}`
	got := w.instance["auto"].call(t, "POST", "/signup", body, "x-jwt-aud", "mobile-app")
	if aud := got.text("user", "aud"); aud != "authenticated" {
		t.Errorf("an audience that is not listed: got aud %q, want authenticated", aud)
	}
	listed := start(t, w.open(t), map[string]string{"POSTERN_JWT_AUDIENCES": "mobile-app"})
	got = listed.call(t, "POST", "/signup", body, "x-jwt-aud", "mobile-app")
	if aud := got.text("user", "aud"); aud != "mobile-app" {
		t.Errorf("an audience that is listed: got aud %q, want mobile-app", aud)
	}
	name, value := bearer(got.text("access_token"))
	listed.call(t, "GET", "/user", "", name, value).is(t, "its token", http.StatusOK, "")
	listed.signIn(t, body).is(t, "sign-in without the header", http.StatusBadRequest, "invalid_credentials")
}

func showPendingSignUp(t *testing.T, w *world) {
	phone := w.instance["phone"]
	signUp := func(password string) *answer {
		return phone.call(t, "POST", "/signup", fmt.Sprintf(`{"phone":"15550109003","password":%q,"data":{"by":%q}}`, password, password)).
			is(t, "sign-up with "+password, http.StatusOK, "")
	}
	first, second := signUp("first-password"), signUp("second-password")
	if id := second.text("id"); id == "" || id == first.text("id") {
		t.Errorf("the second sign-up: got id %q, want one that tells nothing of the pending account", id)
	}
	stored := phone.admin(t, "GET", "/admin/users/"+first.text("id"), "")
	if by := stored.text("user_metadata", "by"); by != "second-password" {
		t.Errorf("the pending account's data: got those of %q, want those of the second sign-up", by)
	}
	for password, code := range map[string]string{"first-password": "invalid_credentials", "second-password": "phone_not_confirmed"} {
		phone.signIn(t, fmt.Sprintf(`{"phone":"15550109003","password":%q}`, password)).
			is(t, "sign-in with "+password, http.StatusBadRequest, code)
	}
}

func showBannedAfterPassword(t *testing.T, w *world) {
	auto := w.instance["auto"]
	auto.admin(t, "POST", "/admin/users", `{"email":"banned@example.com",`+password+`,"email_confirm":true,"ban_duration":"1h"}`).
		is(t, "create", http.StatusOK, "")
	auto.signIn(t, `{"email":"banned@example.com","password":"a guess"}`).
		is(t, "the wrong password", http.StatusBadRequest, "invalid_credentials")
	auto.signIn(t, `{"email":"banned@example.com",`+password+`}`).
		is(t, "the right password", http.StatusBadRequest, "user_banned")
}

func showInputRefused(t *testing.T, w *world) {
	auto := w.instance["auto"]
	const id = "0b9c1f0e-3c57-4f0a-9d2c-6f1f3c1d2e3f"
	auto.admin(t, "POST", "/admin/users", `{"id":"`+id+`","email":"with-id@example.com"}`).is(t, "create with an id", http.StatusOK, "")
	deep := strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65)
	for _, c := range []struct {
		what, method, path, body string
		status                   int
		code                     string
	}{
		{"a hash that nobody can check", "POST", "/admin/users", `{"email":"h@example.com","password_hash":"$1$salt$hash"}`, 400, "validation_failed"},
		{"a password that would be cut off", "POST", "/admin/users", `{"email":"h@example.com","password":"` + strings.Repeat("x", 73) + `"}`, 400, "validation_failed"},
		{"an id that is taken", "POST", "/admin/users", `{"id":"` + id + `","email":"other-id@example.com"}`, 422, "user_already_exists"},
		{"pages of no users", "GET", "/admin/users?per_page=0", "", 200, ""},
		{"an unknown challenge method", "POST", "/signup", `{"email":"h@example.com",` + password + `,"code_challenge":"` + strings.Repeat("x", 43) + `","code_challenge_method":"md5"}`, 400, "validation_failed"},
		{"NUL", "POST", "/signup", `{"email":"h@example.com",` + password + `,"data":{"a":"\u0000"}}`, 400, "bad_json"},
		{"half a surrogate pair", "POST", "/signup", `{"email":"h@example.com",` + password + `,"data":{"a":"\ud800"}}`, 400, "bad_json"},
		{"invalid UTF-8", "POST", "/signup", `{"email":"h@example.com",` + password + `,"data":{"a":"` + "\xff" + `"}}`, 400, "bad_json"},
		{"deep nesting", "POST", "/signup", `{"email":"h@example.com",` + password + `,"data":` + deep + `}`, 400, "bad_json"},
		{"null", "POST", "/signup", `null`, 400, "bad_json"},
		{"more metadata than fits", "POST", "/signup", `{"email":"h@example.com",` + password + `,"data":{"a":"` + strings.Repeat("x", 64<<10) + `"}}`, 400, "validation_failed"},
		{"an identifier against the rules", "POST", "/admin/custom-providers", `{"provider_type":"oauth2","identifier":"custom:A","name":"n","client_id":"c",` +
			`"client_secret":"s","authorization_url":"https://a.example","token_url":"https://a.example","userinfo_url":"https://a.example"}`, 400, "validation_failed"},
		{"a path with NUL", "GET", "/admin/users?filter=%00", "", 400, "validation_failed"},
	} {
		auto.admin(t, c.method, c.path, c.body).is(t, c.what, c.status, c.code)
	}
	auto.signIn(t, `{"email":"h@example.com",`+password+`}`).is(t, "afterwards", http.StatusBadRequest, "invalid_credentials")
}

func showRecipientFirst(t *testing.T, w *world) {
	for settings, code := range map[[2]string]string{
		{"GOTRUE_EXTERNAL_EMAIL_AUTHORIZED_ADDRESSES", "team@example.org"}: "email_address_not_authorized",
		{"GOTRUE_MAILER_EMAIL_VALIDATION_EXTENDED", "true"}:                "email_address_invalid",
	} {
		i := start(t, w.open(t), map[string]string{settings[0]: settings[1], "GOTRUE_MAILER_AUTOCONFIRM": "false"})
		i.admin(t, "POST", "/admin/users", `{"email":"known@example.com","email_confirm":true}`).is(t, "create", http.StatusOK, "")
		for _, email := range []string{"known@example.com", "unknown@example.com"} {
			for _, path := range []string{"/recover", "/resend", "/signup", "/otp"} {
				body := fmt.Sprintf(`{"email":%q,"type":"signup",%s}`, email, password)
				i.call(t, "POST", path, body).is(t, path+" of "+email, http.StatusBadRequest, code)
			}
		}
	}
}

func showUserTokenClaims(t *testing.T, w *world) {
	auto := w.instance["auto"]
	session, err := readToken(auto.signUp(t, "claims@example.com").text("access_token"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what   string
		change jwt.MapClaims
		status int
		code   string
	}{
		{"all that is needed", nil, http.StatusOK, ""},
		{"no expiry", jwt.MapClaims{"exp": nil}, http.StatusForbidden, "bad_jwt"},
		{"another audience", jwt.MapClaims{"aud": "elsewhere"}, http.StatusForbidden, "bad_jwt"},
		{"no audience", jwt.MapClaims{"aud": nil}, http.StatusForbidden, "bad_jwt"},
		{"another issuer", jwt.MapClaims{"iss": "https://elsewhere.example.com"}, http.StatusForbidden, "bad_jwt"},
	} {
		claims := jwt.MapClaims{}
		for name, value := range session.Claims {
			claims[name] = value
		}
		for name, value := range c.change {
			claims[name] = value
			if value == nil {
				delete(claims, name)
			}
		}
		name, value := bearer(sign(t, secret, claims))
		auto.call(t, "GET", "/user", "", name, value).is(t, c.what, c.status, c.code)
	}
	name, value := bearer(sign(t, secret, jwt.MapClaims{"role": "service_role", "iss": "https://elsewhere.example.com"}))
	auto.call(t, "GET", "/admin/users", "", name, value).is(t, "an operator's key without any of it", http.StatusOK, "")
}

func showLargeNumbers(t *testing.T, w *world) {
	auto := w.instance["auto"]
	const number = "9007199254740993" // 2^53 + 1
	got := auto.call(t, "POST", "/signup", `{"email":"numbers@example.com",`+password+`,"data":{"n":`+number+`}}`)
	name, value := bearer(got.text("access_token"))
	auto.call(t, "PUT", "/user", `{"data":{"other":1}}`, name, value).is(t, "another key", http.StatusOK, "")
	got = auto.call(t, "GET", "/user", "", name, value)
	if !strings.Contains(string(got.raw), `"n":`+number) {
		t.Errorf("got %s, want n to be %s still", got.raw, number)
	}
}

// showAuditEntries: a link that an operator makes is the operator's doing, and an
// anonymous user has an entry, with an address.
func showAuditEntries(t *testing.T, w *world) {
	auto := w.instance["auto"]
	auto.signUp(t, "linked@example.com")
	auto.admin(t, "POST", "/admin/generate_link", `{"type":"recovery","email":"linked@example.com"}`).is(t, "link", http.StatusOK, "")
	anonymous := auto.call(t, "POST", "/signup", `{}`).is(t, "anonymous", http.StatusOK, "")

	requests := auto.admin(t, "GET", "/admin/audit?query=action:recovery_requested", "").is(t, "requests", http.StatusOK, "")
	if !strings.Contains(string(requests.raw), `"actor_username":"service_role"`) || !strings.Contains(string(requests.raw), `"user_email":"linked@example.com"`) {
		t.Errorf("got %s, want the operator to have asked for the user", requests.raw)
	}
	signUps := auto.admin(t, "GET", "/admin/audit?per_page=1000&query=action:signedup", "").is(t, "sign-ups", http.StatusOK, "")
	for entry := range strings.SplitSeq(string(signUps.raw), `{"id":`) {
		if strings.Contains(entry, anonymous.text("user", "id")) {
			if strings.Contains(entry, `"ip_address":""`) {
				t.Errorf("got %s, want it to have the client's address", entry)
			}
			return
		}
	}
	t.Errorf("got %s, want the anonymous user among them", signUps.raw)
}

func showAuditRefresh(t *testing.T, w *world) {
	auto := w.instance["auto"]
	session := auto.signUp(t, "audit@example.com")
	entries := func() (n int) {
		t.Helper()
		table := "auth.audit_log_entries"
		if auto.store.DB().Dialect().Name() == dialect.SQLite {
			table = "auth_audit_log_entries"
		}
		err := auto.store.DB().NewRaw("SELECT count(*) FROM "+table+" WHERE CAST(payload AS text) LIKE ?", "%"+session.text("user", "id")+"%").
			Scan(context.Background(), &n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := entries()
	auto.refresh(t, session.text("refresh_token")).is(t, "refresh", http.StatusOK, "")
	if after := entries(); before == 0 || after != before {
		t.Errorf("entries of the user: got %d, and %d after a refresh; want some, and no more", before, after)
	}
}

func showShortSecret(t *testing.T, w *world) {
	_, err := postern.New(w.open(t), postern.Config{JWT: postern.JWTConfig{Secret: "only-thirty-one-bytes-long-----"}})
	if err == nil || strings.Contains(err.Error(), "only-thirty") {
		t.Errorf("got %v, want an error that does not show the secret", err)
	}
}

func showReuseInterval(t *testing.T, w *world) {
	usual := start(t, w.open(t), map[string]string{"GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL": ""})
	first := usual.signUp(t, "interval@example.com").text("refresh_token")
	second := usual.refresh(t, first).text("refresh_token")
	third := usual.refresh(t, second).text("refresh_token")
	got := usual.refresh(t, first).is(t, "a token from two refreshes before", http.StatusOK, "")
	if token := got.text("refresh_token"); token == "" || token != third {
		t.Errorf("got %q, want the newest token, %q", token, third)
	}
}

func showHashReplaced(t *testing.T, w *world) {
	strict := start(t, w.open(t), map[string]string{"POSTERN_BCRYPT_COST": "5"})
	weak, err := bcrypt.GenerateFromPassword([]byte("Secret-pw-123"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	strict.admin(t, "POST", "/admin/users", `{"email":"hash@example.com","email_confirm":true,"password_hash":"`+string(weak)+`"}`).
		is(t, "create", http.StatusOK, "")
	hash := func() string {
		t.Helper()
		u, err := strict.store.FindUserByEmail(context.Background(), "hash@example.com", "authenticated")
		if err != nil {
			t.Fatal(err)
		}
		return string(u.PasswordHash)
	}
	if got := hash(); got != string(weak) {
		t.Errorf("before sign-in: got %q, want the hash as it came", got)
	}
	strict.signIn(t, `{"email":"hash@example.com",`+password+`}`).is(t, "sign-in", http.StatusOK, "")
	if got := hash(); !strings.HasPrefix(got, "$2a$05$") {
		t.Errorf("after sign-in: got %q, want a hash of cost 5", got)
	}
}

func showNoPassword(t *testing.T, w *world) {
	auto := w.instance["auto"]
	auto.admin(t, "POST", "/admin/users", `{"email":"no-password@example.com"}`).is(t, "create", http.StatusOK, "")
	u, err := auto.store.FindUserByEmail(context.Background(), "no-password@example.com", "authenticated")
	if err != nil {
		t.Fatal(err)
	}
	if u.PasswordHash != "" {
		t.Errorf("got hash %q, want none", string(u.PasswordHash))
	}
}

func showFilterLiteral(t *testing.T, w *world) {
	auto := w.instance["auto"]
	auto.admin(t, "POST", "/admin/users", `{"email":"literal_x@example.com"}`).is(t, "create", http.StatusOK, "")
	for filter, want := range map[string]int{"literal_x": 1, "literal%25": 0, "liter_l": 0} {
		got, _ := auto.admin(t, "GET", "/admin/users?filter="+filter, "").member("users").([]any)
		if len(got) != want {
			t.Errorf("filter %s: got %d users, want %d", filter, len(got), want)
		}
	}
}

func showFilterAddress(t *testing.T, w *world) {
	auto := w.instance["auto"]
	for _, name := range []string{"whole", "notwhole"} {
		auto.admin(t, "POST", "/admin/users", `{"email":"`+name+`@example.com"}`).is(t, "create", http.StatusOK, "")
	}
	for filter, want := range map[string]int{"whole@example.com": 1, "WHOLE@example.com": 1, "hole@example.com": 2} {
		got, _ := auto.admin(t, "GET", "/admin/users?filter="+filter, "").member("users").([]any)
		if len(got) != want {
			t.Errorf("filter %s: got %d users, want %d", filter, len(got), want)
		}
	}
}

func showPageSize(t *testing.T, w *world) {
	const most = 1000
	i := start(t, w.open(t), nil)
	now := time.Now().UTC().Truncate(time.Microsecond)
	err := i.store.InTx(t.Context(), func(tx postern.Tx) error {
		for range most + 1 {
			u := postern.User{ID: uuid.New(), Aud: "authenticated", CreatedAt: now, UpdatedAt: now}
			if err := tx.AddUser(t.Context(), &postern.UserRecord{User: u}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := i.admin(t, "GET", "/admin/users?per_page=5000", "").member("users").([]any)
	if len(got) != most {
		t.Errorf("5000 users a page: got %d, want %d", len(got), most)
	}
}

func showAddressLimits(t *testing.T, w *world) {
	auto := start(t, w.open(t), map[string]string{"POSTERN_RATE_LIMITS": "shared", "GOTRUE_RATE_LIMIT_OTP": "2/1h"})
	for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
		got := auto.call(t, "POST", "/recover", `{"email":"ada@example.com"}`, "X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i))
		got.is(t, "a request", want, map[int]string{http.StatusTooManyRequests: "over_request_rate_limit"}[want])
	}
}

func showPasswordTries(t *testing.T, w *world) {
	auto := start(t, w.open(t), map[string]string{"POSTERN_RATE_LIMITS": "shared", "GOTRUE_RATE_LIMIT_TOKEN_REFRESH": "1000/1s"})
	for range 20 {
		auto.call(t, "POST", "/token?grant_type=password", `{"email":"ada@example.com","password":"wrong"}`).is(t, "a wrong password", http.StatusBadRequest, "invalid_credentials")
	}
	auto.call(t, "POST", "/token?grant_type=password", `{"email":"ada@example.com","password":"wrong"}`).is(t, "one more", http.StatusTooManyRequests, "over_request_rate_limit")
}
