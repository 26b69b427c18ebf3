package postern

import (
	"context"
	"slices"
)

// choice is the account that an address leads to, if it leads to one.
type choice struct {
	user     *UserRecord
	unproven bool // nobody has shown to own its address
	occupied bool // an account that is not for choosing has the address
}

// choose looks for the account of an address that the provider vouches for: one
// whose address was proven here too, or else one that has nothing but a claim to
// it (guarantees: B7, B8).
func (a *Auth) choose(ctx context.Context, tx Tx, who *vouched) (choice, error) {
	verified := who.verified()
	if len(verified) == 0 {
		return choice{}, nil
	}
	users, err := tx.UsersByEmails(ctx, verified)
	if err != nil {
		return choice{}, err
	}
	var proven, claimed []*UserRecord
	domain := a.linkingDomain(who.provider)
	for _, u := range users {
		switch {
		case u.Aud != who.aud:
		case a.proven(u, verified, domain):
			proven = append(proven, u)
		case domain == "" && u.onlyClaims(verified):
			claimed = append(claimed, u)
		}
	}
	c := choice{user: pick(proven, who.email.Email), occupied: slices.ContainsFunc(users, func(u *UserRecord) bool {
		return u.Email == who.email.Email && !u.IsSSOUser
	})}
	switch {
	case c.user == nil && len(proven) > 0:
		return choice{}, fail(KindConflict, ErrConflict,
			"Multiple accounts with the same email address in the same linking domain detected: %s", either(domain, defaultDomain))
	case c.user == nil:
		c.user, c.unproven = pick(claimed, who.email.Email), true
	}
	return c, nil
}

// pick returns the only one of some users, or the one that has the address.
func pick(users []*UserRecord, email string) *UserRecord {
	if len(users) == 1 {
		return users[0]
	}
	i := slices.IndexFunc(users, func(u *UserRecord) bool { return u.Email == email })
	if i < 0 {
		return nil
	}
	return users[i]
}

// defaultDomain is what messages call the linking domain of providers that are in
// none of their own.
const defaultDomain = "default"

// linkingDomain is "" for the default one.
func (a *Auth) linkingDomain(provider string) string {
	if domain := a.cfg.OAuth.LinkingDomains[provider]; domain != defaultDomain {
		return domain
	}
	return ""
}

// proven reports whether one of some addresses is an account's, beyond doubt: its
// own, which was confirmed here, or one that another of its providers vouched for.
// An address that an identity merely mentions is none of those.
func (a *Auth) proven(u *UserRecord, emails []string, domain string) bool {
	viaIdentity := slices.ContainsFunc(u.Identities, func(i Identity) bool {
		return a.linkingDomain(i.Provider) == domain && slices.Contains(emails, i.Email) && i.vouched()
	})
	if domain != "" {
		return u.IsSSOUser && viaIdentity
	}
	return !u.IsSSOUser && u.EmailConfirmedAt != nil && (slices.Contains(emails, u.Email) || viaIdentity)
}

// vouched reports whether the identity's provider said that the address is
// verified.
func (i *Identity) vouched() bool {
	return string(i.IdentityData.members()["email_verified"]) == "true"
}

// onlyClaims reports whether an account has one of some addresses and nothing to
// show for it, nor for anything else.
func (u *UserRecord) onlyClaims(emails []string) bool {
	return slices.Contains(emails, u.Email) && !u.IsSSOUser && !u.IsAnonymous &&
		u.EmailConfirmedAt == nil && u.PhoneConfirmedAt == nil
}
