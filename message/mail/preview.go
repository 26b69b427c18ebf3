package mail

import (
	"bytes"
	"context"
	"fmt"
	htmltemplate "html/template"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/postern-auth/postern"
)

// Preview writes every mail in every language that r has it in to a directory,
// which is created if need be, as TYPE.LANGUAGE.html and .txt, with sample data.
// An index.html shows them all, with their subjects.
func (r *Renderer) Preview(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var rows []previewRow
	for _, t := range slices.Sorted(maps.Keys(fileNames)) {
		for _, tag := range r.languages(t) {
			row, err := r.preview(ctx, dir, t, tag)
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
	}
	var index bytes.Buffer
	if err := previewIndex.Execute(&index, rows); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "index.html"), index.Bytes(), 0o644)
}

// previewRow is a mail in the index.
type previewRow struct {
	Type     postern.MailType
	Language string
	Subject  string
	File     string // without its extension
}

var previewIndex = htmltemplate.Must(htmltemplate.New("index").Parse(`<!doctype html>
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>Mails</title>
<table>
{{- range .}}
<tr><td>{{.Type}}<td>{{.Language}}<td><a href="{{.File}}.html">{{.Subject}}</a><td><a href="{{.File}}.txt">text</a>
{{- end}}
</table>
`))

// languages are the ones to ask for to see every form that a mail has.
func (r *Renderer) languages(t postern.MailType) []string {
	all := map[string]bool{canonicalTag(r.cfg.DefaultLanguage): true}
	for tag := range r.builtin.languages {
		all[tag] = true
	}
	for tag := range r.own[t] {
		all[tag] = true
	}
	maps.DeleteFunc(all, func(tag string, _ bool) bool {
		return tag == "" || !r.isOffered(tag) && tag != canonicalTag(r.cfg.DefaultLanguage)
	})
	return slices.Sorted(maps.Keys(all))
}

func (r *Renderer) preview(ctx context.Context, dir string, t postern.MailType, tag string) (previewRow, error) {
	m := sample(t)
	m.Languages = []string{tag}
	out, err := r.Render(ctx, m)
	if err != nil {
		return previewRow{}, err
	}
	row := previewRow{t, out.Language, out.Subject, fmt.Sprintf("%s.%s", t, tag)}
	for extension, text := range map[string]string{".html": out.HTML, ".txt": out.Text} {
		if err := os.WriteFile(filepath.Join(dir, row.File+extension), []byte(text), 0o644); err != nil {
			return previewRow{}, err
		}
	}
	return row, nil
}

// sample is a mail with made-up facts: those that mails of its type have.
func sample(t postern.MailType) postern.Mail {
	m := postern.Mail{
		Type:    t,
		To:      "ada@example.com",
		SiteURL: "https://app.example.com",
		User: &postern.User{
			Email:        "ada@example.com",
			Phone:        "15550100011",
			UserMetadata: postern.Metadata(`{"name":"Ada Lovelace"}`),
		},
	}
	switch t {
	case postern.MailSignUp, postern.MailInvite, postern.MailRecovery, postern.MailMagicLink, postern.MailEmailChange:
		m.Token = "123456"
		m.TokenHash = "4f1d3a0c8b9e7265d0f4a1b3c5e7d9f8a6b4c2d0e1f3a5b7c9d8e6f4"
		m.RedirectTo = "https://app.example.com/welcome"
		m.ConfirmationURL = "https://app.example.com/auth/v1/verify?token=" + string(m.TokenHash) +
			"&type=" + string(t) + "&redirect_to=" + m.RedirectTo
		m.NewEmail = "countess@example.com"
	case postern.MailReauthentication:
		m.Token = "123456"
	case postern.MailEmailChanged:
		m.User.Email, m.OldEmail = "countess@example.com", m.To
	case postern.MailPhoneChanged:
		m.OldPhone = "15550100010"
	case postern.MailIdentityLinked, postern.MailIdentityUnlinked:
		m.Provider = "github"
	case postern.MailFactorEnrolled, postern.MailFactorUnenrolled:
		m.FactorType = "totp"
	}
	return m
}
