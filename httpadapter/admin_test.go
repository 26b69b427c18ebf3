package httpadapter_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
)

// TestAdminUsers pins contract endpoints.md §8, under both of its paths.
func TestAdminUsers(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		as := func(line, body string) request { return request{line: line, token: operator(t), body: body} }
		for _, path := range []string{"/admin/users/", "/admin/user/"} {
			created := decode[postern.User](t, a.expect(t, as("POST /admin/users",
				`{"email":"Ann@example.com","password":"abc","email_confirm":true,"user_metadata":{"name":"Ann"},"app_metadata":{"roles":["x"]},"aud":"staff","role":"editor"}`), 200))
			if created.Email != "ann@example.com" || created.Aud != "staff" || created.Role != "editor" || created.EmailConfirmedAt == nil {
				t.Errorf("created %+v", created)
			}
			path += created.ID.String()
			got := decode[postern.User](t, a.expect(t, as("GET "+path, ""), 200))
			if got.ID != created.ID || len(got.Identities) != 1 {
				t.Errorf("got %+v", got)
			}
			updated := decode[postern.User](t, a.expect(t, as("PUT "+path+"/",
				`{"email":"bob@example.com","role":"writer","user_metadata":{"name":null},"app_metadata":{"plan":"pro"},"id":"ignored","aud":"ignored"}`), 200))
			if updated.Email != "bob@example.com" || updated.Role != "writer" || updated.Aud != "staff" || strings.Contains(string(updated.UserMetadata), "name") {
				t.Errorf("updated %+v", updated)
			}
			a.expect(t, as("PUT "+path, `{"password":"abc"}`), 422,
				`{"code":422,"error_code":"weak_password","msg":"Password should be at least 6 characters.","weak_password":{"reasons":["length"]}}`)
			a.expect(t, as("PUT "+path, `{"ban_duration":"x"}`), 400,
				`{"code":400,"error_code":"validation_failed","msg":"invalid format for ban duration: time: invalid duration \"x\""}`)
			a.expect(t, as("DELETE "+path, `{"should_soft_delete":true}`), 200, `{}`)
			if got := decode[postern.User](t, a.expect(t, as("GET "+path, ""), 200)); got.DeletedAt == nil {
				t.Errorf("softly deleted: got %+v", got)
			}
			a.expect(t, as("DELETE "+path, ""), 200, `{}`)
			for _, line := range []string{"GET ", "DELETE "} {
				a.expect(t, as(line+path, ""), 404, older("404", "user_not_found", "User not found"))
			}
			a.expect(t, as("PUT "+path, `{}`), 404, older("404", "user_not_found", "User not found"))
		}
	})
}

func TestAdminCreateUserRefusals(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		const id = "11111111-2222-4333-8444-555555555555"
		as := func(body string) request { return request{line: "POST /admin/users", token: operator(t), body: body} }
		if got := decode[postern.User](t, a.expect(t, as(`{"email":"ann@example.com","id":"`+id+`"}`), 200)); got.ID.String() != id {
			t.Errorf("id = %s, want %s", got.ID, id)
		}
		for _, c := range []struct {
			body   string
			status int
			want   string
		}{
			{`{}`, 400, older("400", "validation_failed", "Cannot create a user without either an email or phone")},
			{`{"email":"ann@example.com"}`, 422, older("422", "email_exists", "A user with this email address has already been registered")},
			{`{"email":"bob@example.com","id":"` + id + `"}`, 422, older("422", "user_already_exists", "A user with this id already exists")},
			{`{"email":"bob@example.com","id":"x"}`, 400, older("400", "validation_failed", "ID must conform to the uuid v4 format")},
			{`{"email":"bob@example.com","id":"{` + id + `}"}`, 400, older("400", "validation_failed", "ID must conform to the uuid v4 format")},
			{`{"email":"bob@example.com","id":"00000000-0000-0000-0000-000000000000"}`, 400, older("400", "validation_failed", "ID cannot be a nil uuid")},
			{`{"email":"bob@example.com","password":"","password_hash":"$2a$04$q4eeLe7hW8NE8YHN2mXUWOQf0nAh6B2nBk0xxBXsLPpUZHbjxpzXK"}`, 400,
				older("400", "validation_failed", "Only a password or a password hash should be provided")},
		} {
			a.expect(t, as(c.body), c.status, c.want)
		}
	})
}

