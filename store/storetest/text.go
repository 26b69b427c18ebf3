package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// odd are texts that break what handles SQL or text carelessly.
var odd = [...]string{
	"'", "''", "'); DROP TABLE users; --", `"`, `\`, `\'`, `\\`, "`", ";", "--", "/*", "?", "??", "?0", "?id", ":name", "$1",
	"{}", "[]", "%", "_", "E'\\x00'", "line\nbreak\r\n", "\t", " leading", "trailing ", "é", "e\u0301", "ß", "İ", "日本",
	"😀", "👩\u200d👩\u200d👧", "\u202eright to left", "\ufeff", "\ufffd", "\x01\x1b\x7f", "NULL", "null", "0", "1e400",
}

func oddTexts(t *testing.T, st postern.Store) {
	for i, text := range odd {
		u := fullUser(fmt.Sprint("user", i))
		quoted, err := json.Marshal(text)
		ok(t, err)
		doc := postern.Metadata(fmt.Sprintf(`{"value": %s, %s: 1}`, quoted, quoted))
		u.Role, u.PasswordHash, u.NewEmail, u.NewPhone = text, postern.Secret(text), text, text
		u.Email, u.IsSSOUser = fmt.Sprint(i, strings.ToLower(text), "@example.com"), false
		u.AppMetadata, u.UserMetadata = doc, doc
		u.Identities[0].ID, u.Identities[0].IdentityData, u.Identities[0].Email = text, doc, ""
		s := fullSession(u.ID)
		s.UserAgent, s.Tag, s.Scopes, s.RefreshTokenKey = text, text, text, postern.Secret(text)
		ok(t, st.AddUser(t.Context(), u))
		ok(t, st.AddSession(t.Context(), s))
		isStored(t, st, u, s)

		got, err := st.FindUserByEmail(t.Context(), u.Email, u.Aud)
		isFound(t, u.Email, got, err, u)
		page := list(t, st, postern.UserQuery{Filter: u.Email, Limit: 50})
		if len(page.Users) == 0 {
			t.Errorf("filter %q: got no user", u.Email)
		}
		ok(t, st.RotateSession(t.Context(), postern.SessionRotation{ID: s.ID, From: 7, At: moment(1), UserAgent: text}))
		_, err = st.UpdateUser(t.Context(), u.ID, moment(1), func(u *postern.UserRecord) error {
			u.Role = text + text
			return nil
		})
		ok(t, err)
		_, err = st.FindLegacyToken(t.Context(), text)
		isError(t, "FindLegacyToken", err, postern.ErrNoRow)
		oddToken(t, st, u, text)
		oddFlow(t, st, text)
		oddCounter(t, st, text)
		oddPasskey(t, st, u.ID, i, text, doc)
		oddFactor(t, st, u.ID, s, i, text)
	}
}

func oddPasskey(t *testing.T, st postern.Store, userID uuid.UUID, n int, text string, doc postern.Metadata) {
	t.Helper()
	want := fullPasskey(userID, n)
	want.FriendlyName, want.AttestationType, want.Transports = text, text, []string{text, "usb", text}
	want.CredentialID, want.PublicKey = fmt.Append(want.CredentialID, text), []byte(text)
	ok(t, st.AddPasskey(t.Context(), want))
	hasPasskeys(t, st, userID, want)
	want, err := st.UpdatePasskey(t.Context(), userID, want.ID, moment(50), func(p *postern.PasskeyRecord) error {
		p.FriendlyName, p.AttestationType, p.Transports = text+text, text+text, []string{text}
		return nil
	})
	ok(t, err)
	hasPasskeys(t, st, userID, want)
	c := fullCeremony(userID)
	c.SessionData = doc
	ok(t, st.AddCeremony(t.Context(), c))
	takes(t, st, c)
}

