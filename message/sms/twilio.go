package sms

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/address"
)

// TwilioConfig is an account at Twilio, for its Programmable Messaging.
type TwilioConfig struct {
	AccountSID string
	AuthToken  postern.Secret
	// MessageServiceSID is a messaging service ("MG…"), or the number that
	// messages come from.
	MessageServiceSID string
	// ContentSID is the template of messages by WhatsApp, with the code as its
	// variable 1. Without one they have the text.
	ContentSID string
	Endpoint   Endpoint
}

// Twilio returns a Sender by text message and WhatsApp.
func Twilio(cfg TwilioConfig) (*Sender, error) {
	s, err := cfg.Endpoint.service("twilio", "https://api.twilio.com",
		setting{"AccountSID", cfg.AccountSID}, setting{"AuthToken", string(cfg.AuthToken)},
		setting{"MessageServiceSID", cfg.MessageServiceSID})
	if err != nil {
		return nil, err
	}
	s.authorizeBasic(cfg.AccountSID, cfg.AuthToken)
	return &Sender{
		service:  s,
		path:     "/2010-04-01/Accounts/" + url.PathEscape(cfg.AccountSID) + "/Messages.json",
		whatsApp: true,
		form:     cfg.form,
		read:     readTwilio,
	}, nil
}

// authorizeBasic is RFC 7617.
func (s *service) authorizeBasic(user string, password postern.Secret) {
	credentials := base64.StdEncoding.EncodeToString([]byte(user + ":" + string(password)))
	s.authorization = "Basic " + credentials
	s.secrets = []string{credentials, string(password)}
}

func (c TwilioConfig) form(m postern.SMS) url.Values {
	form := url.Values{
		"To":      {"+" + m.Phone},
		"Channel": {m.Channel},
		"From":    {c.MessageServiceSID},
		"Body":    {m.Text},
	}
	if m.Channel == channelWhatsApp {
		c.forWhatsApp(form, m)
	}
	return form
}

// forWhatsApp changes form: numbers carry the channel's name there, and WhatsApp
// wants what a business writes to be a template that it knows.
func (c TwilioConfig) forWhatsApp(form url.Values, m postern.SMS) {
	const mark = channelWhatsApp + ":"
	form.Set("To", mark+"+"+m.Phone)
	if _, err := address.Phone(c.MessageServiceSID); err == nil {
		form.Set("From", mark+c.MessageServiceSID)
	}
	if c.ContentSID != "" {
		variables, _ := json.Marshal(map[string]string{"1": string(m.Code)}) // strings always marshal
		form.Del("Body")
		form.Set("ContentSid", c.ContentSID)
		form.Set("ContentVariables", string(variables))
	}
}

func readTwilio(a answer) (string, error) {
	if !a.twilioOK() {
		return "", a.twilioError()
	}
	var message struct {
		SID          string `json:"sid"`
		Status       string `json:"status"`
		ErrorMessage string `json:"error_message"`
	}
	if err := a.decode(&message); err != nil {
		return "", err
	}
	if message.Status == "failed" || message.Status == "undelivered" {
		return "", refused(message.ErrorMessage)
	}
	return message.SID, nil
}

func (a answer) twilioOK() bool {
	return a.status == http.StatusOK || a.status == http.StatusCreated
}

// twilioError reads an answer with a status that says no.
func (a answer) twilioError() error {
	var refusal twilioRefusal
	if err := a.decode(&refusal); err != nil {
		return err
	}
	if refusal.Message != "" && refusal.MoreInfo != "" {
		refusal.Message += " More information: " + refusal.MoreInfo
	}
	return refused(refusal.Message)
}

// twilioRefusal has a status too, which unlike that of a message is a number.
type twilioRefusal struct {
	Code     int    `json:"code"`
	Message  string `json:"message"`
	MoreInfo string `json:"more_info"`
}
