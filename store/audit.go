package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// auditRow is a row of audit_log_entries.
type auditRow struct {
	bun.BaseModel `bun:"alias:e"`

	InstanceID uuid.UUID `bun:"instance_id"`
	ID         uuid.UUID `bun:"id,pk"`
	Payload    document  `bun:"payload"`
	CreatedAt  instant   `bun:"created_at"`
	IPAddress  text      `bun:"ip_address"` // text in PostgreSQL, too; '' when unknown
}

func newAuditRow(e postern.AuditEntry) *auditRow {
	return &auditRow{ID: e.ID, Payload: newDocument(e.Payload), CreatedAt: newInstant(e.CreatedAt), IPAddress: text(e.IPAddress)}
}

func (r *auditRow) entry() postern.AuditEntry {
	return postern.AuditEntry{
		ID: r.ID, Payload: r.Payload.metadata(), CreatedAt: r.CreatedAt.Time, IPAddress: string(r.IPAddress),
	}
}

// AddAuditEntry implements postern.Store.
func (s *Store) AddAuditEntry(ctx context.Context, e postern.AuditEntry) error {
	row := newAuditRow(e)
	if err := storable(row); err != nil {
		return explain("write to the audit log", err)
	}
	return s.write(ctx, func(ctx context.Context, c conn) error {
		_, err := c.change(ctx, addAuditEntry, arguments(row)...)
		return c.fault("write to the audit log", err)
	})
}

// ListAuditEntries implements postern.Store. Rows without a time of creation come
// last.
func (s *Store) ListAuditEntries(ctx context.Context, q postern.AuditSearch) (*postern.AuditEntries, error) {
	if err := storable(q.Members, q.Text); err != nil {
		return nil, explain("list the audit log", err)
	}
	var found postern.AuditEntries
	err := s.read(ctx, func(ctx context.Context, c conn) error {
		counted := c.selectAudit((*auditRow)(nil), q).ColumnExpr("1").Limit(int64(q.CountTo))
		if err := c.NewSelect().TableExpr("(?) AS c", counted).ColumnExpr("count(*)").Scan(ctx, &found.Total); err != nil {
			return c.fault("count the audit log", err)
		}
		var rows []auditRow
		err := c.selectAudit(&rows, q).OrderExpr("e.created_at DESC NULLS LAST, e.id DESC").
			Offset(int64(q.Offset)).Limit(int64(q.Limit)).Scan(ctx)
		for i := range rows {
			found.Entries = append(found.Entries, rows[i].entry())
		}
		return c.fault("list the audit log", err)
	})
	if err != nil {
		return nil, err
	}
	return &found, nil
}

// selectAudit selects all that a search matches. Texts are compared without patterns,
// so that % and _ stand for themselves.
func (c conn) selectAudit(model any, q postern.AuditSearch) *bun.SelectQuery {
	list := c.NewSelect().Model(model).ModelTableExpr("? AS e", c.table("audit_log_entries"))
	if len(q.Members) == 0 {
		return list
	}
	position, readable := bun.Safe("strpos"), bun.Safe(`e.payload::text !~ '\\u(0000|[dD][89a-fA-F])'`)
	if c.sqlite {
		position, readable = "instr", "TRUE" // the same under another name
	}
	return list.WhereGroup(" AND ", func(list *bun.SelectQuery) *bun.SelectQuery {
		for _, member := range q.Members {
			// PostgreSQL fails where it is to read an escape that it knows no letter for.
			list.WhereOr("CASE WHEN ? THEN ?(lower(e.payload ->> ?), lower(?)) > 0 END", readable, position, member, q.Text)
		}
		return list
	})
}

// DropAuditEntries implements postern.Store.
func (s *Store) DropAuditEntries(ctx context.Context, before time.Time, limit int) (more bool, err error) {
	return s.dropSome(ctx, "audit_log_entries", "id", limit, "t.created_at < ?", newInstant(before))
}
