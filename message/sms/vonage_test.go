package sms_test

import "testing"

func TestVonageSaysWhenATextNeedsUnicode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"Your code": "", "Ihr Schlüssel": "unicode", "コード": "unicode"} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			for _, g := range gateways() {
				if g.name != "vonage" {
					continue
				}
				endpoint, asked := serve(t, g.status, g.success)
				m := message
				m.Text = text
				if _, err := connect(t, g, endpoint).SendSMS(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				if got := (<-asked).form; got.Get("type") != want || got.Get("text") != text {
					t.Errorf("got the type %q and the text %q, want %q and %q", got.Get("type"), got.Get("text"), want, text)
				}
			}
		})
	}
}