// oddFactor comes last, as it gives the user a factor and raises the session.
func oddFactor(t *testing.T, st postern.Store, userID uuid.UUID, s *postern.SessionRecord, n int, text string) {
	t.Helper()
	want := fullFactor(userID, n)
	want.FriendlyName, want.Phone, want.Secret = text, text, postern.Secret(text)
	ok(t, st.AddFactor(t.Context(), want))
	c := fullChallenge(want.ID)
	c.Code = postern.Secret(text)
	ok(t, st.AddChallenge(t.Context(), &c))
	hasChallenge(t, st, c)
	want, err := st.UpdateFactor(t.Context(), want.ID, moment(50), func(f *postern.FactorRecord) error {
		f.FriendlyName, f.Secret = text+text, postern.Secret(text+text)
		return nil
	})
	ok(t, err)
	hasFactor(t, st, want)
	r := raise(s, want.ID, text, 60)
	r.Key = postern.Secret(text)
	raised, err := st.RaiseSession(t.Context(), r)
	ok(t, err)
	same(t, "the newest AMR entry", raised.AMR[0], postern.AMREntry{Method: text, At: moment(60)})
	ok(t, st.LowerSessions(t.Context(), want.UserID, want.ID, []string{text}, moment(61)))
	lowered, _, err := st.FindSession(t.Context(), s.ID)
	ok(t, err)
	if len(lowered.AMR) != len(s.AMR) {
		t.Errorf("lowered without %q: got %d AMR entries, want %d", text, len(lowered.AMR), len(s.AMR))
	}
}

func oddToken(t *testing.T, st postern.Store, u *postern.UserRecord, text string) {
	t.Helper()
	want := postern.OneTimeToken{
		UserID: u.ID, Kind: postern.OneTimePhoneChange, CodeHash: text, LinkHash: text, RelatesTo: text, CreatedAt: moment(1),
	}
	ok(t, st.PutOneTimeToken(t.Context(), want))
	got, _, err := st.FindOneTimeToken(t.Context(), []string{"another", text})
	ok(t, err)
	same(t, "FindOneTimeToken", *got, want)
	waiting, err := st.UsersByNewPhone(t.Context(), text, u.Aud) // NewPhone is the text, too
	if err != nil || len(waiting) != 1 || waiting[0].ID != u.ID {
		t.Errorf("UsersByNewPhone %q: got %d users, %v, want the one", text, len(waiting), err)
	}
	ok(t, st.TakeOneTimeToken(t.Context(), u.ID, want.Kind, text))
}

func oddFlow(t *testing.T, st postern.Store, text string) {
	t.Helper()
	want := fullFlow(newID())
	want.AuthCode, want.CodeChallenge, want.ProviderType, want.AuthenticationMethod = text, text, text, text
	want.ProviderAccessToken, want.ProviderRefreshToken = postern.Secret(text), postern.Secret(text)
	want.InviteToken, want.Referrer, want.Browser = text, text, text
	want.ClientState.ProviderType, want.ClientState.CodeVerifier = text, postern.Secret(text)
	ok(t, st.AddFlow(t.Context(), want))
	hasFlow(t, st, want)
}

func oddCounter(t *testing.T, st postern.Store, text string) {
	t.Helper()
	counts(t, st, text, moment(1), moment(0), 1)
	counts(t, st, text, moment(1), moment(0), 2)
	_, err := st.Claim(t.Context(), text, moment(2), moment(1))
	ok(t, err)
	ok(t, st.DropCounter(t.Context(), text))
	counts(t, st, text, moment(1), moment(0), 1)
	b := postern.Bucket{Key: text, Every: time.Hour, Size: 1}
	spends(t, st, b, moment(1), 0)
	spends(t, st, b, moment(1), time.Hour)
	ok(t, st.DropBucket(t.Context(), text))
	spends(t, st, b, moment(1), 0)
}

