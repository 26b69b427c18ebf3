package store_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/dbtest"
	"github.com/postern-auth/postern/store"
)

// TestAuditEntriesThatOthersWrote: rows that only SQL could have made neither fail a
// list nor a search.
func TestAuditEntriesThatOthersWrote(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		known := postern.AuditEntry{ID: uuid.New(), Payload: postern.Metadata(`{"action":"login"}`), CreatedAt: at}
		ok(t, st.AddAuditEntry(t.Context(), known))
		odd := []string{"NULL", "'null'", "'[1]'", `'"login"'`, `'{"action": 1, "more": {"login": []}}'`, `'{"action": null}'`, `'{"action":  "token_refreshed"}'`}
		if isPostgres(st) { // a column of SQLite's takes these, and says so as they are read
			odd = append(odd, `'{"action": "\u0000"}'`, `'{"action": "\ud800"}'`, `'{"actor_name": "\udc00", "action": "x"}'`)
		}
		for _, payload := range odd {
			execute(t, st.DB(), inDialect(st, `INSERT INTO auth.audit_log_entries (id, payload, ip_address) VALUES (gen(), `+payload+`, 'somewhere')`))
		}
		all, err := st.ListAuditEntries(t.Context(), postern.AuditSearch{Limit: 100, CountTo: 100})
		ok(t, err)
		if len(all.Entries) != len(odd)+1 || all.Total != len(odd)+1 || all.Entries[0].ID != known.ID {
			t.Errorf("got %d entries, %d in all, the first %+v; want %d, and those without a time last", len(all.Entries), all.Total, all.Entries[0], len(odd)+1)
		}
		found, err := st.ListAuditEntries(t.Context(), postern.AuditSearch{Members: []string{"action"}, Text: "log", Limit: 100, CountTo: 100})
		ok(t, err)
		if len(found.Entries) != 1 || found.Total != 1 || found.Entries[0].ID != known.ID {
			t.Errorf("got %+v, want the one that can be read", found)
		}
		found, err = st.ListAuditEntries(t.Context(), postern.AuditSearch{Members: []string{"action"}, Text: "refreshed", Limit: 100, CountTo: 100})
		ok(t, err)
		if len(found.Entries) != 1 || string(found.Entries[0].Payload) != `{"action":  "token_refreshed"}` || found.Entries[0].IPAddress != "somewhere" {
			t.Errorf("got %+v, want the row as it is", found)
		}
	})
}

func TestAuditLogIsReadByItsIndex(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, st *store.Store) {
		for _, statement := range []string{
			`INSERT INTO auth.audit_log_entries (id, payload, created_at)
				WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
				SELECT gen(), '{"action": "login", "log_type": "account"}', :now FROM n`,
			`ANALYZE`,
		} {
			execute(t, st.DB(), inDialect(st, statement))
		}
		plans := plansOf(t, st, func(joined *store.Store) {
			_, err := joined.ListAuditEntries(t.Context(), postern.AuditSearch{Limit: 50, CountTo: 1000})
			ok(t, err)
			_, err = joined.DropAuditEntries(t.Context(), at.Add(-time.Hour), 100)
			ok(t, err)
		})
		explained := 0
		for _, p := range plans {
			list, drop := strings.Contains(p.query, "ORDER BY"), strings.HasPrefix(p.query, "WITH")
			if !list && !drop {
				continue // the count reads as many rows as it may, by whatever way
			}
			explained++
			if !strings.Contains(p.text, "postern_audit_log_created_at_idx") || regexp.MustCompile(`Sort|Seq Scan|TEMP B-TREE`).MatchString(p.text) {
				t.Errorf("got a plan without the index, or one that sorts:\n%s\n%s", p.query, p.text)
			}
		}
		if explained != 2 {
			t.Errorf("got %d statements, want 2: %q", explained, plans)
		}
	})
}
