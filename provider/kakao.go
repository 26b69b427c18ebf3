package provider

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/postern-auth/postern"
)

// Kakao signs in with Kakao Login. Addresses are told to apps that may have the
// consent item account_email, and by people who agree to it; Config.EmailOptional
// lets in the others.
func Kakao(c Config) postern.Provider {
	return kakaoIDTokens(c, service{
		name:      "kakao",
		authorize: "https://kauth.kakao.com/oauth/authorize",
		token:     "https://kauth.kakao.com/oauth/token",
		api:       "https://kapi.kakao.com",
		scopes:    []string{"account_email", "profile_image", "profile_nickname"},
		style:     oauth2.AuthStyleInParams,
		profile:   kakaoProfile,
	}.provider(c))
}

func kakaoProfile(ctx context.Context, s *session) (*postern.Profile, error) {
	var user struct {
		ID      int64 `json:"id"`
		Account struct {
			Profile struct {
				Nickname        string `json:"nickname"`
				ProfileImageURL string `json:"profile_image_url"`
			} `json:"profile"`
			Email         string `json:"email"`
			EmailValid    bool   `json:"is_email_valid"` // false once it belongs to another account
			EmailVerified bool   `json:"is_email_verified"`
		} `json:"kakao_account"`
	}
	if err := s.get(ctx, s.api+"/v2/user/me", &user); err != nil {
		return nil, err
	}
	id, account := digits(user.ID), user.Account
	name := account.Profile.Nickname
	return &postern.Profile{
		Emails: oneEmail(account.Email, account.EmailValid && account.EmailVerified),
		Claims: postern.ProfileClaims{
			Issuer: s.api, Subject: id, ProviderID: id,
			Name: name, FullName: name, PreferredUsername: name, UserName: name,
			AvatarURL: account.Profile.ProfileImageURL,
		},
	}, nil
}
