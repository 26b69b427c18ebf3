package sms

import (
	"net/url"

	"github.com/postern-auth/postern"
)

// MessageBirdConfig is an account at MessageBird.
type MessageBirdConfig struct {
	AccessKey postern.Secret
	// Originator is the number or the name that messages come from.
	Originator string
	Endpoint   Endpoint
}

// MessageBird returns a Sender by text message.
func MessageBird(cfg MessageBirdConfig) (*Sender, error) {
	s, err := cfg.Endpoint.service("messagebird", "https://rest.messagebird.com",
		setting{"AccessKey", string(cfg.AccessKey)}, setting{"Originator", cfg.Originator})
	if err != nil {
		return nil, err
	}
	s.authorization = "AccessKey " + string(cfg.AccessKey)
	s.secrets = []string{string(cfg.AccessKey)}
	return &Sender{
		service: s,
		path:    "/messages",
		form:    cfg.form,
		read:    readMessageBird,
	}, nil
}

func (c MessageBirdConfig) form(m postern.SMS) url.Values {
	return url.Values{
		"originator": {c.Originator},
		"body":       {m.Text},
		"recipients": {m.Phone},
		"type":       {"sms"},
		"datacoding": {"unicode"},
	}
}

func readMessageBird(a answer) (string, error) {
	var message struct {
		ID         string `json:"id"`
		Recipients struct {
			TotalSentCount int `json:"totalSentCount"`
		} `json:"recipients"`
		Errors []struct {
			Description string `json:"description"`
		} `json:"errors"`
	}
	if err := a.decode(&message); err != nil {
		return "", err
	}
	if a.ok() && message.Recipients.TotalSentCount > 0 {
		return message.ID, nil
	}
	if len(message.Errors) == 0 {
		return "", refused("")
	}
	return "", refused(message.Errors[0].Description)
}
