package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/postern-auth/postern"
)

// RefreshSession implements postern.Store. PostgreSQL does it in one step.
func (s *Store) RefreshSession(ctx context.Context, r postern.SessionRotation) (session *postern.SessionRecord, user *postern.UserRecord, rotated bool, err error) {
	if err := storable(r); err != nil {
		return nil, nil, false, explain("refresh a session", err)
	}
	if s.sqlite {
		session, user, err = s.FindSession(ctx, r.ID)
		return session, user, false, err
	}
	err = s.write(ctx, func(ctx context.Context, c conn) error {
		found, err := c.find(ctx, refreshSession, append(rotationArgs(r), r.Signed, r.MAC)...)
		if err != nil {
			return c.fault("refresh a session", err)
		}
		session, user, rotated = found.sessionRecord(), found.userRecord(), found.rotated
		return nil
	})
	return session, user, rotated, err
}

// refreshing moves a session on, if nothing about it is for others to decide, and reads
// what there is then. A key may be encrypted, which the database cannot undo.
var refreshing = function{
	params:  rotationParams + ", bytea, bytea",
	returns: "text",
	definition: `DECLARE moved bigint; BEGIN ` + rotation + ` AND not_after IS NULL AND oauth_client_id IS NULL
		AND EXISTS (SELECT 1 FROM auth.users u WHERE u.id = sessions.user_id AND u.banned_until IS NULL)
		AND ` + isSigned + `;
	GET DIAGNOSTICS moved = ROW_COUNT;
	RETURN ` + parts(fmt.Sprintf(`SELECT json_build_array(%d) WHERE moved > 0 UNION ALL `, rotatedPart)+foundBySession) + `; END`,
}

// isSigned compares a signature of 16 bytes, $9, with that of $8 by a session's key.
// What is compared are digests, so that the time that it takes tells nothing of the
// signature.
var isSigned = `CASE WHEN refresh_token_hmac_key ~ '^[A-Za-z0-9_-]{43}$'
	THEN sha256(substr(` + hmacSHA256(`encode(decode(translate(refresh_token_hmac_key, '-_', '+/') || '=', 'base64'), 'hex')`, "$8") + `, 1, 16)) = sha256($9)
	ELSE FALSE END`

// hmacSHA256 is HMAC-SHA-256 (RFC 2104) of a message with a key of 32 bytes, which is
// given in hexadecimal digits, by what PostgreSQL has built in.
func hmacSHA256(key, message string) string {
	padded := func(pad byte) string {
		var words []string
		for at := 1; at <= 64; at += 16 { // what is XORed are integers of 8 bytes
			words = append(words, fmt.Sprintf("int8send(('x' || substr(%s, %d, 16))::bit(64)::bigint # x'%s'::bigint)",
				key, at, strings.Repeat(fmt.Sprintf("%02x", pad), 8)))
		}
		rest := strings.Repeat(fmt.Sprintf("%02x", pad), sha256.BlockSize-32)
		return fmt.Sprintf(`%s || '\x%s'::bytea`, strings.Join(words, " || "), rest)
	}
	return fmt.Sprintf("sha256(%s || sha256(%s || %s))", padded(0x5c), padded(0x36), message)
}
