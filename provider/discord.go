package provider

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/postern-auth/postern"
)

// Discord signs in with Discord, which says whether an address is verified.
func Discord(c Config) postern.Provider {
	return service{
		name:      "discord",
		authorize: "https://discord.com/api/oauth2/authorize",
		token:     "https://discord.com/api/oauth2/token",
		api:       "https://discord.com/api",
		scopes:    []string{"email", "identify"},
		profile:   discordProfile,
	}.provider(c)
}

// discordUser is somebody at Discord. Discriminator tells people of one name apart;
// it is "0" for all who have a name of their own, which GlobalName is shown for.
type discordUser struct {
	ID            string `json:"id"`
	Username      string `json:"username"`
	Discriminator string `json:"discriminator"`
	GlobalName    string `json:"global_name"`
	Avatar        string `json:"avatar"` // the hash of a picture, "" for none
	Email         string `json:"email"`
	Verified      bool   `json:"verified"`
}

func discordProfile(ctx context.Context, s *session) (*postern.Profile, error) {
	var user discordUser
	if err := s.get(ctx, s.api+"/users/@me", &user); err != nil {
		return nil, err
	}
	picture := user.picture()
	return &postern.Profile{
		Emails: oneEmail(user.Email, user.Verified),
		Claims: postern.ProfileClaims{
			Issuer: s.api, Subject: user.ID, ProviderID: user.ID,
			Name: user.Username + "#" + user.Discriminator, FullName: user.Username,
			Picture: picture, AvatarURL: picture,
			CustomClaims: map[string]any{"global_name": user.GlobalName},
		},
	}, nil
}

// picture is where Discord serves somebody's picture, or the one in its place.
func (u discordUser) picture() string {
	const images = "https://cdn.discordapp.com"
	if u.Avatar == "" {
		n, _ := strconv.ParseUint(u.Discriminator, 10, 16) // 0 if it is none
		return fmt.Sprintf("%s/embed/avatars/%d.png", images, n%5)
	}
	extension := "png"
	if strings.HasPrefix(u.Avatar, "a_") {
		extension = "gif"
	}
	return fmt.Sprintf("%s/avatars/%s/%s.%s", images, u.ID, u.Avatar, extension)
}
