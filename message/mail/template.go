package mail

import (
	"cmp"
	"errors"
	htmltemplate "html/template"
	"io"
	"strings"
	texttemplate "text/template"

	"github.com/postern-auth/postern"
)

// content is the templates of a mail. Each may be nil.
type content struct {
	subject *texttemplate.Template
	html    *htmltemplate.Template
	text    *texttemplate.Template
}

// variants are the contents of a mail by language, and "" for all others.
type variants map[string]*content

func (v variants) at(tag string) content {
	if c := v[tag]; c != nil {
		return *c
	}
	return content{}
}

// of is at, to write to.
func (v variants) of(tag string) *content {
	if v[tag] == nil {
		v[tag] = &content{}
	}
	return v[tag]
}

// draft is a mail whose variables are not filled in yet.
type draft struct {
	content  // without a text, that is made of the HTML
	language string
}

func (d draft) render(vars map[string]any) (Rendered, error) {
	subject, subjectErr := execute(d.subject, vars)
	html, htmlErr := execute(d.html, vars)
	text, textErr := plainText(html), error(nil)
	if d.text != nil {
		text, textErr = execute(d.text, vars)
	}
	return Rendered{
		Subject:  clip(oneLine(subject), 255),
		HTML:     html,
		Text:     strings.TrimSpace(text) + "\n",
		Language: d.language,
	}, errors.Join(subjectErr, htmlErr, textErr)
}

type template interface {
	Execute(io.Writer, any) error
}

func execute(t template, vars map[string]any) (string, error) {
	var out strings.Builder
	err := t.Execute(&out, vars)
	return strings.ReplaceAll(out.String(), "<no value>", ""), err // as text/template writes what Data lacks
}

func parseText(name, text string) (*texttemplate.Template, error) {
	return texttemplate.New(name).Parse(text)
}

// parseHTML also does what html/template leaves to the first execution: it finds
// out how to escape each variable, and fails where that cannot be told.
func parseHTML(name, text string) (*htmltemplate.Template, error) {
	t, err := htmltemplate.New(name).Parse(text)
	if err != nil {
		return nil, err
	}
	if err, ok := errors.AsType[*htmltemplate.Error](t.Execute(io.Discard, variables(postern.Mail{}))); ok {
		return nil, err
	}
	return t, nil
}

// variables are what templates know (contract: config.md §2.4).
func variables(m postern.Mail) map[string]any {
	user := cmp.Or(m.User, &postern.User{})
	data := map[string]any{}
	if err := user.UserMetadata.Decode(&data); err != nil {
		data = map[string]any{} // what is no JSON says nothing
	}
	return map[string]any{
		"SiteURL":         m.SiteURL,
		"ConfirmationURL": m.ConfirmationURL,
		"Token":           string(m.Token),
		"TokenHash":       string(m.TokenHash),
		"RedirectTo":      m.RedirectTo,
		"Email":           cmp.Or(user.Email, m.To),
		"NewEmail":        cmp.Or(m.NewEmail, user.NewEmail),
		"OldEmail":        m.OldEmail,
		"SendingTo":       m.To,
		"Phone":           user.Phone,
		"OldPhone":        m.OldPhone,
		"Provider":        m.Provider,
		"FactorType":      m.FactorType,
		"Data":            data,
	}
}
