package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
)

// identityRow is a row of identities.
type identityRow struct {
	bun.BaseModel

	ID           uuid.UUID `bun:"id,pk"`
	ProviderID   text      `bun:"provider_id"`
	UserID       uuid.UUID `bun:"user_id"`
	IdentityData document  `bun:"identity_data"`
	Provider     text      `bun:"provider"`
	LastSignInAt instant   `bun:"last_sign_in_at"`
	CreatedAt    instant   `bun:"created_at"`
	UpdatedAt    instant   `bun:"updated_at"`
	Email        text      `bun:"email,scanonly"` // generated
}

func newIdentityRows(userID uuid.UUID, identities []postern.Identity) []identityRow {
	rows := make([]identityRow, len(identities))
	for i, identity := range identities {
		rows[i] = identityRow{
			ID:           identity.IdentityID,
			ProviderID:   text(identity.ID),
			UserID:       userID,
			IdentityData: newDocument(identity.IdentityData),
			Provider:     text(identity.Provider),
			LastSignInAt: optionalInstant(identity.LastSignInAt),
			CreatedAt:    newInstant(identity.CreatedAt),
			UpdatedAt:    newInstant(identity.UpdatedAt),
		}
	}
	return rows
}

func (r *identityRow) identity() postern.Identity {
	return postern.Identity{
		IdentityID:   r.ID,
		ID:           string(r.ProviderID),
		UserID:       r.UserID,
		IdentityData: r.IdentityData.metadata(),
		Provider:     string(r.Provider),
		LastSignInAt: r.LastSignInAt.pointer(),
		CreatedAt:    r.CreatedAt.Time,
		UpdatedAt:    r.UpdatedAt.Time,
		Email:        string(r.Email),
	}
}

func (c conn) addIdentities(ctx context.Context, rows []identityRow) error {
	if len(rows) == 0 {
		return nil
	}
	if err := storable(rows); err != nil {
		return c.fault("add identities", err)
	}
	_, err := c.NewInsert().Model(&rows).ModelTableExpr("?", c.table("identities")).Exec(ctx)
	return c.fault("add identities", err)
}

// updateIdentities writes what differs between two lists. It begins with what is
// gone, so that an identity can be replaced by another of the same subject.
func (c conn) updateIdentities(ctx context.Context, before, after []identityRow) error {
	old, err := c.dropIdentities(ctx, before, after)
	if err != nil {
		return err
	}
	var added []identityRow
	for i := range after {
		row, ok := old[after[i].ID]
		if !ok {
			added = append(added, after[i])
			continue
		}
		if err := c.updateIdentity(ctx, &row, &after[i]); err != nil {
			return err
		}
	}
	return c.addIdentities(ctx, added)
}

// dropIdentities deletes those that are not in after, and returns the others by
// their id.
func (c conn) dropIdentities(ctx context.Context, before, after []identityRow) (map[uuid.UUID]identityRow, error) {
	kept := make(map[uuid.UUID]bool, len(after))
	for _, row := range after {
		kept[row.ID] = true
	}
	old := make(map[uuid.UUID]identityRow, len(before))
	for _, row := range before {
		if kept[row.ID] {
			old[row.ID] = row
			continue
		}
		_, err := c.NewDelete().TableExpr("?", c.table("identities")).Where("id = ?", row.ID).Exec(ctx)
		if err != nil {
			return nil, c.fault("remove an identity", err)
		}
	}
	return old, nil
}

func (c conn) updateIdentity(ctx context.Context, before, after *identityRow) error {
	changed, values := changes(before, after)
	if len(changed) == 0 {
		return nil
	}
	if err := storable(values...); err != nil {
		return c.fault("update an identity", err)
	}
	_, err := c.NewUpdate().Model(after).ModelTableExpr("?", c.table("identities")).
		Column(changed...).Where("id = ?", after.ID).Exec(ctx)
	return c.fault("update an identity", err)
}
