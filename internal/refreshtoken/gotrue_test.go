package refreshtoken_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/postern-auth/postern/internal/envtest"
	"github.com/postern-auth/postern/internal/refreshtoken"
)

// issued is what the data set of a real server says about one session: the
// tokens it gave out, of which the last is current.
type issued struct {
	Name                   string `json:"name"`
	SessionID              string `json:"session_id"`
	Counter                int64  `json:"counter"`
	Token                  string `json:"refresh_token"`
	OneBeforePreviousToken string `json:"one_before_previous_token"`
	PreviousToken          string `json:"previous_token"`
	CurrentToken           string `json:"current_token"`
	Key                    string `json:"refresh_token_hmac_key"`
}

func (i issued) byAge() []string {
	return []string{i.Token + i.CurrentToken, i.PreviousToken, i.OneBeforePreviousToken}
}

func TestTokensOfGoTrueAreOurs(t *testing.T) {
	t.Parallel()
	var manifest struct {
		V2 struct {
			Sessions []issued `json:"sessions"`
		} `json:"v2_sessions"`
	}
	if err := json.Unmarshal(envtest.ReadGoTrue(t, "gotrue", "manifest.json"), &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest.V2.Sessions) == 0 {
		t.Fatal("the manifest has no v2_sessions")
	}
	keys := sessionKeys(envtest.ReadGoTrue(t, "gotrue", "data.sql"))
	for _, session := range manifest.V2.Sessions {
		t.Run(session.Name, func(t *testing.T) {
			t.Parallel()
			for age, text := range session.byAge() {
				if text != "" {
					checkIssued(t, text, session, session.Counter-int64(age), keys[session.SessionID])
				}
			}
		})
	}
}

// sessionKeys are the refresh_token_hmac_key columns by session.
func sessionKeys(dump []byte) map[string]string {
	row := regexp.MustCompile(`(?m)^INSERT INTO auth\.sessions .*VALUES \('([0-9a-f-]{36})',.*'([A-Za-z0-9_-]{43})', \d+, [^,]+\);$`)
	keys := map[string]string{}
	for _, match := range row.FindAllSubmatch(dump, -1) {
		keys[string(match[1])] = string(match[2])
	}
	return keys
}

// checkIssued does without the key for a session whose row is gone.
func checkIssued(t *testing.T, text string, session issued, counter int64, storedKey string) {
	t.Helper()
	token, err := refreshtoken.Parse(text)
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	if token.Version() != refreshtoken.V2 || token.SessionID().String() != session.SessionID || token.Counter() != counter {
		t.Errorf("got version %d, session %s, counter %d; want 2, %s, %d", token.Version(), token.SessionID(), token.Counter(), session.SessionID, counter)
	}
	if storedKey == "" {
		if session.Name != "signed_out" {
			t.Error("the session has no key in the dump")
		}
		return
	}
	if session.Key != "" && session.Key != storedKey {
		t.Errorf("key %s in the manifest, %s in the dump", session.Key, storedKey)
	}
	key, err := refreshtoken.DecodeKey(storedKey)
	if err != nil {
		t.Fatal(err)
	}
	if !token.Verify(key) {
		t.Errorf("%s does not verify", text)
	}
	if got := refreshtoken.Issue(token.SessionID(), counter, key); got != text {
		t.Errorf("Issue = %s, want %s", got, text)
	}
}
