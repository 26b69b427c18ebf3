package provider

import (
	"context"

	"github.com/postern-auth/postern"
)

// Slack signs in with Slack as its older apps do. Addresses count as verified,
// unless Slack says otherwise. New apps use SlackOIDC.
func Slack(c Config) postern.Provider {
	return service{
		name:      "slack",
		authorize: "https://slack.com/oauth/authorize",
		token:     "https://slack.com/api/oauth.access",
		api:       "https://slack.com/api",
		scopes:    []string{"profile", "email", "openid"},
		profile:   slackProfile(func(said *bool) bool { return said == nil || *said }),
	}.provider(c)
}

// SlackOIDC is "Sign in with Slack". Slack says whether an address is verified.
func SlackOIDC(c Config) postern.Provider {
	return service{
		name:      "slack_oidc",
		authorize: "https://slack.com/openid/connect/authorize",
		token:     "https://slack.com/api/openid.connect.token",
		api:       "https://slack.com/api",
		scopes:    []string{"profile", "email", "openid"},
		profile:   slackProfile(func(said *bool) bool { return said != nil && *said }),
	}.provider(c)
}

type slackUser struct {
	ID            string `json:"https://slack.com/user_id"`
	TeamID        string `json:"https://slack.com/team_id"`
	Name          string `json:"name"`
	Picture       string `json:"picture"`
	Email         string `json:"email"`
	EmailVerified *bool  `json:"email_verified"`
}

func slackProfile(verified func(said *bool) bool) func(context.Context, *session) (*postern.Profile, error) {
	return func(ctx context.Context, s *session) (*postern.Profile, error) {
		var user slackUser
		if err := s.get(ctx, s.api+"/openid.connect.userInfo", &user); err != nil {
			return nil, err
		}
		return &postern.Profile{
			Emails: oneEmail(user.Email, verified(user.EmailVerified)),
			Claims: postern.ProfileClaims{
				Issuer: s.api, Subject: user.ID, ProviderID: user.ID,
				Name: user.Name, FullName: user.Name, Picture: user.Picture, AvatarURL: user.Picture,
				CustomClaims: map[string]any{"https://slack.com/team_id": user.TeamID},
			},
		}, nil
	}
}
