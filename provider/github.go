package provider

import (
	"context"

	"github.com/postern-auth/postern"
)

// GitHub signs in with GitHub, or with a GitHub Enterprise Server at Config.URL.
func GitHub(c Config) postern.Provider {
	api := "https://api.github.com"
	if c.URL != "" {
		api += "/api/v3"
	}
	return service{
		name:      "github",
		authorize: "https://github.com/login/oauth/authorize",
		token:     "https://github.com/login/oauth/access_token",
		api:       api,
		scopes:    []string{"user:email"},
		profile:   githubProfile,
	}.provider(c)
}

func githubProfile(ctx context.Context, s *session) (*postern.Profile, error) {
	var user struct {
		ID        int64  `json:"id"`
		Login     string `json:"login"`
		Name      string `json:"name"`
		AvatarURL string `json:"avatar_url"`
	}
	if err := s.get(ctx, s.api+"/user", &user); err != nil {
		return nil, err
	}
	var emails []struct {
		Email    string `json:"email"`
		Primary  bool   `json:"primary"`
		Verified bool   `json:"verified"`
	}
	if err := s.get(ctx, s.api+"/user/emails", &emails); err != nil {
		return nil, err
	}
	id := digits(user.ID)
	p := &postern.Profile{Claims: postern.ProfileClaims{
		Issuer: s.api, Subject: id, ProviderID: id,
		Name: user.Name, FullName: user.Name,
		PreferredUsername: user.Login, UserName: user.Login, AvatarURL: user.AvatarURL,
	}}
	for _, e := range emails {
		if e.Email != "" {
			p.Emails = append(p.Emails, postern.ProfileEmail{Email: e.Email, Verified: e.Verified, Primary: e.Primary})
		}
	}
	return p, nil
}
