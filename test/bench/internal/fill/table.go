package fill

import (
	"time"

	"github.com/google/uuid"
)

// table is one that is filled. Its values are nil, strings, integers and booleans, in
// the spelling of package store, which both databases read.
type table struct {
	name    string
	columns []string
	rows    func(m *member) [][]any
}

// tables come in an order in which references find what they refer to.
var tables = []table{
	{"users", []string{
		"instance_id", "id", "aud", "role", "email", "encrypted_password", "email_confirmed_at",
		"phone", "phone_confirmed_at", "last_sign_in_at", "created_at", "updated_at",
		"raw_app_meta_data", "raw_user_meta_data",
		"confirmation_token", "recovery_token", "email_change_token_new", "email_change_token_current", "email_change",
		"phone_change", "phone_change_token", "reauthentication_token",
		"email_change_confirm_status", "is_sso_user", "is_anonymous",
	}, userRows},
	{"identities", []string{
		"id", "provider_id", "user_id", "identity_data", "provider", "last_sign_in_at", "created_at", "updated_at",
	}, identityRows},
	{"sessions", []string{
		"id", "user_id", "created_at", "updated_at", "aal", "user_agent", "ip", "refresh_token_hmac_key", "refresh_token_counter",
	}, sessionRows},
	{"mfa_amr_claims", []string{
		"id", "session_id", "authentication_method", "created_at", "updated_at",
	}, methodRows},
}

func userRows(m *member) [][]any {
	at := instant(m.at)
	var phone, phoneConfirmedAt any
	if m.phone != "" {
		phone, phoneConfirmedAt = m.phone, at
	}
	return [][]any{{
		uuid.Nil.String(), m.id.String(), "authenticated", "authenticated", m.email, PasswordHash, at,
		phone, phoneConfirmedAt, at, at, at,
		`{"provider":"email","providers":["email"]}`, m.userMetadata(),
		"", "", "", "", "",
		"", "", "",
		0, false, false,
	}}
}

func identityRows(m *member) [][]any {
	id, at := m.id.String(), instant(m.at)
	rows := [][]any{{m.emailIdentity.String(), id, id, m.emailData(), "email", at, at, at}}
	if m.phone != "" {
		rows = append(rows, []any{m.phoneIdentity.String(), id, id, m.phoneData(), "phone", at, at, at})
	}
	return rows
}

// userAgent and address are those of all who signed up.
const (
	userAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
	address   = "192.0.2.1"
)

func sessionRows(m *member) [][]any {
	if m.n%sessionEvery != 0 {
		return nil
	}
	at := instant(m.at)
	return [][]any{{m.session.String(), m.id.String(), at, at, "aal1", userAgent, address, m.refreshKey, 0}}
}

func methodRows(m *member) [][]any {
	if m.n%sessionEvery != 0 {
		return nil
	}
	const method = "password"
	at := instant(m.at)
	return [][]any{{uuid.NewSHA1(m.session, []byte(method)).String(), m.session.String(), method, at, at}}
}

func instant(t time.Time) string { return t.Format("2006-01-02T15:04:05.000000Z") }
