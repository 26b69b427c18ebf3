package provider

import (
	"context"

	"github.com/postern-auth/postern"
)

// Figma signs in with Figma, whose addresses count as verified. The app there needs
// the scope current_user:read.
func Figma(c Config) postern.Provider {
	return service{
		name:      "figma",
		authorize: "https://www.figma.com/oauth",
		token:     "https://api.figma.com/v1/oauth/token",
		api:       "https://api.figma.com",
		scopes:    []string{"current_user:read"},
		profile:   figmaProfile,
	}.provider(c)
}

func figmaProfile(ctx context.Context, s *session) (*postern.Profile, error) {
	var user struct {
		ID     string `json:"id"`
		Email  string `json:"email"`
		Handle string `json:"handle"`
		ImgURL string `json:"img_url"`
	}
	if err := s.get(ctx, s.api+"/v1/me", &user); err != nil {
		return nil, err
	}
	return &postern.Profile{
		Emails: oneEmail(user.Email, true),
		Claims: postern.ProfileClaims{
			Issuer: s.api, Subject: user.ID, ProviderID: user.ID,
			Name: user.Handle, FullName: user.Handle, AvatarURL: user.ImgURL,
		},
	}, nil
}
