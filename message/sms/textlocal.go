package sms

import (
	"net/url"

	"github.com/postern-auth/postern"
)

// TextlocalConfig is an account at Textlocal.
type TextlocalConfig struct {
	APIKey postern.Secret
	// Sender is the name that messages come from.
	Sender   string
	Endpoint Endpoint
}

// Textlocal returns a Sender by text message. Its messages have no id.
func Textlocal(cfg TextlocalConfig) (*Sender, error) {
	s, err := cfg.Endpoint.service("textlocal", "https://api.textlocal.in",
		setting{"APIKey", string(cfg.APIKey)}, setting{"Sender", cfg.Sender})
	if err != nil {
		return nil, err
	}
	s.secrets = []string{string(cfg.APIKey)}
	return &Sender{
		service: s,
		path:    "/send",
		form:    cfg.form,
		read:    readTextlocal,
	}, nil
}

func (c TextlocalConfig) form(m postern.SMS) url.Values {
	return url.Values{
		"sender":  {c.Sender},
		"apikey":  {string(c.APIKey)},
		"message": {m.Text},
		"numbers": {m.Phone},
	}
}

func readTextlocal(a answer) (string, error) {
	var batch struct {
		Status string `json:"status"`
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if err := a.decode(&batch); err != nil {
		return "", err
	}
	if a.ok() && batch.Status == "success" {
		return "", nil
	}
	if len(batch.Errors) == 0 {
		return "", refused("")
	}
	return "", refused(batch.Errors[0].Message)
}
