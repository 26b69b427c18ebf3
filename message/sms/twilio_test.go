package sms_test

import (
	"net/http"
	"net/url"
	"reflect"
	"testing"
)

func TestTwilioWritesToWhatsAppAsItDemands(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, from, contentSID string
		want                   url.Values
	}{
		{"from a service", "MG1", "", url.Values{"From": {"MG1"}, "Body": {text}}},
		{"from a number", "+14155550100", "", url.Values{"From": {"whatsapp:+14155550100"}, "Body": {text}}},
		{"from a number without a plus", "14155550100", "", url.Values{"From": {"whatsapp:14155550100"}, "Body": {text}}},
		{"with a template", "MG1", "HX1", url.Values{
			"From": {"MG1"}, "ContentSid": {"HX1"}, "ContentVariables": {`{"1":"` + code + `"}`},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			endpoint, asked := serve(t, http.StatusCreated, `{"sid":"SM1","status":"queued"}`)
			s := connect(t, gateway{sender: twilio(test.from, test.contentSID)}, endpoint)
			m := message
			m.Channel = "whatsapp"
			if _, err := s.SendSMS(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			test.want.Set("To", "whatsapp:+"+phone)
			test.want.Set("Channel", "whatsapp")
			if got := (<-asked).form; !reflect.DeepEqual(got, test.want) {
				t.Errorf("the form is %v, want %v", got, test.want)
			}
		})
	}
}

func TestTwilioTextsDoNotUseTheTemplateOfWhatsApp(t *testing.T) {
	t.Parallel()
	endpoint, asked := serve(t, http.StatusOK, `{"sid":"SM1","status":"queued"}`)
	s := connect(t, gateway{sender: twilio("+14155550100", "HX1")}, endpoint)
	if _, err := s.SendSMS(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	want := url.Values{"To": {"+" + phone}, "Channel": {"sms"}, "From": {"+14155550100"}, "Body": {text}}
	if got := (<-asked).form; !reflect.DeepEqual(got, want) {
		t.Errorf("the form is %v, want %v", got, want)
	}
}

func TestTwilioMessageThatFailedIsAnError(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		code int
		body string
		want string
	}{
		{"failed", 201, `{"sid":"SM1","status":"failed","error_message":"Landline."}`, "Landline."},
		{"undelivered", 201, `{"sid":"SM1","status":"undelivered","error_message":null}`, "twilio gave no reason"},
		{"a status of success that Twilio does not use", 202, `{"sid":"SM1","status":"queued"}`, "twilio gave no reason"},
		{"no link", 400, `{"message":"No."}`, "No."},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			endpoint, _ := serve(t, test.code, test.body)
			_, err := connect(t, gateway{sender: twilio("MG1", "")}, endpoint).SendSMS(t.Context(), message)
			checkError(t, err, "twilio", test.want)
		})
	}
}
