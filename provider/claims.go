package provider

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/jsontext"
)

// standardClaims are the claims of OpenID Connect Core §5.1 and the others that
// are kept under their own names. Those of another type than they should have
// count as missing, and so do those that no database keeps.
type standardClaims map[string]json.RawMessage

// raw is a claim as it was written, nil if it is missing.
func (c standardClaims) raw(name string) json.RawMessage {
	text := c[name]
	if string(text) == "null" || jsontext.Check(text) != nil {
		return nil
	}
	return text
}

func (c standardClaims) has(name string) bool { return c.raw(name) != nil }

func (c standardClaims) text(name string) string {
	var s string
	if json.Unmarshal(c.raw(name), &s) != nil {
		return ""
	}
	return s
}

// id is a text or, as many services have it, a whole number.
func (c standardClaims) id(name string) string {
	raw := string(c.raw(name))
	if raw != "" && strings.Trim(raw, "0123456789") == "" {
		return raw
	}
	return c.text(name)
}

// truth is a boolean true; nothing that looks like it is (guarantees: B8).
func (c standardClaims) truth(name string) bool { return string(c.raw(name)) == "true" }

// spoken is truth of services that are known to send strings.
func (c standardClaims) spoken(name string) bool { return c.truth(name) || c.text(name) == "true" }

// denied reports whether a service that has only addresses that it vouches for
// says otherwise about this one.
func (c standardClaims) denied(name string) bool { return c.has(name) && !c.spoken(name) }

// moment is a number of seconds, with or without a fraction.
func (c standardClaims) moment(name string) int64 {
	var f float64
	if json.Unmarshal(c.raw(name), &f) != nil || math.Abs(f) > math.MaxInt32*1000 {
		return 0
	}
	return int64(f)
}

// texts is a list of strings, or one alone.
func (c standardClaims) texts(name string) []string {
	var list []string
	if json.Unmarshal(c.raw(name), &list) == nil {
		return list
	}
	if one := c.text(name); one != "" {
		return []string{one}
	}
	return nil
}

// values are the claims of these names that are there, nil if none is.
func (c standardClaims) values(names ...string) map[string]any {
	var out map[string]any
	for _, name := range names {
		var value any
		if !c.has(name) || json.Unmarshal(c.raw(name), &value) != nil {
			continue
		}
		if out == nil {
			out = map[string]any{}
		}
		out[name] = value
	}
	return out
}

// others are the claims but for these.
func (c standardClaims) others(known ...string) map[string]any {
	var names []string
	for name := range c {
		if !slices.Contains(known, name) {
			names = append(names, name)
		}
	}
	return c.values(names...)
}

// unambiguous refuses claims that only differ in case from those that a token is
// judged by: some parsers take the one for the other.
func (c standardClaims) unambiguous() error {
	for name := range c {
		for _, protocol := range []string{"iss", "sub", "aud", "exp", "iat", "nbf", "nonce", "azp", "at_hash"} {
			if name != protocol && strings.EqualFold(name, protocol) {
				return fmt.Errorf("the ID token has a claim %q", name)
			}
		}
	}
	return nil
}

// token has what is kept of every ID token: issuer and subject.
func (c standardClaims) token() postern.ProfileClaims {
	return postern.ProfileClaims{Issuer: c.text("iss"), Subject: c.id("sub")}
}

// profile copies what is known under the same names.
func (c standardClaims) profile() *postern.Profile {
	p := c.token()
	p.Audience, p.IssuedAt, p.ExpiresAt = c.texts("aud"), c.moment("iat"), c.moment("exp")
	for name, field := range map[string]*string{
		"name": &p.Name, "family_name": &p.FamilyName, "given_name": &p.GivenName, "middle_name": &p.MiddleName,
		"nickname": &p.Nickname, "preferred_username": &p.PreferredUsername, "profile": &p.Profile,
		"picture": &p.Picture, "website": &p.Website, "gender": &p.Gender, "birthdate": &p.Birthdate,
		"zoneinfo": &p.ZoneInfo, "locale": &p.Locale, "phone": &p.Phone,
		"full_name": &p.FullName, "avatar_url": &p.AvatarURL, "slug": &p.Slug, "user_name": &p.UserName,
	} {
		*field = c.text(name)
	}
	p.UpdatedAt, p.ProviderID = c.id("updated_at"), c.id("provider_id")
	p.PhoneVerified, p.CustomClaims = c.truth("phone_verified"), c.object("custom_claims")
	return &postern.Profile{Emails: oneEmail(c.text("email"), c.truth("email_verified")), Claims: p}
}

func (c standardClaims) object(name string) map[string]any {
	var o map[string]any
	if json.Unmarshal(c.raw(name), &o) != nil {
		return nil
	}
	return o
}

// standardProfile is what the standard's claims say.
func standardProfile(c standardClaims) (*postern.Profile, error) { return c.profile(), nil }

// set puts a claim in the place of another. A value that cannot be written as JSON
// leaves none.
func (c standardClaims) set(name string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		delete(c, name)
		return
	}
	c[name] = text
}
