package provider

import (
	"cmp"
	"context"

	"github.com/postern-auth/postern"
)

// Bitbucket signs in with Bitbucket Cloud. The OAuth consumer there needs the
// permissions "Account: Read" and "Account: Email": they are what counts, and the
// scopes that a request asks for do nothing.
func Bitbucket(c Config) postern.Provider {
	return service{
		name:        "bitbucket",
		authorize:   "https://bitbucket.org/site/oauth2/authorize",
		token:       "https://bitbucket.org/site/oauth2/access_token",
		api:         "https://api.bitbucket.org/2.0",
		scopes:      []string{"account", "email"},
		fixedScopes: true,
		profile:     bitbucketProfile,
	}.provider(c)
}

func bitbucketProfile(ctx context.Context, s *session) (*postern.Profile, error) {
	type link struct {
		Href string `json:"href"`
	}
	var user struct {
		UUID        string `json:"uuid"`
		DisplayName string `json:"display_name"`
		Avatar      link   `json:"avatar"`
		Links       struct {
			Avatar link `json:"avatar"`
		} `json:"links"`
	}
	if err := s.get(ctx, s.api+"/user", &user); err != nil {
		return nil, err
	}
	var emails struct {
		Values []struct {
			Email     string `json:"email"`
			Confirmed bool   `json:"is_confirmed"`
			Primary   bool   `json:"is_primary"`
		} `json:"values"`
	}
	if err := s.get(ctx, s.api+"/user/emails", &emails); err != nil {
		return nil, err
	}
	picture := cmp.Or(user.Avatar.Href, user.Links.Avatar.Href) // the second is where it is today
	p := &postern.Profile{Claims: postern.ProfileClaims{
		Issuer: s.api, Subject: user.UUID, ProviderID: user.UUID,
		Name: user.DisplayName, FullName: user.DisplayName,
		Picture: picture, AvatarURL: picture,
	}}
	for _, e := range emails.Values {
		if e.Email != "" {
			p.Emails = append(p.Emails, postern.ProfileEmail{Email: e.Email, Verified: e.Confirmed, Primary: e.Primary})
		}
	}
	return p, nil
}
