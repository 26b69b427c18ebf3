package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

const listed = 7

// withList stores users of whom the oldest comes first here, and of those made at
// one moment the one of the lowest id.
func withList(t *testing.T, st postern.Store) (ids []uuid.UUID) {
	t.Helper()
	for i := range listed {
		u := user(fmt.Sprintf("user%d@example.com", i))
		u.CreatedAt = moment(i / 3) // 0 0 0 1 1 1 2
		u.ID[0] = byte(i)
		ids = append(ids, u.ID)
	}
	for _, i := range []int{3, 0, 6, 1, 5, 2, 4} {
		u := user(fmt.Sprintf("user%d@example.com", i))
		u.ID, u.CreatedAt = ids[i], moment(i/3)
		ok(t, st.AddUser(t.Context(), u))
	}
	return ids
}

// list returns a page of the audience that all users here have.
func list(t *testing.T, st postern.Store, q postern.UserQuery) *postern.UserPage {
	t.Helper()
	q.Aud = "authenticated"
	page, err := st.ListUsers(t.Context(), q)
	ok(t, err)
	return page
}

func idsOf(page *postern.UserPage) (ids []uuid.UUID) {
	for _, u := range page.Users {
		ids = append(ids, u.ID)
	}
	return ids
}

func listOrder(t *testing.T, st postern.Store) {
	ids := withList(t, st)
	if got := idsOf(list(t, st, postern.UserQuery{Limit: 50, Ascending: true})); !slices.Equal(got, ids) {
		t.Errorf("ascending: got %v, want %v", got, ids)
	}
	slices.Reverse(ids)
	if got := idsOf(list(t, st, postern.UserQuery{Limit: 50})); !slices.Equal(got, ids) {
		t.Errorf("descending: got %v, want %v", got, ids)
	}
}

func listByOffset(t *testing.T, st postern.Store) {
	ids := withList(t, st)
	for _, c := range []struct {
		offset, limit int
		want          []uuid.UUID
		more          bool
	}{
		{0, 3, ids[:3], true},
		{2, 3, ids[2:5], true},
		{4, 3, ids[4:], false},
		{5, 3, ids[5:], false},
		{7, 3, nil, false},
		{0, 0, nil, true},
		{7, 0, nil, false},
	} {
		page := list(t, st, postern.UserQuery{Offset: c.offset, Limit: c.limit, Ascending: true, Count: true})
		if got := idsOf(page); !slices.Equal(got, c.want) || page.More != c.more || page.Total != listed {
			t.Errorf("offset %d, limit %d: got %v, more %v, total %d, want %v, %v, %d",
				c.offset, c.limit, got, page.More, page.Total, c.want, c.more, listed)
		}
	}
}

func listByCursor(t *testing.T, st postern.Store) {
	ids := withList(t, st)
	for _, ascending := range []bool{true, false} {
		for limit := 1; limit <= listed+1; limit++ {
			q := postern.UserQuery{Limit: limit, Ascending: ascending}
			var got []uuid.UUID
			for more := true; more && len(got) <= listed; {
				page := list(t, st, q)
				got, more = append(got, idsOf(page)...), page.More
				last := page.Users[len(page.Users)-1]
				q.After = &postern.UserCursor{CreatedAt: last.CreatedAt, ID: last.ID}
			}
			if !slices.Equal(got, ids) {
				t.Errorf("ascending %v, pages of %d: got %v, want %v", ascending, limit, got, ids)
			}
		}
		slices.Reverse(ids)
	}
}

func listAudience(t *testing.T, st postern.Store) {
	want, other := fullUser("a"), fullUser("b")
	other.Aud = "other"
	ok(t, st.AddUser(t.Context(), want))
	ok(t, st.AddUser(t.Context(), other))
	page := list(t, st, postern.UserQuery{Limit: 50, Count: true})
	want.Identities = nil // not loaded
	same(t, "users", page.Users, []postern.User{want.User})
	if page.Total != 1 {
		t.Errorf("got total %d, want 1", page.Total)
	}
}

func listFilter(t *testing.T, st postern.Store) {
	for i, c := range []struct{ email, metadata string }{
		{"anna_50%@example.com", `{"full_name": "Anna O'Neil"}`},
		{"anna.50@example.com", `{"full_name": "100% BOB_"}`},
		{"", `{"full_name": 42}`},
		{"carol@example.net", `{"name": "Anna"}`},
		{`back\slash@example.org`, `[]`},
	} {
		u := user(c.email)
		u.CreatedAt, u.UserMetadata = moment(i), postern.Metadata(c.metadata)
		u.Role = string(rune('0' + i))
		ok(t, st.AddUser(t.Context(), u))
	}
	for _, c := range []struct{ filter, want string }{
		{"", "01234"},
		{"anna", "01"}, // addresses, and one name
		{"ANNA", "0"},  // names in any case, addresses as they are
		{"o'neil", "0"},
		{"%", "01"},
		{"_", "01"},
		{"50%", "0"},
		{"bob_", "1"},
		{`\`, "4"},
		{"42", "2"},
		{"example.com", "01"},
		{"' OR '1'='1", ""},
		{"?", ""},
		{"nobody", ""},
	} {
		page := list(t, st, postern.UserQuery{Filter: c.filter, Limit: 50, Ascending: true, Count: true})
		var got strings.Builder
		for _, u := range page.Users {
			got.WriteString(u.Role)
		}
		if got.String() != c.want || page.Total != len(c.want) {
			t.Errorf("filter %q: got %q, total %d, want %q", c.filter, got.String(), page.Total, c.want)
		}
	}
}

// Whoever has an address is found by it: SSO users, too, who may share it.
func listWholeAddress(t *testing.T, st postern.Store) {
	for i, c := range []struct {
		email, aud string
		sso        bool
	}{
		{email: "anna@example.com", aud: "authenticated"},
		{email: "anna@example.com", aud: "authenticated", sso: true},
		{email: "anna@example.com", aud: "other", sso: true},
		{email: "susanna@example.com", aud: "authenticated"},
		{email: "", aud: "authenticated"},
	} {
		u := user(c.email)
		u.Aud, u.IsSSOUser, u.CreatedAt = c.aud, c.sso, moment(i)
		u.Role = string(rune('0' + i))
		ok(t, st.AddUser(t.Context(), u))
	}
	for email, want := range map[string]string{"anna@example.com": "10", "susanna@example.com": "3", "nobody@example.com": ""} {
		var got strings.Builder
		for offset := range len(want) + 1 {
			page := list(t, st, postern.UserQuery{Email: email, Limit: 1, Offset: offset, Count: true})
			for _, u := range page.Users {
				got.WriteString(u.Role)
			}
			if page.Total != len(want) || page.More != (offset+1 < len(want)) {
				t.Errorf("%s from %d on: got total %d, more %v, want %d", email, offset, page.Total, page.More, len(want))
			}
		}
		if got.String() != want {
			t.Errorf("%s: got %q, want %q", email, got.String(), want)
		}
	}
}

func listEmpty(t *testing.T, st postern.Store) {
	page := list(t, st, postern.UserQuery{Limit: 50, Count: true})
	if len(page.Users) != 0 || page.Total != 0 || page.More {
		t.Errorf("got %d users, total %d, more %v, want none", len(page.Users), page.Total, page.More)
	}
}
