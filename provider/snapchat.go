package provider

import (
	"context"
	"net/url"

	"github.com/postern-auth/postern"
)

// Snapchat signs in with Snapchat's Login Kit. Few apps are told addresses, which
// then count as verified: the others need Config.EmailOptional.
func Snapchat(c Config) postern.Provider {
	c = c.withDefaults()
	token := "https://accounts.snapchat.com/accounts/oauth2/token"
	return snapchatIDTokens(c, service{
		name:      "snapchat",
		authorize: "https://accounts.snapchat.com/accounts/oauth2/auth",
		token:     token,
		api:       "https://kit.snapchat.com",
		scopes: []string{
			"https://auth.snapchat.com/oauth2/api/user.external_id",
			"https://auth.snapchat.com/oauth2/api/user.display_name",
			"https://auth.snapchat.com/oauth2/api/user.bitmoji.avatar",
		},
		profile: func(ctx context.Context, s *session) (*postern.Profile, error) {
			return snapchatProfile(ctx, s, c.at(token))
		},
	}.provider(c))
}

func snapchatProfile(ctx context.Context, s *session, issuer string) (*postern.Profile, error) {
	var answer struct {
		Data struct {
			Me struct {
				ExternalID  string `json:"externalId"`
				DisplayName string `json:"displayName"`
				Email       string `json:"email"`
				Bitmoji     struct {
					Avatar string `json:"avatar"`
				} `json:"bitmoji"`
			} `json:"me"`
		} `json:"data"`
	}
	query := url.Values{"query": {"{me { externalId displayName bitmoji { avatar id } email } }"}}
	if err := s.get(ctx, s.api+"/v1/me?"+query.Encode(), &answer); err != nil {
		return nil, err
	}
	me := answer.Data.Me
	return &postern.Profile{
		Emails: oneEmail(me.Email, true),
		Claims: postern.ProfileClaims{
			Issuer: issuer, Subject: me.ExternalID, ProviderID: me.ExternalID,
			Name: me.DisplayName, FullName: me.DisplayName, Slug: me.DisplayName,
			Picture: me.Bitmoji.Avatar, AvatarURL: me.Bitmoji.Avatar,
		},
	}, nil
}
