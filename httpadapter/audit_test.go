package httpadapter_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

// TestAdminAuditLog pins contract endpoints.md, GET /admin/audit.
func TestAdminAuditLog(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		a.expect(t, request{line: "GET /admin/audit", token: operator(t)}, 200, `[]`)
		populate(t, a)
		*a.now = a.now.Add(time.Second)
		a.expect(t, request{line: "POST /signup", body: `{"email":"own@example.com","password":"correct horse"}`}, 200)

		for _, c := range []struct{ query, actions, total, link string }{
			{"", "login user_signedup user_signedup user_signedup user_signedup", "5", `</admin/audit?page=1>; rel="last"`},
			{"/", "login user_signedup user_signedup user_signedup user_signedup", "5", `</admin/audit/?page=1>; rel="last"`},
			{"?per_page=2", "login user_signedup", "5", `</admin/audit?page=2&per_page=2>; rel="next", </admin/audit?page=3&per_page=2>; rel="last"`},
			{"?page=3&per_page=2", "user_signedup", "5", `</admin/audit?page=3&per_page=2>; rel="last"`},
			{"?page=9", "", "5", `</admin/audit?page=1>; rel="last"`},
			{"?per_page=18446744073709551615&page=18446744073709551615", "", "5", `</admin/audit?page=1&per_page=18446744073709551615>; rel="last"`},
			{"?query=action:LOGIN", "login", "1", `</admin/audit?page=1&query=action%3ALOGIN>; rel="last"`},
			{"?query=author:own", "login user_signedup", "2", `</admin/audit?page=1&query=author%3Aown>; rel="last"`},
			{"?query=type:account", "login", "1", `</admin/audit?page=1&query=type%3Aaccount>; rel="last"`},
			{"?query=author:%25", "", "0", `</admin/audit?page=0&query=author%3A%25>; rel="last"`},
			{"?query=action:user_", "user_signedup user_signedup user_signedup user_signedup", "4", `</admin/audit?page=1&query=action%3Auser_>; rel="last"`},
			{"?query=action:userxsigned", "", "0", `</admin/audit?page=0&query=action%3Auserxsigned>; rel="last"`},
			{"?query=author:%27%3B--", "", "0", `</admin/audit?page=0&query=author%3A%27%3B-->; rel="last"`},
		} {
			got := a.expect(t, request{line: "GET /admin/audit" + c.query, token: operator(t)}, 200)
			var actions []string
			for _, match := range regexp.MustCompile(`"action":"(\w+)"`).FindAllStringSubmatch(got.body, -1) {
				actions = append(actions, match[1])
			}
			if strings.Join(actions, " ") != c.actions {
				t.Errorf("%s: got %q, want %q", c.query, actions, c.actions)
			}
			wantHeaders(t, got.header, map[string]string{"X-Total-Count": c.total, "Link": c.link})
		}
		first := a.expect(t, request{line: "GET /admin/audit?query=action:login", token: operator(t)}, 200).body
		shape := regexp.MustCompile(`^\[\{"id":"[0-9a-f-]{36}","payload":\{"action":"login","actor_id":"[0-9a-f-]{36}","actor_username":"own@example.com",` +
			`"actor_via_sso":false,"log_type":"account","traits":\{"provider":"email"\}\},"created_at":"[0-9T:.-]+Z","ip_address":"[0-9a-f.:]+"\}\]$`)
		if !shape.MatchString(first) {
			t.Errorf("got %s", first)
		}
	})
}

func TestAdminAuditLogRefusals(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		a.expectRefusals(t, operator(t), []refusal{
			{"GET /admin/audit?query=payload:x", "", 400, "validation_failed", "Invalid query scope: payload"},
			{"GET /admin/audit?query=login", "", 400, "validation_failed", "Invalid query scope: login"},
			{"GET /admin/audit?page=x", "", 400, "validation_failed", `Bad Pagination Parameters: strconv.ParseUint: parsing \"x\": invalid syntax`},
			{"GET /admin/audit?per_page=-1", "", 400, "validation_failed", `Bad Pagination Parameters: strconv.ParseUint: parsing \"-1\": invalid syntax`},
		})
		for _, query := range []string{"author:%00", "author:%ff", "action:%ed%a0%80", "%00:x", "%ff"} {
			a.refuses(t, query, request{line: "GET /admin/audit?query=" + query, token: operator(t)}, 400)
		}
		a.refuses(t, "nobody", request{line: "GET /admin/audit"}, 401)
	})
}
