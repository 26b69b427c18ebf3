package goenv

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/message/sms"
)

// smsNeeds are the services that GOTRUE_SMS_PROVIDER may name, and the variables
// that they do not work without.
var smsNeeds = map[string]string{
	"twilio":        "GOTRUE_SMS_TWILIO_{ACCOUNT_SID,AUTH_TOKEN,MESSAGE_SERVICE_SID}",
	"twilio_verify": "GOTRUE_SMS_TWILIO_VERIFY_{ACCOUNT_SID,AUTH_TOKEN,MESSAGE_SERVICE_SID}",
	"messagebird":   "GOTRUE_SMS_MESSAGEBIRD_{ACCESS_KEY,ORIGINATOR}",
	"textlocal":     "GOTRUE_SMS_TEXTLOCAL_{API_KEY,SENDER}",
	"vonage":        "GOTRUE_SMS_VONAGE_{API_KEY,API_SECRET,FROM}",
}

// smsService makes the service that GOTRUE_SMS_PROVIDER names. GoTrue starts
// without what it needs and fails to send; here that is a mistake, but only where
// there are phone numbers to send to.
func smsService(r *reader, s *Settings) {
	open := smsServices(r)
	c := &s.Config.Phone
	needs, known := smsNeeds[c.Provider]
	missing := r.missing(needs)
	switch {
	case c.Provider == "":
	case !known:
		r.mistake("GOTRUE_SMS_PROVIDER is %q; it must be %s", c.Provider, oneOf(slices.Sorted(maps.Keys(smsNeeds))))
	case len(missing) == 0:
		sender, err := open(c)
		if r.wrong("GOTRUE_SMS_PROVIDER", err); err == nil {
			s.Config.SMS, c.WhatsApp = sender, sender.WhatsApp()
		}
	case c.Enabled && s.Config.Hooks.SendSMS == nil:
		r.mistake("GOTRUE_SMS_PROVIDER is %q, which needs %s", c.Provider, strings.Join(missing, " and "))
	}
}

// smsServices reads the variables of all services, and returns what makes the one
// that is chosen.
func smsServices(r *reader) func(*postern.PhoneConfig) (*sms.Sender, error) {
	text := func(name string) string { return r.text("GOTRUE_SMS_"+name, "") }
	secret := func(name string) postern.Secret { return postern.Secret(text(name)) }
	endpoint := sms.Endpoint{Client: &http.Client{Timeout: r.timeout}}
	twilio := sms.TwilioConfig{
		AccountSID: text("TWILIO_ACCOUNT_SID"), AuthToken: secret("TWILIO_AUTH_TOKEN"),
		MessageServiceSID: text("TWILIO_MESSAGE_SERVICE_SID"), ContentSID: text("TWILIO_CONTENT_SID"), Endpoint: endpoint,
	}
	verify := sms.TwilioVerifyConfig{
		AccountSID: text("TWILIO_VERIFY_ACCOUNT_SID"), AuthToken: secret("TWILIO_VERIFY_AUTH_TOKEN"),
		ServiceSID: text("TWILIO_VERIFY_MESSAGE_SERVICE_SID"), Endpoint: endpoint,
	}
	messageBird := sms.MessageBirdConfig{
		AccessKey: secret("MESSAGEBIRD_ACCESS_KEY"), Originator: text("MESSAGEBIRD_ORIGINATOR"), Endpoint: endpoint,
	}
	textlocal := sms.TextlocalConfig{APIKey: secret("TEXTLOCAL_API_KEY"), Sender: text("TEXTLOCAL_SENDER"), Endpoint: endpoint}
	vonage := sms.VonageConfig{
		APIKey: text("VONAGE_API_KEY"), APISecret: secret("VONAGE_API_SECRET"), From: text("VONAGE_FROM"), Endpoint: endpoint,
	}

	return func(c *postern.PhoneConfig) (*sms.Sender, error) {
		switch c.Provider {
		case "twilio":
			return sms.Twilio(twilio)
		case "messagebird":
			return sms.MessageBird(messageBird)
		case "textlocal":
			return sms.Textlocal(textlocal)
		case "vonage":
			return sms.Vonage(vonage)
		}
		verifier, err := sms.TwilioVerify(verify)
		if err != nil {
			return nil, err
		}
		c.Check = verifier.CheckSMS
		return verifier.Sender, nil
	}
}
