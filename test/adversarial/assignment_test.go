package adversarial_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postern-auth/postern"
)

// wishes are members that nobody may set for themselves, with what would be seen of
// them, and spellings that a careless decoder takes for theirs.
var wishes = []struct{ member, seen string }{
	{`"aud":"admins"`, `"admins"`},
	{`"role":"supabase_admin"`, `supabase_admin`},
	{`"Role":"supabase_admin"`, `supabase_admin`},
	{`"ROLE":"supabase_admin"`, `supabase_admin`},
	{`"is_super_admin":true`, `is_super_admin`},
	{`"is_anonymous":true`, `"is_anonymous":true`},
	{`"is_sso_user":true`, `"is_sso_user":true`},
	{`"id":"<nobody>"`, `<nobody>`},
	{`"ID":"<nobody>"`, `<nobody>`},
	{`"user_id":"<nobody>"`, `<nobody>`},
	{`"app_metadata":{"admin":"wished"}`, `wished`},
	{`"App_Metadata":{"admin":"wished"}`, `wished`},
	{`"raw_app_meta_data":{"admin":"wished"}`, `wished`},
	{`"user_metadata":{"admin":"wished"}`, `wished`},
	{`"raw_user_meta_data":{"admin":"wished"}`, `wished`},
	{`"aal":"aal2"`, `aal2`},
	{`"amr":[{"method":"wished"}]`, `wished`},
	{`"factors":[{"id":"<nobody>","status":"verified"}]`, `<nobody>`},
	{`"identities":[{"provider":"wished","id":"<nobody>"}]`, `wished`},
	{`"providers":["wished"]`, `wished`},
	{`"session_id":"<nobody>"`, `<nobody>`},
	{`"email_confirmed_at":"2001-02-03T04:05:06Z"`, `2001-02-03`},
	{`"phone_confirmed_at":"2001-02-03T04:05:06Z"`, `2001-02-03`},
	{`"confirmed_at":"2001-02-03T04:05:06Z"`, `2001-02-03`},
	{`"created_at":"2001-02-03T04:05:06Z"`, `2001-02-03`},
	{`"updated_at":"2001-02-03T04:05:06Z"`, `2001-02-03`},
	{`"last_sign_in_at":"2001-02-03T04:05:06Z"`, `2001-02-03`},
	{`"invited_at":"2001-02-03T04:05:06Z"`, `2001-02-03`},
	{`"deleted_at":"2001-02-03T04:05:06Z"`, `2001-02-03`},
	{`"banned_until":"2001-02-03T04:05:06Z"`, `2001-02-03`},
	{`"ban_duration":"none"`, `ban_duration`},
	{`"email_confirm":true`, `email_confirm"`},
	{`"encrypted_password":"$2a$04$wished"`, `wished`},
	{`"password_hash":"$2a$04$wished"`, `wished`},
	{`"new_email":"wished@example.com"`, `wished`},
	{`"phone_change":"15559990000"`, `15559990000`},
	{`"confirmation_token":"wished"`, `wished`},
	{`"__proto__":{"role":"supabase_admin"}`, `supabase_admin`},
	{`"constructor":{"prototype":{"role":"supabase_admin"}}`, `supabase_admin`},
}

// Guarantee B10: what somebody may not set stays as it is, and is not seen anywhere.
func TestNobodySetsWhatIsNotTheirs(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world) {
		for _, wish := range wishes {
			t.Run(wish.member, func(t *testing.T) {
				names := w.people(t)
				for i, s := range []step{
					{do: "POST /signup", body: `{"email":"<new>","password":"<password>",` + wish.member + `}`},
					{do: "POST /signup", body: `{` + wish.member + `,"email":"again-<new>","password":"<password>"}`},
					{do: "PUT /user", as: "<access>", body: `{` + wish.member + `}`},
					{do: "PUT /user", as: "<access>", body: `{"data":{"mine":1},` + wish.member + `}`},
					{do: "POST /otp", body: `{"email":"<email>",` + wish.member + `}`},
					{do: "POST /otp", body: `{"email":"code-<new>",` + wish.member + `}`},
					{do: "POST /token?grant_type=password", body: `{"email":"<email>","password":"<password>",` + wish.member + `}`},
					{do: "POST /factors", as: "<access>", body: `{"factor_type":"totp","friendly_name":"app",` + wish.member + `}`},
				} {
					s.lacks = wish.seen
					w.play(t, i, s, names)
				}
			})
		}
		all := w.everything(t)
		for _, wish := range wishes {
			if seen := fill(wish.seen, map[string]string{"nobody": nobody}); strings.Contains(all, seen) {
				t.Errorf("%s: %s is stored: %s", wish.member, seen, lineWith(all, seen))
			}
		}
	})
}

