package sms

import (
	"cmp"
	"fmt"
	"strings"
	"text/template"
)

// DefaultTemplate is the text of a message when none is set.
const DefaultTemplate = "Your code is {{ .Code }}"

// Template is the text of messages, in the language of text/template, with the
// code as .Code.
type Template struct{ parsed *template.Template }

// templateData are the variables, which are GoTrue's.
type templateData struct{ Code string }

// ParseTemplate reads a template; "" stands for DefaultTemplate. A mistake in it
// is an error here and not only when the first message is to be sent.
func ParseTemplate(text string) (*Template, error) {
	parsed, err := template.New("SMS").Parse(cmp.Or(text, DefaultTemplate))
	if err != nil {
		return nil, fmt.Errorf("sms: the template cannot be read: %w", err)
	}
	t := &Template{parsed}
	if _, err := t.Render("123456"); err != nil {
		return nil, err
	}
	return t, nil
}

// Render returns the text of a message with the code. It fits
// postern.PhoneConfig.Text.
func (t *Template) Render(code string) (string, error) {
	var text strings.Builder
	if err := t.parsed.Execute(&text, templateData{code}); err != nil {
		return "", fmt.Errorf("sms: the template cannot be filled in: %w", err)
	}
	return text.String(), nil
}
