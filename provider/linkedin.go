package provider

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/postern-auth/postern"
)

// LinkedIn signs in with the profile API of LinkedIn, whose addresses count as
// verified. LinkedIn gives its scopes to no new apps: those use LinkedInOIDC.
func LinkedIn(c Config) postern.Provider {
	return service{
		name:      "linkedin",
		authorize: "https://api.linkedin.com/oauth/v2/authorization",
		token:     "https://api.linkedin.com/oauth/v2/accessToken",
		api:       "https://api.linkedin.com",
		scopes:    []string{"r_emailaddress", "r_liteprofile"},
		style:     oauth2.AuthStyleInParams,
		profile:   linkedinProfile,
	}.provider(c)
}

// linkedinUser is somebody in the answers of "projections": the members with a
// tilde are what the reference beside them leads to.
type linkedinUser struct {
	ID        string       `json:"id"`
	FirstName linkedinText `json:"firstName"`
	LastName  linkedinText `json:"lastName"`
	Picture   struct {
		Image struct {
			Elements []struct {
				Identifiers []struct {
					Identifier string `json:"identifier"`
				} `json:"identifiers"`
			} `json:"elements"`
		} `json:"displayImage~"`
	} `json:"profilePicture"`
}

// linkedinText is a text in several languages.
type linkedinText struct {
	Localized map[string]string `json:"localized"`
	Preferred struct {
		Language string `json:"language"`
		Country  string `json:"country"`
	} `json:"preferredLocale"`
}

func (t linkedinText) String() string {
	return t.Localized[t.Preferred.Language+"_"+t.Preferred.Country]
}

func linkedinProfile(ctx context.Context, s *session) (*postern.Profile, error) {
	var user linkedinUser
	const who = "/v2/me?projection=(id,firstName,lastName,profilePicture(displayImage~:playableStreams))"
	if err := s.get(ctx, s.api+who, &user); err != nil {
		return nil, err
	}
	email, err := linkedinEmail(ctx, s)
	if err != nil {
		return nil, err
	}
	name, picture := fullName(user.FirstName.String(), user.LastName.String()), user.picture()
	return &postern.Profile{
		Emails: oneEmail(email, true),
		Claims: postern.ProfileClaims{
			Issuer: s.api, Subject: user.ID, ProviderID: user.ID,
			Name: name, FullName: name, Picture: picture, AvatarURL: picture,
		},
	}, nil
}

// picture is the first, which is the smallest.
func (u linkedinUser) picture() string {
	elements := u.Picture.Image.Elements
	if len(elements) == 0 || len(elements[0].Identifiers) == 0 {
		return ""
	}
	return elements[0].Identifiers[0].Identifier
}

func linkedinEmail(ctx context.Context, s *session) (string, error) {
	var answer struct {
		Elements []struct {
			Handle struct {
				EmailAddress string `json:"emailAddress"`
			} `json:"handle~"`
		} `json:"elements"`
	}
	const where = "/v2/emailAddress?q=members&projection=(elements*(handle~))"
	if err := s.get(ctx, s.api+where, &answer); err != nil || len(answer.Elements) == 0 {
		return "", err
	}
	return answer.Elements[0].Handle.EmailAddress, nil
}