// listed are the addresses in a list, without their domain.
func listed(t *testing.T, got answer) string {
	t.Helper()
	var names []string
	for _, u := range decode[postern.UserList](t, got).Users {
		name, _, _ := strings.Cut(u.Email, "@")
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// populate makes the users la, lb and lc, a second apart.
func populate(t *testing.T, a *api) {
	t.Helper()
	for _, name := range []string{"la", "lb", "lc"} {
		*a.now = a.now.Add(time.Second)
		a.expect(t, request{
			line: "POST /admin/users", token: operator(t), body: fmt.Sprintf(`{"email":"%s@example.com","user_metadata":{"full_name":"Name %[1]s"}}`, name),
		}, 200)
	}
}

// TestAdminListUsers pins contract endpoints.md, GET /admin/users.
func TestAdminListUsers(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{})
		populate(t, a)
		for _, c := range []struct{ query, names, total, link string }{
			{"", "lc lb la", "3", `</admin/users?page=1>; rel="last"`},
			{"?filter=example", "lc lb la", "3", `</admin/users?filter=example&page=1>; rel="last"`},
			{"?filter=nAME%20lb", "lb", "1", `</admin/users?filter=nAME+lb&page=1>; rel="last"`},
			{"?page=1&per_page=2&filter=l", "lc lb", "3",
				`</admin/users?filter=l&page=2&per_page=2>; rel="next", </admin/users?filter=l&page=2&per_page=2>; rel="last"`},
			{"?page=2&per_page=2&filter=l", "la", "3", `</admin/users?filter=l&page=2&per_page=2>; rel="last"`},
			{"?page=9&per_page=2&filter=l", "", "3", `</admin/users?filter=l&page=2&per_page=2>; rel="last"`},
			{"?sort=created_at%20asc&per_page=1&filter=l", "la", "3",
				`</admin/users?filter=l&page=2&per_page=1&sort=created_at+asc>; rel="next", </admin/users?filter=l&page=3&per_page=1&sort=created_at+asc>; rel="last"`},
			{"?sort=created_at+DESC", "lc lb la", "3", `</admin/users?page=1&sort=created_at+DESC>; rel="last"`},
			{"?sort=created_at&sort=created_at+asc", "lc lb la", "3", `</admin/users?page=1&sort=created_at&sort=created_at+asc>; rel="last"`},
			{"?filter=nobody", "", "0", `</admin/users?filter=nobody&page=0>; rel="last"`},
			{"?page=0&per_page=2", "lc lb", "3", `</admin/users?page=2&per_page=2>; rel="next", </admin/users?page=2&per_page=2>; rel="last"`},
			{"?per_page=0", "lc lb la", "3", `</admin/users?page=1&per_page=0>; rel="last"`},
			{"?per_page=18446744073709551615", "lc lb la", "3", `</admin/users?page=1&per_page=18446744073709551615>; rel="last"`},
			{"?page=18446744073709551615", "", "3", `</admin/users?page=1>; rel="last"`},
			{"?filter=%25", "", "0", `</admin/users?filter=%25&page=0>; rel="last"`},
			{"?filter=LA@example.com", "la", "1", `</admin/users?filter=LA%40example.com&page=1>; rel="last"`},
			{"?filter=a@example.com", "la", "1", `</admin/users?filter=a%40example.com&page=1>; rel="last"`},
			{"?filter=l_", "", "0", `</admin/users?filter=l_&page=0>; rel="last"`},
			{"?filter=%27%3B--%5C", "", "0", `</admin/users?filter=%27%3B--%5C&page=0>; rel="last"`},
			{"?limit=1&cursor=x", "lc lb la", "3", `</admin/users?cursor=x&limit=1&page=1>; rel="last"`},
		} {
			got := a.expect(t, request{line: "GET /admin/users" + c.query, token: operator(t)}, 200)
			if names := listed(t, got); names != c.names {
				t.Errorf("%s: got %q, want %q", c.query, names, c.names)
			}
			wantHeaders(t, got.header, map[string]string{"X-Total-Count": c.total, "Link": c.link})
		}
		empty := request{line: "GET /admin/users", token: operator(t), headers: []string{"X-JWT-AUD: staff"}}
		a.expect(t, empty, 200, `{"users":[],"aud":"staff"}`)
	})
}

