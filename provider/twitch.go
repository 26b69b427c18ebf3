package provider

import (
	"context"
	"errors"

	"golang.org/x/oauth2"

	"github.com/postern-auth/postern"
)

// Twitch signs in with Twitch, whose addresses count as verified: it tells no
// others.
func Twitch(c Config) postern.Provider {
	return service{
		name:      "twitch",
		authorize: "https://id.twitch.tv/oauth2/authorize",
		token:     "https://id.twitch.tv/oauth2/token",
		api:       "https://api.twitch.tv",
		scopes:    []string{"user:read:email"},
		style:     oauth2.AuthStyleInParams,
		profile: func(ctx context.Context, s *session) (*postern.Profile, error) {
			return twitchProfile(ctx, s, c.ClientID)
		},
	}.provider(c)
}

func twitchProfile(ctx context.Context, s *session, clientID string) (*postern.Profile, error) {
	var users struct {
		Data []struct {
			ID              string `json:"id"`
			Login           string `json:"login"`
			DisplayName     string `json:"display_name"`
			Email           string `json:"email"`
			ProfileImageURL string `json:"profile_image_url"`
			OfflineImageURL string `json:"offline_image_url"`
			BroadcasterType string `json:"broadcaster_type"`
			Description     string `json:"description"`
			Type            string `json:"type"`
			ViewCount       int64  `json:"view_count"`
		} `json:"data"`
	}
	if err := s.get(ctx, s.api+"/helix/users", &users, "Client-Id", clientID); err != nil {
		return nil, err
	}
	if len(users.Data) == 0 {
		return nil, errors.New("twitch told of no user")
	}
	user := users.Data[0]
	return &postern.Profile{
		Emails: oneEmail(user.Email, true),
		Claims: postern.ProfileClaims{
			Issuer: s.api, Subject: user.ID, ProviderID: user.ID,
			Name: user.Login, FullName: user.Login, Nickname: user.DisplayName, Slug: user.DisplayName,
			Picture: user.ProfileImageURL, AvatarURL: user.ProfileImageURL,
			CustomClaims: map[string]any{
				"broadcaster_type": user.BroadcasterType, "description": user.Description, "type": user.Type,
				"offline_image_url": user.OfflineImageURL, "view_count": user.ViewCount,
			},
		},
	}, nil
}
