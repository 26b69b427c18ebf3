package provider

import (
	"context"
	"encoding/json"

	"golang.org/x/oauth2"

	"github.com/postern-auth/postern"
)

// Zoom signs in with Zoom. The app there needs the scope that lets it view a user;
// the scopes that a request asks for do nothing.
func Zoom(c Config) postern.Provider {
	return service{
		name:        "zoom",
		authorize:   "https://zoom.us/oauth/authorize",
		token:       "https://zoom.us/oauth/token",
		api:         "https://api.zoom.us/v2",
		style:       oauth2.AuthStyleInHeader,
		fixedScopes: true,
		profile:     zoomProfile,
	}.provider(c)
}

// zoomUser is somebody at Zoom. Numbers may come as text.
type zoomUser struct {
	ID        string      `json:"id"`
	FirstName string      `json:"first_name"`
	LastName  string      `json:"last_name"`
	Email     string      `json:"email"`
	PicURL    string      `json:"pic_url"`
	LoginType json.Number `json:"login_type"`
	Verified  json.Number `json:"verified"`
}

func zoomProfile(ctx context.Context, s *session) (*postern.Profile, error) {
	var user zoomUser
	if err := s.get(ctx, s.api+"/users/me", &user); err != nil {
		return nil, err
	}
	name := fullName(user.FirstName, user.LastName)
	return &postern.Profile{
		Emails: oneEmail(user.Email, user.isVerified()),
		Claims: postern.ProfileClaims{
			Issuer: s.api, Subject: user.ID, ProviderID: user.ID,
			Name: name, FullName: name, Picture: user.PicURL, AvatarURL: user.PicURL,
		},
	}, nil
}

// isVerified believes those who vouch for the people that Zoom gets from them. Who
// has a password at Zoom, or whose way in Zoom does not tell, must have been
// verified there.
func (u zoomUser) isVerified() bool {
	const password = "100"
	return u.Verified == "1" || u.LoginType != "" && u.LoginType != password
}
