package envelope_test

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/postern-auth/postern/internal/envelope"
	"github.com/postern-auth/postern/internal/envtest"
	"github.com/postern-auth/postern/internal/refreshtoken"
)

// encryption is what the data set of a real server says about the one user whose
// columns it encrypted.
type encryption struct {
	User   string `json:"user"`
	KeyID  string `json:"key_id"`
	Key    string `json:"key"`
	Factor struct {
		ID     string `json:"factor_id"`
		Secret string `json:"secret"`
	} `json:"factor"`
	Session struct {
		ID    string `json:"session_id"`
		Token string `json:"refresh_token"`
	} `json:"aal1_session"`
}

type account struct {
	ID       string `json:"id"`
	Password string `json:"password"`
}

func TestEnvelopesOfGoTrueOpen(t *testing.T) {
	t.Parallel()
	var manifest struct {
		Encryption encryption         `json:"db_encryption"`
		Users      map[string]account `json:"users"`
	}
	if err := json.Unmarshal(envtest.ReadGoTrue(t, "gotrue", "manifest.json"), &manifest); err != nil {
		t.Fatal(err)
	}
	enc := manifest.Encryption
	user := manifest.Users[enc.User]
	dump := envtest.ReadGoTrue(t, "gotrue", "data.sql")

	hash := openColumn(t, enc, dump, "users", user.ID)
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(user.Password)); err != nil {
		t.Errorf("password hash %q: %v", hash, err)
	}
	if got := openColumn(t, enc, dump, "mfa_factors", enc.Factor.ID); got != enc.Factor.Secret {
		t.Errorf("TOTP secret %q, want %q", got, enc.Factor.Secret)
	}
	key, err := refreshtoken.DecodeKey(openColumn(t, enc, dump, "sessions", enc.Session.ID))
	if err != nil {
		t.Fatal(err)
	}
	token, err := refreshtoken.Parse(enc.Session.Token)
	if err != nil || !token.Verify(key) {
		t.Errorf("refresh token of session %s: error %v, verified %t", enc.Session.ID, err, token.Verify(key))
	}
}

// openColumn opens the one envelope in the row with this id.
func openColumn(t *testing.T, enc encryption, dump []byte, table, id string) string {
	t.Helper()
	key, err := base64.RawURLEncoding.DecodeString(enc.Key)
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^INSERT INTO auth\.` + table + ` .*'` + id + `'.*'(\{"key_id":[^']*\})'`)
	match := row.FindSubmatch(dump)
	if match == nil {
		t.Fatalf("no envelope in the row %s of %s", id, table)
	}
	if envelope.NeedsSealing(enc.KeyID, string(match[1])) {
		t.Errorf("%s needs sealing again under its own key", table)
	}
	opened, err := envelope.Open(map[string][]byte{enc.KeyID: key}, id, string(match[1]))
	if err != nil {
		t.Fatalf("%s: %v", table, err)
	}
	return opened
}