func badTexts(t *testing.T, st postern.Store) {
	u := fullUser("a")
	s := fullSession(u.ID)
	ok(t, st.AddUser(t.Context(), u))
	ok(t, st.AddSession(t.Context(), s))
	factor, passkey := withFactor(t, st, u.ID, 1), withPasskey(t, st, u.ID, 1)
	for _, bad := range []string{"a\x00b", "\xff", "a\xc0\xafb", "\xed\xa0\x80"} {
		for what, err := range withText(t, st, u, s, bad) {
			isError(t, fmt.Sprintf("%s with %q", what, bad), err, postern.ErrUnstorable)
		}
		for what, err := range withTokenText(t, st, u, bad) {
			isError(t, fmt.Sprintf("%s with %q", what, bad), err, postern.ErrUnstorable)
		}
		for what, err := range withFactorText(t, st, factor, s, bad) {
			isError(t, fmt.Sprintf("%s with %q", what, bad), err, postern.ErrUnstorable)
		}
		for what, err := range withPasskeyText(t, st, passkey, bad) {
			isError(t, fmt.Sprintf("%s with %q", what, bad), err, postern.ErrUnstorable)
		}
	}
	for _, bad := range []string{
		"{\"a\": \"\xff\"}", "{\"a\": \"\x00\"}", `{"a": "\u0000"}`, `{"\u0000": 1}`,
		`{"a": "\ud800"}`, `{"a": "\udc00\ud800"}`, `{"a": "\ud800\u0041"}`, `{"a": "\uD800udc00"}`,
		`{"a": 1`, `{"a": 1} {}`, `{a: 1}`,
	} {
		for what, err := range withMetadata(t, st, u, postern.Metadata(bad)) {
			isError(t, fmt.Sprintf("%s with %q", what, bad), err, postern.ErrUnstorable)
		}
		for what, err := range withFactorMetadata(t, st, factor, postern.Metadata(bad)) {
			isError(t, fmt.Sprintf("%s with %q", what, bad), err, postern.ErrUnstorable)
		}
		ceremony := fullCeremony(u.ID)
		ceremony.SessionData = postern.Metadata(bad)
		isError(t, fmt.Sprintf("AddCeremony with %q", bad), st.AddCeremony(t.Context(), ceremony), postern.ErrUnstorable)
	}
	hasFactor(t, st, factor)
	hasPasskeys(t, st, u.ID, passkey)
	ok(t, st.DeleteFactor(t.Context(), factor.ID))
	isStored(t, st, u, s)
}

// withText returns what methods answer to a text.
func withText(t *testing.T, st postern.Store, u *postern.UserRecord, s *postern.SessionRecord, text string) map[string]error {
	other, session := fullUser("b"), fullSession(u.ID)
	other.Identities[0].ID = text
	session.UserAgent = text
	update := func(change func(*postern.UserRecord)) error {
		_, err := st.UpdateUser(t.Context(), u.ID, moment(1), func(u *postern.UserRecord) error {
			change(u)
			return nil
		})
		return err
	}
	_, open := st.OpenSession(t.Context(), postern.SessionOpening{PasswordHash: u.PasswordHash, NewHash: u.PasswordHash, Session: session})
	retired := key(text)
	return map[string]error{
		"AddUser":                      st.AddUser(t.Context(), other),
		"AddSession":                   st.AddSession(t.Context(), session),
		"OpenSession":                  open,
		"UpdateUser, address":          update(func(u *postern.UserRecord) { u.Email = text }),
		"UpdateUser, hash":             update(func(u *postern.UserRecord) { u.PasswordHash = postern.Secret(text) }),
		"UpdateUser, identity":         update(func(u *postern.UserRecord) { u.Identities[0].ID = text }),
		"RotateSession":                st.RotateSession(t.Context(), postern.SessionRotation{ID: s.ID, From: 7, UserAgent: text}),
		"AddKey":                       st.AddKey(t.Context(), retired),
		"UpdateUser, waiting address":  update(func(u *postern.UserRecord) { u.NewEmail = text }),
		"UpgradeSession, its new key":  st.UpgradeSession(t.Context(), postern.SessionUpgrade{SessionID: s.ID, Key: postern.Secret(text)}),
		"UpgradeSession, its address":  st.UpgradeSession(t.Context(), postern.SessionUpgrade{SessionID: s.ID, UserAgent: text}),
		"AddUser, the user's audience": st.AddUser(t.Context(), &postern.UserRecord{User: postern.User{ID: newID(), Aud: text}}),
	}
}

