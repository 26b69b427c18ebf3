package provider

import (
	"context"

	"github.com/postern-auth/postern"
)

// Fly signs in with Fly.io, as its extensions do. Addresses count as verified.
func Fly(c Config) postern.Provider {
	return service{
		name:      "fly",
		authorize: "https://api.fly.io/oauth/authorize",
		token:     "https://api.fly.io/oauth/token",
		api:       "https://api.fly.io",
		scopes:    []string{"read"},
		profile:   flyProfile,
	}.provider(c)
}

func flyProfile(ctx context.Context, s *session) (*postern.Profile, error) {
	var user struct {
		ID              string   `json:"user_id"`
		Name            string   `json:"user_name"`
		Email           string   `json:"email"`
		ResourceOwnerID string   `json:"resource_owner_id"`
		Organizations   []any    `json:"organizations"`
		Application     any      `json:"application"`
		Scope           []string `json:"scope"`
		CreatedAt       int64    `json:"created_at"`
	}
	if err := s.get(ctx, s.api+"/oauth/token/info", &user); err != nil {
		return nil, err
	}
	return &postern.Profile{
		Emails: oneEmail(user.Email, true),
		Claims: postern.ProfileClaims{
			Issuer: s.api, Subject: user.ID, ProviderID: user.ID, FullName: user.Name,
			CustomClaims: map[string]any{
				"resource_owner_id": user.ResourceOwnerID, "organizations": user.Organizations,
				"application": user.Application, "scope": user.Scope, "created_at": user.CreatedAt,
			},
		},
	}, nil
}
