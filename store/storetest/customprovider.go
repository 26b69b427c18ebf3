package storetest

import (
	"errors"
	"testing"

	"github.com/postern-auth/postern"
)

// withCustomProvider stores a full provider.
func withCustomProvider(t *testing.T, st postern.Store, identifier string) *postern.CustomProviderRecord {
	t.Helper()
	p := customProvider(identifier)
	ok(t, st.AddCustomProvider(t.Context(), p))
	return p
}

func hasCustomProvider(t *testing.T, st postern.Store, want *postern.CustomProviderRecord) {
	t.Helper()
	got, err := st.FindCustomProvider(t.Context(), want.Identifier)
	ok(t, err)
	same(t, want.Identifier, got, want)
}

func customProviderRoundTrip(t *testing.T, st postern.Store) {
	full := withCustomProvider(t, st, "custom:full")
	bare := &postern.CustomProviderRecord{ClientSecret: "secret", CustomProvider: postern.CustomProvider{
		ID: newID(), ProviderType: "oauth2", Identifier: "custom:bare", Name: "n", ClientID: "c",
		AuthorizationURL: "https://a.example", TokenURL: "https://t.example", UserInfoURL: "https://u.example",
		CreatedAt: moment(1), UpdatedAt: moment(1),
	}}
	ok(t, st.AddCustomProvider(t.Context(), bare))
	// What is empty comes back empty, and not as none.
	bare.AcceptableClientIDs, bare.Scopes, bare.CustomClaims = []string{}, []string{}, []string{}
	bare.AttributeMapping, bare.AuthorizationParams = map[string]any{}, map[string]string{}
	hasCustomProvider(t, st, full)
	hasCustomProvider(t, st, bare)
	ok(t, st.DeleteCustomProvider(t.Context(), "custom:full"))
	_, err := st.FindCustomProvider(t.Context(), "custom:full")
	isError(t, "one that was deleted", err, postern.ErrNoRow)
	hasCustomProvider(t, st, bare)
}

func customProviderList(t *testing.T, st postern.Store) {
	older, newer, other := customProvider("custom:older"), customProvider("custom:newer"), customProvider("custom:other")
	older.CreatedAt, newer.CreatedAt, other.CreatedAt = moment(1), moment(3), moment(2)
	other.ProviderType = "oauth2"
	for _, p := range []*postern.CustomProviderRecord{older, newer, other} {
		ok(t, st.AddCustomProvider(t.Context(), p))
	}
	for providerType, want := range map[string][]*postern.CustomProviderRecord{
		"": {newer, other, older}, "oidc": {newer, older}, "oauth2": {other}, "saml": {},
	} {
		got, err := st.CustomProviders(t.Context(), providerType)
		ok(t, err)
		if len(got) != len(want) {
			t.Errorf("%q: got %d, want %d", providerType, len(got), len(want))
			continue
		}
		for i := range want {
			same(t, want[i].Identifier, got[i], *want[i])
		}
	}
}

func customProviderUpdate(t *testing.T, st postern.Store) {
	p, other := withCustomProvider(t, st, "custom:a"), withCustomProvider(t, st, "custom:b")
	changed := customProvider("custom:a")
	changed.ProviderType, changed.Name, changed.Discovery, changed.DiscoveryCachedAt = "oauth2", "another", nil, nil
	changed.Scopes, changed.AttributeMapping = []string{"x"}, map[string]any{}
	changed.Enabled, changed.UpdatedAt = false, moment(9)
	got, err := st.UpdateCustomProvider(t.Context(), "custom:a", func(r *postern.CustomProviderRecord) error {
		same(t, "what is to be changed", r, p)
		*r = *changed
		r.Identifier = "custom:c" // stays
		r.CreatedAt = moment(8)
		return nil
	})
	ok(t, err)
	changed.ID = p.ID
	same(t, "what was changed", got, changed)
	hasCustomProvider(t, st, changed)
	hasCustomProvider(t, st, other)

	refused := errors.New("refused")
	_, err = st.UpdateCustomProvider(t.Context(), "custom:b", func(r *postern.CustomProviderRecord) error {
		r.Name = "no"
		return refused
	})
	isError(t, "an update that is refused", err, refused)
	hasCustomProvider(t, st, other)
}

func customProviderTaken(t *testing.T, st postern.Store) {
	oneWins(t, atOnce(20, func(int) error { return st.AddCustomProvider(t.Context(), customProvider("custom:a")) }), postern.ErrRowTaken)
}

func customProviderRules(t *testing.T, st postern.Store) {
	for what, edit := range map[string]func(*postern.CustomProviderRecord){
		"letters":   func(p *postern.CustomProviderRecord) { p.Identifier = "custom:A" },
		"a type":    func(p *postern.CustomProviderRecord) { p.ProviderType = "saml" },
		"no issuer": func(p *postern.CustomProviderRecord) { p.Issuer = "" },
		"http":      func(p *postern.CustomProviderRecord) { p.TokenURL = "http://login.example.com" },
		"no name":   func(p *postern.CustomProviderRecord) { p.Name = "" },
		"NUL":       func(p *postern.CustomProviderRecord) { p.Scopes = []string{"a\x00"} },
	} {
		p := customProvider("custom:a")
		edit(p)
		isError(t, what, st.AddCustomProvider(t.Context(), p), postern.ErrUnstorable)
	}
}