func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

// Metadata is anybody's own, and nothing else looks into it.
func TestMetadataIsOnlyMetadata(t *testing.T) {
	each(t, func(c *postern.Config) { c.AnonymousUsers = true }, func(t *testing.T, w *world) {
		const data = `{"role":"supabase_admin","aud":"admins","aal":"aal2","email_verified":true,"sub":"<other.id>","provider":"github","id":"<nobody>","is_anonymous":true}`
		w.run(t, []attack{
			{"at sign-up", []step{
				{do: "POST /signup", body: `{"email":"<new>","password":"<password>","data":` + data + `}`, want: "200", keep: "mine=access_token"},
				{do: "GET /admin/users", as: "<mine>", want: "403 not_admin"},
				{do: "GET /user", as: "<mine>", want: "200", has: `"role":"authenticated"`},
				{do: "GET /user", as: "<mine>", want: "200", has: `"aud":"authenticated"`},
				{do: "GET /user", as: "<mine>", want: "200", has: `"email":"<new>"`},
				{do: "GET /user", as: "<mine>", want: "200", has: `"is_anonymous":false`},
			}},
			{"anonymously", []step{
				{do: "POST /signup", body: `{"data":` + data + `,"is_anonymous":false,"role":"supabase_admin"}`, want: "200", keep: "mine=access_token"},
				{do: "GET /admin/users", as: "<mine>", want: "403 not_admin"},
				{do: "GET /user", as: "<mine>", want: "200", has: `"is_anonymous":true`},
				{do: "POST /factors", as: "<mine>", body: `{"factor_type":"totp"}`, want: "403 no_authorization"},
			}},
			{"in an update", []step{
				{do: "PUT /user", as: "<access>", body: `{"data":` + data + `}`, want: "200"},
				{do: "POST /token?grant_type=refresh_token", body: `{"refresh_token":"<refresh>"}`, want: "200", keep: "mine=access_token"},
				{do: "GET /admin/users", as: "<mine>", want: "403 not_admin"},
				{do: "GET /user", as: "<mine>", want: "200", has: `"id":"<id>"`},
			}},
			{"app_metadata in an update", []step{
				{do: "PUT /user", as: "<access>", body: `{"app_metadata":{"admin":true}}`, want: "403 not_admin"},
				{do: "PUT /user", as: "<access>", body: `{"app_metadata":{}}`},
				{do: "PUT /user", as: "<access>", body: `{"app_metadata":{"admin":true},"data":{"a":1}}`, want: "403 not_admin"},
				{do: "GET /user", as: "<access>", want: "200", lacks: "admin"},
			}},
			{"an audience in the header", []step{
				{do: "POST /signup", body: `{"email":"<new>","password":"<password>"}`, headers: []string{"X-JWT-AUD: admins"}, want: "200", lacks: "admins"},
				{do: "POST /token?grant_type=password", body: `{"email":"<email>","password":"<password>"}`, headers: []string{"X-JWT-AUD: admins"}, want: "200", lacks: "admins"},
			}},
		})
	})
}

// Of a member that is given twice one counts, for the check and for what is stored.
func TestMembersThatAreGivenTwice(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world) {
		for i, body := range []string{
			`{"email":"<new>","email":"<email>","password":"<password>"}`,
			`{"email":"<email>","EMAIL":"<new>","password":"<password>"}`,
			`{"password":"<password>","password":"x","email":"<new>"}`,
			`{"password":"x","Password":"<password>","email":"<new>"}`,
		} {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				names := w.people(t)
				got := w.play(t, 0, step{do: "POST /signup", body: body}, names)
				if got.status/100 == 4 {
					return
				}
				if id := got.text("user", "id"); id == "" || id == names["id"] {
					t.Errorf("got %s, want a new user or none", got.body)
				}
				w.play(t, 1, step{do: "POST /token?grant_type=password", body: `{"email":"<email>","password":"<password>"}`, want: "200"}, names)
			})
		}
	})
}
