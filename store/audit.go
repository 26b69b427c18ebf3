package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// auditRow is a row of audit_log_entries.
type auditRow struct {
	bun.BaseModel

	InstanceID uuid.UUID `bun:"instance_id"`
	ID         uuid.UUID `bun:"id,pk"`
	Payload    document  `bun:"payload"`
	CreatedAt  instant   `bun:"created_at"`
	IPAddress  text      `bun:"ip_address"` // text in PostgreSQL, too; '' when unknown
}

// AddAuditEntry implements postern.Store.
func (s *Store) AddAuditEntry(ctx context.Context, e postern.AuditEntry) error {
	row := &auditRow{ID: e.ID, Payload: newDocument(e.Payload), CreatedAt: newInstant(e.CreatedAt)}
	if e.IP.IsValid() {
		row.IPAddress = text(e.IP.WithZone("").String())
	}
	if err := storable(row); err != nil {
		return explain("write to the audit log", err)
	}
	return s.write(ctx, func(ctx context.Context, c conn) error {
		_, err := c.NewInsert().Model(row).ModelTableExpr("?", c.table("audit_log_entries")).Exec(ctx)
		return c.fault("write to the audit log", err)
	})
}
