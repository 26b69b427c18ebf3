package provider

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/postern-auth/postern"
)

// Notion signs in with a public integration of Notion, which needs the capability
// "Read user information including email addresses". Addresses count as verified.
// It knows no scopes: those that a request asks for do nothing.
func Notion(c Config) postern.Provider {
	return service{
		name:        "notion",
		authorize:   "https://api.notion.com/v1/oauth/authorize",
		token:       "https://api.notion.com/v1/oauth/token",
		api:         "https://api.notion.com",
		style:       oauth2.AuthStyleInHeader,
		fixedScopes: true,
		profile:     notionProfile,
	}.provider(c)
}

// notionProfile reads who authorized the integration. The token itself is that of a
// bot; if the bot belongs to a whole workspace, there is no user to be told.
func notionProfile(ctx context.Context, s *session) (*postern.Profile, error) {
	var bot struct {
		Bot struct {
			Owner struct {
				User struct {
					ID        string `json:"id"`
					Name      string `json:"name"`
					AvatarURL string `json:"avatar_url"`
					Person    struct {
						Email string `json:"email"`
					} `json:"person"`
				} `json:"user"`
			} `json:"owner"`
		} `json:"bot"`
	}
	if err := s.get(ctx, s.api+"/v1/users/me", &bot, "Notion-Version", "2021-08-16"); err != nil {
		return nil, err
	}
	user := bot.Bot.Owner.User
	return &postern.Profile{
		Emails: oneEmail(user.Person.Email, true),
		Claims: postern.ProfileClaims{
			Issuer: s.api, Subject: user.ID, ProviderID: user.ID,
			Name: user.Name, FullName: user.Name, Picture: user.AvatarURL, AvatarURL: user.AvatarURL,
		},
	}, nil
}
