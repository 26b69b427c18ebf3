package envelope_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/postern-auth/postern/internal/envelope"
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

// gotrueFile reads a file of the data set that a GoTrue server wrote, which lies
// beside the repository or where POSTERN_DATA_DIR says.
func gotrueFile(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("POSTERN_DATA_DIR")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	text, err := os.ReadFile(filepath.Join(dir, "gotrue", name))
	if err == nil {
		return text
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("the GoTrue data set is missing: %v", err)
	}
	t.Skipf("needs the GoTrue data set (set POSTERN_DATA_DIR): %v", err)
	return nil
}

func TestEnvelopesOfGoTrueOpen(t *testing.T) {
	t.Parallel()
	var manifest struct {
		Encryption encryption         `json:"db_encryption"`
		Users      map[string]account `json:"users"`
	}
	if err := json.Unmarshal(gotrueFile(t, "manifest.json"), &manifest); err != nil {
		t.Fatal(err)
	}
	enc := manifest.Encryption
	user := manifest.Users[enc.User]
	dump := gotrueFile(t, "data.sql")

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
