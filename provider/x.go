package provider

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/postern-auth/postern"
)

// X signs in with X by OAuth 2.0 and PKCE. The app there has to be a confidential
// client and to request e-mail addresses; those that X tells are verified. People
// without one are let in by Config.EmailOptional.
func X(c Config) postern.Provider {
	return service{
		name:      "x",
		authorize: "https://x.com/i/oauth2/authorize",
		token:     "https://api.x.com/2/oauth2/token",
		api:       "https://api.x.com",
		scopes:    []string{"users.email", "tweet.read", "users.read", "offline.access"},
		style:     oauth2.AuthStyleInHeader,
		pkce:      true,
		profile:   xProfile,
	}.provider(c)
}

func xProfile(ctx context.Context, s *session) (*postern.Profile, error) {
	var answer struct {
		Data struct {
			ID              string `json:"id"`
			Name            string `json:"name"`
			Username        string `json:"username"`
			ConfirmedEmail  string `json:"confirmed_email"`
			ProfileImageURL string `json:"profile_image_url"`
			URL             string `json:"url"`
			CreatedAt       string `json:"created_at"`
		} `json:"data"`
	}
	const fields = "id,name,username,confirmed_email,profile_image_url,url,created_at"
	if err := s.get(ctx, s.api+"/2/users/me?user.fields="+fields, &answer); err != nil {
		return nil, err
	}
	user := answer.Data
	return &postern.Profile{
		Emails: oneEmail(user.ConfirmedEmail, true),
		Claims: postern.ProfileClaims{
			Issuer: s.api, Subject: user.ID, ProviderID: user.ID,
			Name: user.Name, FullName: user.Name, PreferredUsername: user.Username, UserName: user.Username,
			Picture: user.ProfileImageURL, AvatarURL: user.ProfileImageURL,
			Profile: "https://x.com/" + user.Username, Website: user.URL,
			CustomClaims: map[string]any{"created_at": user.CreatedAt},
		},
	}, nil
}
