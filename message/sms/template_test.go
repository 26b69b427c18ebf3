package sms_test

import (
	"strings"
	"testing"

	"github.com/postern-auth/postern/message/sms"
)

func TestTemplateWritesTheCode(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		"":                                      "Your code is 481516",
		"{{ .Code }} for Acme & Co":             "481516 for Acme & Co", // a text, not HTML
		"{{.Code}}\n@acme.com #{{.Code}}":       "481516\n@acme.com #481516",
		`{{slice .Code 0 3}} {{slice .Code 3}}`: "481 516",
	} {
		parsed, err := sms.ParseTemplate(template)
		if err != nil {
			t.Errorf("ParseTemplate(%q): %v", template, err)
			continue
		}
		if got, err := parsed.Render(code); err != nil || got != want {
			t.Errorf("%q renders as %q, %v; want %q", template, got, err, want)
		}
	}
}

func TestMistakesInATemplateAreFoundBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	for _, template := range []string{"{{ .Code", "{{ .Token }}", "{{ nope .Code }}", `{{ slice .Code 0 20 }}`} {
		_, err := sms.ParseTemplate(template)
		if err == nil || !strings.HasPrefix(err.Error(), "sms: the template cannot be ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("ParseTemplate(%q): %v, want one sentence", template, err)
		}
	}
}

func TestTemplateThatFailsOnACodeSaysSoWithoutTheCode(t *testing.T) {
	t.Parallel()
	parsed, err := sms.ParseTemplate(`{{ slice .Code 0 5 }}`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parsed.Render("4815"); err == nil || strings.Contains(err.Error(), "4815") {
		t.Errorf("Render = %q, %v; want an error without the code", got, err)
	}
}
