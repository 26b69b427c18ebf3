package provider

import (
	"context"

	"github.com/postern-auth/postern"
)

// GitLab signs in with gitlab.com, or with a GitLab at Config.URL. The application
// there needs the scope read_user. Of somebody's addresses only the primary one can
// be verified.
func GitLab(c Config) postern.Provider {
	return service{
		name:      "gitlab",
		authorize: "https://gitlab.com/oauth/authorize",
		token:     "https://gitlab.com/oauth/token",
		api:       "https://gitlab.com",
		scopes:    []string{"read_user"},
		profile:   gitlabProfile,
	}.provider(c)
}

func gitlabProfile(ctx context.Context, s *session) (*postern.Profile, error) {
	var user struct {
		ID          int64  `json:"id"`
		Name        string `json:"name"`
		Email       string `json:"email"`
		AvatarURL   string `json:"avatar_url"`
		ConfirmedAt string `json:"confirmed_at"`
	}
	if err := s.get(ctx, s.api+"/api/v4/user", &user); err != nil {
		return nil, err
	}
	var others []struct {
		Email string `json:"email"`
	}
	if err := s.get(ctx, s.api+"/api/v4/user/emails", &others); err != nil {
		return nil, err
	}
	id := digits(user.ID)
	p := &postern.Profile{Claims: postern.ProfileClaims{
		Issuer: s.api, Subject: id, ProviderID: id,
		Name: user.Name, FullName: user.Name,
		Picture: user.AvatarURL, AvatarURL: user.AvatarURL,
	}}
	for _, other := range others {
		if other.Email != "" {
			p.Emails = append(p.Emails, postern.ProfileEmail{Email: other.Email})
		}
	}
	p.Emails = append(p.Emails, oneEmail(user.Email, user.ConfirmedAt != "")...)
	return p, nil
}
