// Package sms sends codes as text messages, over the services that GoTrue knows
// (contract: config.md §4): Twilio, Twilio Verify, MessageBird, Vonage and
// Textlocal.
//
//	sender, err := sms.Twilio(sms.TwilioConfig{
//		AccountSID:        "AC…",
//		AuthToken:         token,
//		MessageServiceSID: "MG…",
//	})
//
// The constructors check what they are given and make no request. What they
// return is safe for concurrent use.
//
// Twilio Verify makes the codes itself and has to be asked whether one is right;
// it has a type of its own, Verifier.
package sms

import (
	"cmp"
	"context"
	"net/url"

	"github.com/postern-auth/postern"
)

// The channels of a postern.SMS.
const (
	channelSMS      = "sms"
	channelWhatsApp = "whatsapp"
)

// Sender is a postern.SMSSender over one of the services.
type Sender struct {
	service  *service
	path     string
	whatsApp bool
	form     func(postern.SMS) url.Values
	read     func(answer) (id string, err error)
}

var _ postern.SMSSender = (*Sender)(nil)

// WhatsApp reports whether messages may have "whatsapp" as their Channel besides
// "sms": over Twilio and Twilio Verify (postern.PhoneConfig.WhatsApp).
func (s *Sender) WhatsApp() bool { return s.whatsApp }

// SendSMS makes one request and returns the service's id of the message, which
// Textlocal has none of. A message without a Channel goes by "sms". Every error
// is an *Error. After one that says that the answer was lost or made no sense,
// the message may be on its way all the same.
func (s *Sender) SendSMS(ctx context.Context, m postern.SMS) (string, error) {
	m.Channel = cmp.Or(m.Channel, channelSMS)
	if m.Channel != channelSMS && !(s.whatsApp && m.Channel == channelWhatsApp) {
		return "", s.service.failure("has no such channel", nil)
	}
	return exchange(ctx, s.service, request{s.path, s.form(m), string(m.Code)}, s.read)
}