func TestAdminListUsersRefusals(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		plain := newAPI(t, st, settings{})
		cursor := newAPI(t, st, settings{options: httpadapter.Options{CursorPagination: true}})
		const pagination, sort = "Bad Pagination Parameters: ", "Bad Sort Parameters: "
		for _, c := range []struct {
			api         *api
			query, want string
		}{
			{plain, "page=x", pagination + `strconv.ParseUint: parsing \"x\": invalid syntax`},
			{plain, "per_page=x", pagination + `strconv.ParseUint: parsing \"x\": invalid syntax`},
			{plain, "page=-1", pagination + `strconv.ParseUint: parsing \"-1\": invalid syntax`},
			{plain, "page=18446744073709551616", pagination + `strconv.ParseUint: parsing \"18446744073709551616\": value out of range`},
			{plain, "sort=email", sort + "bad field for sort 'email'"},
			{plain, "sort=", sort + "bad field for sort ''"},
			{plain, "sort=created_at&sort=id", sort + "bad field for sort 'id'"},
			{plain, "sort=created_at%20sideways", sort + "bad direction for sort 'sideways', only 'asc' and 'desc' allowed"},
			{plain, "sort=created_at%20", sort + "bad direction for sort '', only 'asc' and 'desc' allowed"},
			{cursor, "per_page=x", pagination + `strconv.ParseUint: parsing \"x\": invalid syntax`},
			{cursor, "limit=x", pagination + `strconv.ParseUint: parsing \"x\": invalid syntax`},
			{cursor, "limit=0", pagination + "limit must be greater than 0"},
			{cursor, "cursor=x", pagination + "invalid cursor"},
			{cursor, "cursor=bnVsbA&sort=email", sort + "bad field for sort 'email'"},
		} {
			c.api.expect(t, request{line: "GET /admin/users?" + c.query, token: operator(t)}, 400, older("400", "validation_failed", c.want))
		}
		for _, query := range []string{"filter=%00", "filter=%ff", "filter=a%00b", "filter=%ed%a0%80"} {
			for _, a := range []*api{plain, cursor} {
				a.refuses(t, query, request{line: "GET /admin/users?" + query, token: operator(t)}, 400)
			}
		}
		plain.refuses(t, "a broken audience", request{line: "GET /admin/users", token: operator(t), headers: []string{"X-JWT-AUD: \xff"}}, 400)
		plain.refuses(t, "a broken audience", request{
			line: "POST /admin/users", token: operator(t), headers: []string{"X-JWT-AUD: \xff"}, body: `{"email":"ann@example.com"}`,
		}, 400)
	})
}

func TestAdminListUsersByCursor(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, st postern.Store) {
		a := newAPI(t, st, settings{options: httpadapter.Options{CursorPagination: true}})
		populate(t, a)
		list := func(query string) answer {
			return a.expect(t, request{line: "GET /admin/users" + query, token: operator(t)}, 200)
		}

		first := list("?limit=2&filter=l")
		page := decode[postern.UserList](t, first).Pagination
		if names := listed(t, first); names != "lc lb" || page == nil || !page.HasMore {
			t.Fatalf("first page: got %s", first.body)
		}
		wantHeaders(t, first.header, map[string]string{
			"X-Total-Count": "", "Link": "</admin/users?cursor=" + page.NextCursor + `&filter=l&limit=2>; rel="next"`,
		})
		second := list("?limit=2&filter=l&cursor=" + page.NextCursor)
		if names := listed(t, second); names != "la" || !strings.HasSuffix(second.body, `"pagination":{"has_more":false}}`) {
			t.Errorf("second page: got %s", second.body)
		}
		wantHeaders(t, second.header, map[string]string{"X-Total-Count": "", "Link": ""})

		wantHeaders(t, list("?page=1").header, map[string]string{"X-Total-Count": "3"})
		wantHeaders(t, list("?per_page=1").header, map[string]string{"X-Total-Count": "3"})
	})
}