// withTokenText is withText for one-time tokens, flows and counters.
func withTokenText(t *testing.T, st postern.Store, u *postern.UserRecord, text string) map[string]error {
	put := func(change func(*postern.OneTimeToken)) error {
		token := token(u.ID, postern.OneTimeRecovery, "a")
		change(&token)
		return st.PutOneTimeToken(t.Context(), token)
	}
	add := func(change func(*postern.FlowRecord)) error {
		flow := fullFlow(u.ID)
		change(&flow)
		return st.AddFlow(t.Context(), flow)
	}
	_, _, byLink := st.FindOneTimeToken(t.Context(), []string{"good", text})
	_, byEmail := st.UsersByNewEmail(t.Context(), text, u.Aud)
	_, byPhone := st.UsersByNewPhone(t.Context(), text, u.Aud)
	_, byAudience := st.UsersByNewEmail(t.Context(), u.NewEmail, text)
	_, newest := st.NewestFlow(t.Context(), u.ID, text)
	_, byCode := st.FindFlowByCode(t.Context(), text)
	_, counted := st.Count(t.Context(), text, moment(1), moment(0))
	_, spent := st.Spend(t.Context(), postern.Bucket{Key: text, Every: time.Hour, Size: 1}, moment(1))
	_, claimed := st.Claim(t.Context(), text, moment(1), moment(0))
	_, searched := st.ListAuditEntries(t.Context(), postern.AuditSearch{Members: []string{"action"}, Text: text, Limit: 1})
	return map[string]error{
		"PutOneTimeToken, code":     put(func(t *postern.OneTimeToken) { t.CodeHash = text }),
		"PutOneTimeToken, link":     put(func(t *postern.OneTimeToken) { t.LinkHash = text }),
		"PutOneTimeToken, address":  put(func(t *postern.OneTimeToken) { t.RelatesTo = text }),
		"TakeOneTimeToken":          st.TakeOneTimeToken(t.Context(), u.ID, postern.OneTimeRecovery, text),
		"FindOneTimeToken":          byLink,
		"UsersByNewEmail":           byEmail,
		"UsersByNewEmail, audience": byAudience,
		"UsersByNewPhone":           byPhone,
		"AddFlow, code":             add(func(f *postern.FlowRecord) { f.AuthCode = text }),
		"AddFlow, challenge":        add(func(f *postern.FlowRecord) { f.CodeChallenge = text }),
		"AddFlow, provider's token": add(func(f *postern.FlowRecord) { f.ProviderAccessToken = postern.Secret(text) }),
		"NewestFlow":                newest,
		"FindFlow":                  byCode,
		"Count":                     counted,
		"Claim":                     claimed,
		"DropCounter":               st.DropCounter(t.Context(), text),
		"ListAuditEntries":          searched,
		"AddAuditEntry, address":    st.AddAuditEntry(t.Context(), postern.AuditEntry{ID: newID(), IPAddress: text, CreatedAt: moment(1)}),
		"Spend":                     spent,
		"DropBucket":                st.DropBucket(t.Context(), text),
	}
}

// withFactorText is withText for factors, challenges and what they do to sessions.
func withFactorText(t *testing.T, st postern.Store, f *postern.FactorRecord, s *postern.SessionRecord, text string) map[string]error {
	add := func(change func(*postern.FactorRecord)) error {
		factor := fullFactor(f.UserID, 2)
		change(factor)
		return st.AddFactor(t.Context(), factor)
	}
	update := func(change func(*postern.FactorRecord)) error {
		_, err := st.UpdateFactor(t.Context(), f.ID, moment(1), func(f *postern.FactorRecord) error {
			change(f)
			return nil
		})
		return err
	}
	challenge := fullChallenge(f.ID)
	challenge.Code = postern.Secret(text)
	byMethod, byKey := raise(s, f.ID, text, 1), raise(s, f.ID, "totp", 1)
	byKey.Key = postern.Secret(text)
	_, method := st.RaiseSession(t.Context(), byMethod)
	_, key := st.RaiseSession(t.Context(), byKey)
	return map[string]error{
		"AddFactor, name":       add(func(f *postern.FactorRecord) { f.FriendlyName = text }),
		"AddFactor, number":     add(func(f *postern.FactorRecord) { f.Phone = text }),
		"AddFactor, type":       add(func(f *postern.FactorRecord) { f.FactorType = text }),
		"AddFactor, secret":     add(func(f *postern.FactorRecord) { f.Secret = postern.Secret(text) }),
		"UpdateFactor, name":    update(func(f *postern.FactorRecord) { f.FriendlyName = text }),
		"UpdateFactor, status":  update(func(f *postern.FactorRecord) { f.Status = text }),
		"UpdateFactor, secret":  update(func(f *postern.FactorRecord) { f.Secret = postern.Secret(text) }),
		"AddChallenge":          st.AddChallenge(t.Context(), &challenge),
		"RaiseSession, method":  method,
		"RaiseSession, its key": key,
		"LowerSessions":         st.LowerSessions(t.Context(), f.UserID, f.ID, []string{"totp", text}, moment(1)),
	}
}

