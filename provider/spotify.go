package provider

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/postern-auth/postern"
)

// Spotify signs in with Spotify. Its addresses are never verified: it tells what
// somebody typed in there.
func Spotify(c Config) postern.Provider {
	return service{
		name:      "spotify",
		authorize: "https://accounts.spotify.com/authorize",
		token:     "https://accounts.spotify.com/api/token",
		api:       "https://api.spotify.com/v1",
		scopes:    []string{"user-read-email"},
		style:     oauth2.AuthStyleInHeader,
		profile:   spotifyProfile,
	}.provider(c)
}

type spotifyImage struct {
	URL    string  `json:"url"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
}

func spotifyProfile(ctx context.Context, s *session) (*postern.Profile, error) {
	var user struct {
		ID          string         `json:"id"`
		DisplayName string         `json:"display_name"`
		Email       string         `json:"email"`
		Images      []spotifyImage `json:"images"`
	}
	if err := s.get(ctx, s.api+"/me", &user); err != nil {
		return nil, err
	}
	picture := largest(user.Images).URL
	return &postern.Profile{
		Emails: oneEmail(user.Email, false),
		Claims: postern.ProfileClaims{
			Issuer: s.api, Subject: user.ID, ProviderID: user.ID,
			Name: user.DisplayName, FullName: user.DisplayName, Picture: picture, AvatarURL: picture,
		},
	}, nil
}

// largest is the first of the largest images, or none. An image whose size Spotify
// does not know has none.
func largest(images []spotifyImage) (best spotifyImage) {
	for _, i := range images {
		if best.URL == "" || i.Width*i.Height > best.Width*best.Height {
			best = i
		}
	}
	return best
}
