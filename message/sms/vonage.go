package sms

import (
	"net/url"
	"strings"
	"unicode"

	"github.com/postern-auth/postern"
)

// VonageConfig is an account at Vonage, for its SMS API.
type VonageConfig struct {
	APIKey    string
	APISecret postern.Secret
	// From is the number or the name that messages come from.
	From     string
	Endpoint Endpoint
}

// Vonage returns a Sender by text message.
func Vonage(cfg VonageConfig) (*Sender, error) {
	s, err := cfg.Endpoint.service("vonage", "https://rest.nexmo.com",
		setting{"APIKey", cfg.APIKey}, setting{"APISecret", string(cfg.APISecret)}, setting{"From", cfg.From})
	if err != nil {
		return nil, err
	}
	s.secrets = []string{string(cfg.APISecret)}
	return &Sender{
		service: s,
		path:    "/sms/json",
		form:    cfg.form,
		read:    readVonage,
	}, nil
}

func (c VonageConfig) form(m postern.SMS) url.Values {
	form := url.Values{
		"from":       {c.From},
		"to":         {m.Phone},
		"text":       {m.Text},
		"api_key":    {c.APIKey},
		"api_secret": {string(c.APISecret)},
	}
	if !isASCII(m.Text) {
		form.Set("type", "unicode")
	}
	return form
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

// readVonage reads an answer that has a part for each of the messages that a long
// text is sent as.
func readVonage(a answer) (string, error) {
	var sent struct {
		Messages []struct {
			ID        string `json:"message-id"`
			Status    string `json:"status"`
			ErrorText string `json:"error-text"`
		} `json:"messages"`
	}
	if err := a.decode(&sent); err != nil {
		return "", err
	}
	if len(sent.Messages) == 0 {
		return "", refused("")
	}
	first := sent.Messages[0]
	if !a.ok() || first.Status != "0" {
		return "", refused(first.ErrorText)
	}
	return first.ID, nil
}
