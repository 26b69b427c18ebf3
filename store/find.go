package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/postern-auth/postern"
)

// partKind says which table a row of a hot statement comes from.
type partKind int

const (
	userPart partKind = iota
	identityPart
	factorPart
	sessionPart
	amrPart
	tokenPart
	rotatedPart // no row: that the session was moved on
)

// partSeparator stands between parts of which several come in one value.
const partSeparator = 0x1e

// found is what a hot statement finds: a user, perhaps with a session.
type found struct {
	user       *userRow
	identities []*identityRow
	factors    []*factorRow
	session    *sessionRow
	amr        []*amrRow
	token      *foundToken
	rotated    bool
}

// find runs a hot statement. sql.ErrNoRows says that there is no such user.
func (c conn) find(ctx context.Context, by statement, args ...any) (*found, error) {
	var f found
	err := c.findParts(ctx, &f, by, args...)
	return f.withUser(err)
}

// withUser returns what was found unless there was an error, or no user.
func (f *found) withUser(err error) (*found, error) {
	if err == nil && f.user == nil {
		err = sql.ErrNoRows
	}
	if err != nil {
		return nil, err
	}
	f.sort()
	return f, nil
}

// findParts adds what a hot statement finds.
func (c conn) findParts(ctx context.Context, f *found, by statement, args ...any) error {
	rows, err := c.query(ctx, by, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var values sql.RawBytes
		if err := rows.Scan(&values); err != nil {
			return err
		}
		for part := range bytes.SplitSeq(values, []byte{partSeparator}) {
			if err := f.add(part); err != nil {
				return err
			}
		}
	}
	return cmp.Or(rows.Err(), rows.Close())
}

// add adds what a JSON array has in it: a partKind, which is a single digit, and the
// values of a row.
func (f *found) add(part []byte) error {
	if len(part) < 2 {
		return nil // nothing was found
	}
	kind := partKind(part[1] - '0')
	if err := decodePart(part, f.row(kind)); err != nil {
		return fmt.Errorf("decode part %d: %w", kind, err)
	}
	return nil
}

// row adds a row and returns where its kind and its columns belong.
func (f *found) row(kind partKind) []any {
	switch kind {
	case userPart:
		f.user = &userRow{}
		return pointers(f.user)
	case sessionPart:
		f.session = &sessionRow{}
		return pointers(f.session)
	case identityPart:
		return pointers(grow(&f.identities))
	case factorPart:
		return pointers(grow(&f.factors))
	case tokenPart:
		f.token = &foundToken{}
		return pointers(f.token)
	case rotatedPart:
		f.rotated = true
		return []any{new(partKind)}
	}
	return pointers(grow(&f.amr))
}

func grow[Row any](rows *[]*Row) *Row {
	row := new(Row)
	*rows = append(*rows, row)
	return row
}

// sort puts the lists in order: the database would do so at a higher price.
func (f *found) sort() {
	slices.SortFunc(f.identities, func(a, b *identityRow) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt.Time), slices.Compare(a.ID[:], b.ID[:]))
	})
	slices.SortFunc(f.factors, func(a, b *factorRow) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt.Time), slices.Compare(a.ID[:], b.ID[:]))
	})
	slices.SortFunc(f.amr, func(a, b *amrRow) int { // newest first
		return cmp.Or(b.UpdatedAt.Compare(a.UpdatedAt.Time), cmp.Compare(a.AuthenticationMethod, b.AuthenticationMethod))
	})
}

func (f *found) userRecord() *postern.UserRecord {
	u := &postern.UserRecord{
		User:                     f.user.user(),
		PasswordHash:             postern.Secret(f.user.EncryptedPassword),
		CodeHashes:               f.user.codeHashes(),
		EmailChangeConfirmStatus: int(f.user.EmailChangeConfirmStatus),
	}
	u.Identities = make([]postern.Identity, len(f.identities)) // not nil, which says "not loaded"
	for i, row := range f.identities {
		u.Identities[i] = row.identity()
	}
	for _, row := range f.factors {
		u.Factors = append(u.Factors, row.factor())
	}
	return u
}

// sessionRecord returns nil if there is no session.
func (f *found) sessionRecord() *postern.SessionRecord {
	if f.session == nil {
		return nil
	}
	s := f.session.session()
	for _, row := range f.amr {
		s.AMR = append(s.AMR, postern.AMREntry{Method: string(row.AuthenticationMethod), At: row.UpdatedAt.Time})
	}
	return s
}
