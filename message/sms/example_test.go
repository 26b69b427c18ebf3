package sms_test

import (
	"fmt"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/message/sms"
)

func ExampleTwilio() {
	sender, err := sms.Twilio(sms.TwilioConfig{
		AccountSID:        "AC0123",
		AuthToken:         "from the environment",
		MessageServiceSID: "MG0123",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var _ postern.SMSSender = sender // for postern.Config.SMS
	fmt.Println("WhatsApp:", sender.WhatsApp())
	// Output: WhatsApp: true
}

func ExampleParseTemplate() {
	template, err := sms.ParseTemplate("{{ .Code }} is your code for Acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(template.Render("481516"))
	// Output: 481516 is your code for Acme <nil>
}
