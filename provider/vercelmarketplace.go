package provider

import "github.com/postern-auth/postern"

// VercelMarketplace signs in those who come from an integration in Vercel's
// marketplace.
func VercelMarketplace(c Config) postern.Provider {
	c = c.withDefaults()
	t := newIssuer("https://marketplace.vercel.com", c).idTokens(vercelProfile)
	return t.completes(service{
		name:      "vercel_marketplace",
		authorize: "https://api.vercel.com/oauth/v2/authorization",
		token:     "https://api.vercel.com/oauth/v2/accessToken",
		profile:   t.profile,
	}.provider(c))
}

// vercelProfile takes the user's own id where the token has it: its subject is
// another one for every team that somebody is in.
func vercelProfile(c standardClaims) (*postern.Profile, error) {
	p := c.token()
	if user := c.text("global_user_id"); user != "" {
		p.Subject = "global_user_id:" + user
	}
	p.ProviderID = p.Subject
	p.Name, p.Picture = c.text("user_name"), c.text("user_avatar_url")
	return &postern.Profile{Emails: oneEmail(c.text("user_email"), true), Claims: p}, nil
}