// withPasskeyText is withText for passkeys and ceremonies.
func withPasskeyText(t *testing.T, st postern.Store, p *postern.PasskeyRecord, text string) map[string]error {
	add := func(change func(*postern.PasskeyRecord)) error {
		passkey := fullPasskey(p.UserID, 2)
		change(passkey)
		return st.AddPasskey(t.Context(), passkey)
	}
	update := func(change func(*postern.PasskeyRecord)) error {
		_, err := st.UpdatePasskey(t.Context(), p.UserID, p.ID, moment(1), func(p *postern.PasskeyRecord) error {
			change(p)
			return nil
		})
		return err
	}
	ceremony := fullCeremony(p.UserID)
	ceremony.Kind = postern.CeremonyKind(text)
	_, taken := st.TakeCeremony(t.Context(), ceremony.ID, ceremony.Kind)
	return map[string]error{
		"AddPasskey, name":           add(func(p *postern.PasskeyRecord) { p.FriendlyName = text }),
		"AddPasskey, attestation":    add(func(p *postern.PasskeyRecord) { p.AttestationType = text }),
		"AddPasskey, transport":      add(func(p *postern.PasskeyRecord) { p.Transports = []string{"usb", text} }),
		"UpdatePasskey, name":        update(func(p *postern.PasskeyRecord) { p.FriendlyName = text }),
		"UpdatePasskey, attestation": update(func(p *postern.PasskeyRecord) { p.AttestationType = text }),
		"UpdatePasskey, transport":   update(func(p *postern.PasskeyRecord) { p.Transports = []string{"usb", text} }),
		"AddCeremony":                st.AddCeremony(t.Context(), ceremony),
		"TakeCeremony":               taken,
	}
}

// withFactorMetadata is withMetadata for factors and challenges.
func withFactorMetadata(t *testing.T, st postern.Store, f *postern.FactorRecord, m postern.Metadata) map[string]error {
	byCredential, byData, challenge := fullFactor(f.UserID, 2), fullFactor(f.UserID, 3), fullChallenge(f.ID)
	byCredential.WebAuthnCredential, byData.LastWebAuthnChallengeData, challenge.WebAuthnSessionData = m, m, m
	_, err := st.UpdateFactor(t.Context(), f.ID, moment(1), func(f *postern.FactorRecord) error {
		f.WebAuthnCredential = m
		return nil
	})
	return map[string]error{
		"AddFactor, credential": st.AddFactor(t.Context(), byCredential),
		"AddFactor, data":       st.AddFactor(t.Context(), byData),
		"UpdateFactor":          err,
		"AddChallenge":          st.AddChallenge(t.Context(), &challenge),
	}
}

// withMetadata returns what methods answer to metadata.
func withMetadata(t *testing.T, st postern.Store, u *postern.UserRecord, m postern.Metadata) map[string]error {
	byUser, byIdentity := fullUser("b"), fullUser("c")
	byUser.UserMetadata = m
	byIdentity.Identities[0].IdentityData = m
	_, err := st.UpdateUser(t.Context(), u.ID, moment(1), func(u *postern.UserRecord) error {
		u.AppMetadata = m
		return nil
	})
	return map[string]error{
		"AddUser":           st.AddUser(t.Context(), byUser),
		"AddUser, identity": st.AddUser(t.Context(), byIdentity),
		"UpdateUser":        err,
		"AddAuditEntry":     st.AddAuditEntry(t.Context(), postern.AuditEntry{ID: newID(), Payload: m, CreatedAt: moment(1)}),
	}
}
