package provider

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"golang.org/x/oauth2"

	"github.com/postern-auth/postern"
)

// Facebook signs in with Facebook Login. Its addresses count as verified, but those
// who registered with a phone number have none: Config.EmailOptional lets them in.
func Facebook(c Config) postern.Provider {
	return facebookIDTokens(c, service{
		name:      "facebook",
		authorize: "https://www.facebook.com/dialog/oauth",
		token:     "https://graph.facebook.com/oauth/access_token",
		api:       "https://graph.facebook.com",
		scopes:    []string{"email"},
		style:     oauth2.AuthStyleInParams,
		profile: func(ctx context.Context, s *session) (*postern.Profile, error) {
			return facebookProfile(ctx, s, c.Secret)
		},
	}.provider(c))
}

func facebookProfile(ctx context.Context, s *session, secret postern.Secret) (*postern.Profile, error) {
	var user struct {
		ID        string `json:"id"`
		Email     string `json:"email"`
		Name      string `json:"name"`
		FirstName string `json:"first_name"`
		LastName  string `json:"last_name"`
		Picture   struct {
			Data struct {
				URL string `json:"url"`
			} `json:"data"`
		} `json:"picture"`
	}
	endpoint := s.api + "/me?fields=email,first_name,last_name,name,picture"
	if err := s.get(ctx, endpoint+"&appsecret_proof="+appSecretProof(secret, s.token.AccessToken), &user); err != nil {
		return nil, err
	}
	name, picture := fullName(user.FirstName, user.LastName), user.Picture.Data.URL
	return &postern.Profile{
		Emails: oneEmail(user.Email, true),
		Claims: postern.ProfileClaims{
			Issuer: endpoint, Subject: user.ID, ProviderID: user.ID,
			Name: name, FullName: name, Nickname: user.Name, Slug: user.Name,
			Picture: picture, AvatarURL: picture,
		},
	}, nil
}

// appSecretProof shows that the access token is used by the app that it was issued
// to ("Securing Graph API requests" in Facebook's documentation).
func appSecretProof(secret postern.Secret, accessToken string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(accessToken))
	return hex.EncodeToString(mac.Sum(nil))
}
