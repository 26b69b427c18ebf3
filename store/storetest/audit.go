package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/postern-auth/postern"
)

// auditEntry returns an entry with every field set.
func auditEntry(action, name string, at time.Time) postern.AuditEntry {
	return postern.AuditEntry{
		ID:        newID(),
		Payload:   postern.Metadata(fmt.Sprintf(`{"action": %q, "actor_name": %q, "traits": {"n": 1}}`, action, name)),
		CreatedAt: at,
		IPAddress: "192.0.2.1",
	}
}

func auditLog(t *testing.T, st postern.Store) {
	e := auditEntry("login", "Ada", moment(1))
	ok(t, st.AddAuditEntry(t.Context(), e))
	isError(t, "the same again", st.AddAuditEntry(t.Context(), e), postern.ErrRowTaken)
	bare := postern.AuditEntry{ID: newID(), CreatedAt: moment(2), Payload: postern.Metadata("{}")}
	ok(t, st.AddAuditEntry(t.Context(), bare))
	auditIs(t, st, postern.AuditSearch{Limit: 10, CountTo: 10}, 2, bare, e)
}

// auditIs fails the test unless a search finds some entries, in this order.
func auditIs(t *testing.T, st postern.Store, q postern.AuditSearch, total int, want ...postern.AuditEntry) {
	t.Helper()
	got, err := st.ListAuditEntries(t.Context(), q)
	ok(t, err)
	same(t, fmt.Sprintf("ListAuditEntries(%+v)", q), *got, postern.AuditEntries{Entries: want, Total: total})
}

func auditPages(t *testing.T, st postern.Store) {
	entries := make([]postern.AuditEntry, 5)
	for i := range entries {
		entries[i] = auditEntry("login", fmt.Sprint("user ", i), moment(9-i/2))
		entries[i].ID[0] = byte(9 - i) // of two at once the one with the higher id comes first
	}
	for _, i := range []int{3, 0, 4, 1, 2} {
		ok(t, st.AddAuditEntry(t.Context(), entries[i]))
	}
	auditIs(t, st, postern.AuditSearch{Limit: 50, CountTo: 50}, 5, entries...)
	auditIs(t, st, postern.AuditSearch{Limit: 2, CountTo: 50}, 5, entries[:2]...)
	auditIs(t, st, postern.AuditSearch{Limit: 2, Offset: 3, CountTo: 50}, 5, entries[3:]...)
	auditIs(t, st, postern.AuditSearch{Limit: 2, Offset: 5, CountTo: 50}, 5)
	auditIs(t, st, postern.AuditSearch{Limit: 1, CountTo: 3}, 3, entries[0])
	// The earlier ones go, and no others.
	dropsOneByOne(t, 3, moment(9), st.DropAuditEntries)
	auditIs(t, st, postern.AuditSearch{Limit: 50, CountTo: 50}, 2, entries[:2]...)
}

func auditSearch(t *testing.T, st postern.Store) {
	percent, ada, odd := auditEntry("log%in", "Ada Lovelace", moment(3)), auditEntry("login", "ada_l", moment(2)), auditEntry("LOGOUT", "Zo\u00eb", moment(1))
	bare := postern.AuditEntry{ID: newID(), CreatedAt: moment(9), Payload: postern.Metadata("{}")}
	for _, e := range []postern.AuditEntry{percent, ada, odd, bare} {
		ok(t, st.AddAuditEntry(t.Context(), e))
	}
	for _, c := range []struct {
		text    string
		members []string
		want    []postern.AuditEntry
	}{
		{"log", []string{"action"}, []postern.AuditEntry{percent, ada, odd}},
		{"LogOut", []string{"action"}, []postern.AuditEntry{odd}},
		{"%", []string{"action"}, []postern.AuditEntry{percent}},
		{"_", []string{"actor_name"}, []postern.AuditEntry{ada}},
		{"ADA", []string{"actor_username", "actor_name"}, []postern.AuditEntry{percent, ada}},
		{"Zo\u00eb", []string{"actor_name"}, []postern.AuditEntry{odd}},
		{"", []string{"action"}, []postern.AuditEntry{percent, ada, odd}},
		{"'", []string{"action"}, nil},
		{"log", []string{"a'b"}, nil},
	} {
		auditIs(t, st, postern.AuditSearch{Members: c.members, Text: c.text, Limit: 10, CountTo: 10}, len(c.want), c.want...)
	}
}
