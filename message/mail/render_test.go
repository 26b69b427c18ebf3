package mail_test

import (
	"context"
	"html"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/message/mail"
)

func newRenderer(t *testing.T, cfg mail.RendererConfig) *mail.Renderer {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	r, err := mail.NewRenderer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func render(t *testing.T, r *mail.Renderer, m postern.Mail) mail.Rendered {
	t.Helper()
	out, err := r.Render(t.Context(), m)
	if err != nil {
		t.Fatalf("rendering %s: %v", m.Type, err)
	}
	return out
}

// files makes a file system of names and contents.
func files(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fsys
}

// subjects are GoTrue's (contract: config.md §2.3).
var subjects = map[postern.MailType]string{
	postern.MailInvite:           "You've been invited",
	postern.MailSignUp:           "Confirm your email address",
	postern.MailRecovery:         "Reset your password",
	postern.MailMagicLink:        "Your sign-in link",
	postern.MailEmailChange:      "Confirm your new email address",
	postern.MailReauthentication: "271828 is your verification code",
	postern.MailPasswordChanged:  "Your password was changed",
	postern.MailEmailChanged:     "Your email address was changed",
	postern.MailPhoneChanged:     "Your phone number was changed",
	postern.MailIdentityLinked:   "A new sign-in method was linked to your account",
	postern.MailIdentityUnlinked: "A sign-in method was removed from your account",
	postern.MailFactorEnrolled:   "A new verification method was added to your account",
	postern.MailFactorUnenrolled: "A verification method was removed from your account",
}

var languages = []string{"en", "de", "es", "fr", "ja", "pt"}

// sample is a mail of a type as the core makes it.
func sample(kind postern.MailType) postern.Mail {
	m := signUp()
	m.Type = kind
	m.User = &postern.User{Email: "ada@example.com", Phone: "4915112345", NewEmail: "countess@example.com"}
	m.NewEmail, m.OldEmail, m.OldPhone, m.Provider, m.FactorType = "countess@example.com", "old@example.com", "4915154321", "github", "totp"
	switch {
	case kind == postern.MailReauthentication:
		m.ConfirmationURL = ""
	case strings.HasSuffix(string(kind), "_notification"):
		m.ConfirmationURL, m.Token, m.TokenHash = "", "", ""
	}
	return m
}

var (
	hrefs = regexp.MustCompile(`href="([^"]+)"`)
	tags  = regexp.MustCompile(`<[^>]+>`)
	codes = regexp.MustCompile(`\b\d{6,10}\b`)
)

// What a program reads out of a mail: the links, and the first number that can be
// a code, in the text and in the HTML without its tags.
func TestBuiltinMailsAreReadByPrograms(t *testing.T) {
	t.Parallel()
	r := newRenderer(t, mail.RendererConfig{})
	for kind, subject := range subjects {
		for _, language := range languages {
			t.Run(string(kind)+" "+language, func(t *testing.T) {
				t.Parallel()
				m := sample(kind)
				m.Languages = []string{language}
				got := render(t, r, m)
				if language == "en" && got.Subject != subject {
					t.Errorf("got subject %q, want %q", got.Subject, subject)
				}
				var links []string
				for _, match := range hrefs.FindAllStringSubmatch(got.HTML, -1) {
					links = append(links, html.UnescapeString(match[1]))
				}
				if got, want := strings.Join(links, " "), m.ConfirmationURL; got != want {
					t.Errorf("got the links %q, want %q", got, want)
				}
				if m.Token != "" {
					for part, text := range map[string]string{"text": got.Text, "HTML": tags.ReplaceAllString(got.HTML, " ")} {
						if first := codes.FindString(text); first != code {
							t.Errorf("%s: got %q as the first number, want the code", part, first)
						}
					}
				}
			})
		}
	}
}

func TestBuiltinMailsAreCompleteInEveryLanguage(t *testing.T) {
	t.Parallel()
	r := newRenderer(t, mail.RendererConfig{})
	for kind := range subjects {
		seen := map[string]string{} // languages by subject
		for _, language := range languages {
			m := sample(kind)
			m.Languages = []string{language}
			got := render(t, r, m)
			if got.Language != language || !strings.Contains(got.HTML, `<html lang="`+language+`">`) {
				t.Errorf("%s: got language %q, want %q", kind, got.Language, language)
			}
			if other, ok := seen[got.Subject]; ok || got.Subject == "" {
				t.Errorf("%s: %q has the subject %q of %q", kind, language, got.Subject, other)
			}
			seen[got.Subject] = language
			for _, text := range []string{got.Text, tags.ReplaceAllString(got.HTML, "")} {
				if strings.Contains(text, "{{") || strings.Contains(text, "ZgotmplZ") || strings.Contains(text, "<no value>") {
					t.Errorf("%s %s: got %s", kind, language, text)
				}
			}
			if lines := strings.Count(got.Text, "\n"); strings.Contains(got.Text, "\n\n\n") || lines < 5 {
				t.Errorf("%s %s: some of the text is missing: %q", kind, language, got.Text)
			}
		}
	}
}

// Clients block what comes from elsewhere, and nobody is to be followed.
func TestBuiltinMailsLoadNothing(t *testing.T) {
	t.Parallel()
	r := newRenderer(t, mail.RendererConfig{})
	for kind := range subjects {
		got := render(t, r, sample(kind)).HTML
		for _, loads := range []string{"src=", "url(", "<link", "@import", "<script", "<img", "background=", "srcset"} {
			if strings.Contains(got, loads) {
				t.Errorf("%s: has %s", kind, loads)
			}
		}
	}
}

func TestBuiltinMailsSayWhatChanged(t *testing.T) {
	t.Parallel()
	r := newRenderer(t, mail.RendererConfig{})
	for kind, facts := range map[postern.MailType][]string{
		postern.MailEmailChange:      {"ada@example.com", "countess@example.com"},
		postern.MailEmailChanged:     {"old@example.com", "ada@example.com"},
		postern.MailPhoneChanged:     {"+4915154321", "+4915112345"},
		postern.MailIdentityLinked:   {"github", "ada@example.com"},
		postern.MailIdentityUnlinked: {"github", "ada@example.com"},
		postern.MailFactorEnrolled:   {"totp"},
		postern.MailFactorUnenrolled: {"totp"},
	} {
		for _, language := range languages {
			m := sample(kind)
			m.Languages = []string{language}
			got := render(t, r, m)
			for _, fact := range facts {
				if !strings.Contains(got.Text, fact) || !strings.Contains(html.UnescapeString(got.HTML), fact) {
					t.Errorf("%s %s: does not say %q: %s", kind, language, fact, got.Text)
				}
			}
		}
	}
}

func TestUnknownMailIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := newRenderer(t, mail.RendererConfig{}).Render(t.Context(), postern.Mail{Type: "spam"}); err == nil {
		t.Error("got no error")
	}
}

func TestLanguageIsTheFirstThatThereIs(t *testing.T) {
	t.Parallel()
	const german, all = "confirmation.de.html", "confirmation.html"
	for _, tt := range []struct {
		name      string
		cfg       mail.RendererConfig
		languages string
		html      string // "builtin" or the file
		language  string
	}{
		{"none asked for", mail.RendererConfig{}, "", "builtin", "en"},
		{"exact", mail.RendererConfig{}, "fr", "builtin", "fr"},
		{"less specific", mail.RendererConfig{}, "pt-BR", "builtin", "pt"},
		{"much less specific", mail.RendererConfig{}, "ja-Jpan-JP-u-ca-japanese", "builtin", "ja"},
		{"the case does not matter", mail.RendererConfig{}, "DE_at", "builtin", "de"},
		{"second choice", mail.RendererConfig{}, "tlh es", "builtin", "es"},
		{"none of them", mail.RendererConfig{}, "tlh", "builtin", "en"},
		{"default", mail.RendererConfig{DefaultLanguage: "de-CH"}, "tlh", "builtin", "de"},
		{"default that there is not", mail.RendererConfig{DefaultLanguage: "tlh"}, "", "builtin", "en"},
		{"no tags", mail.RendererConfig{}, "* ../../etc/passwd de;q=1 -- de-", "builtin", "en"},
		{"only some offered", mail.RendererConfig{Languages: []string{"DE"}}, "fr de-AT", "builtin", "de"},
		{"none offered", mail.RendererConfig{Languages: []string{"en"}}, "fr de", "builtin", "en"},
		{"default is offered", mail.RendererConfig{Languages: []string{"fr"}, DefaultLanguage: "de"}, "es", "builtin", "de"},
		{"file of the language", mail.RendererConfig{Files: files(german, german, all, all)}, "de", german, "de"},
		{"file of the less specific language", mail.RendererConfig{Files: files(german, german, all, all)}, "de-AT", german, "de"},
		{"file of the more specific language", mail.RendererConfig{Files: files("confirmation.de-AT.html", "at", german, german)}, "de-at", "at", "de-at"},
		{"file of the default language", mail.RendererConfig{Files: files(german, german, all, all), DefaultLanguage: "de"}, "fr", german, "de"},
		{"file for all", mail.RendererConfig{Files: files(german, german, all, all)}, "fr", all, "en"},
		{"file for all in the default language", mail.RendererConfig{Files: files(all, all), DefaultLanguage: "nl"}, "fr", all, "nl"},
		{"file of another language", mail.RendererConfig{Files: files(german, german)}, "fr", "builtin", "fr"},
		{"file of another mail", mail.RendererConfig{Files: files("invite.html", "x")}, "fr", "builtin", "fr"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := signUp()
			m.Languages = strings.Fields(tt.languages)
			got := render(t, newRenderer(t, tt.cfg), m)
			if isBuiltin := strings.Contains(got.HTML, "<html"); isBuiltin != (tt.html == "builtin") || !isBuiltin && got.HTML != tt.html {
				t.Errorf("got the HTML %.40q, want %s", got.HTML, tt.html)
			}
			if got.Language != tt.language {
				t.Errorf("got language %q, want %q", got.Language, tt.language)
			}
		})
	}
}

func TestSubjectAndTextGoWithTheHTML(t *testing.T) {
	t.Parallel()
	own := map[postern.MailType]string{postern.MailSignUp: "own {{.Token}}"}
	const builtinText = "builtin"
	for _, tt := range []struct {
		name      string
		cfg       mail.RendererConfig
		languages string
		subject   string
		text      string
	}{
		{"subject alone", mail.RendererConfig{Subjects: own}, "de", "own 271828", builtinText},
		{"subject of the language", mail.RendererConfig{Subjects: own, Files: files("confirmation.de.subject.txt", "deutsch\n")}, "de-AT", "deutsch", builtinText},
		{"subject of another language", mail.RendererConfig{Files: files("confirmation.de.subject.txt", "deutsch")}, "fr", "Confirmez votre adresse e-mail", builtinText},
		{"subject for all", mail.RendererConfig{Files: files("confirmation.subject.txt", "all")}, "fr", "all", builtinText},
		{"setting before file", mail.RendererConfig{Subjects: own, Files: files("confirmation.subject.txt", "all")}, "", "own 271828", builtinText},
		{"built-in subject in the HTML's language", mail.RendererConfig{Files: files("confirmation.html", "<p>x</p>")}, "de", "Confirm your email address", "x"},
		{"HTML in a language of one's own", mail.RendererConfig{Files: files("confirmation.nl.html", "<p>x</p>")}, "nl", "Confirm your email address", "x"},
		{"text is made of the HTML", mail.RendererConfig{Files: files("confirmation.html", "<p>a<p>b")}, "", "Confirm your email address", "a\n\nb"},
		{"text of one's own", mail.RendererConfig{Files: files("confirmation.html", "<p>x", "confirmation.txt", "{{.Token}} & {{.Data.gone}}.")}, "", "Confirm your email address", "271828 & ."},
		{"text alone", mail.RendererConfig{Files: files("confirmation.txt", "t")}, "de", "Bestätigen Sie Ihre E-Mail-Adresse", "t"},
		{"text of the language alone", mail.RendererConfig{Files: files("confirmation.de.txt", "d", "confirmation.txt", "t")}, "de", "Bestätigen Sie Ihre E-Mail-Adresse", "d"},
		{"text for all does not go with HTML of a language", mail.RendererConfig{Files: files("confirmation.de.html", "<p>h", "confirmation.txt", "t")}, "de", "Bestätigen Sie Ihre E-Mail-Adresse", "h"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := signUp()
			m.Languages = strings.Fields(tt.languages)
			got := render(t, newRenderer(t, tt.cfg), m)
			if got.Subject != tt.subject {
				t.Errorf("got subject %q, want %q", got.Subject, tt.subject)
			}
			if text := strings.TrimSuffix(got.Text, "\n"); text != tt.text && (tt.text != builtinText || !strings.Contains(text, link)) {
				t.Errorf("got text %q, want %q", text, tt.text)
			}
		})
	}
}

// Contract: config.md §2.4.
func TestTemplatesKnowGoTruesVariables(t *testing.T) {
	t.Parallel()
	const every = "{{.SiteURL}}|{{.ConfirmationURL}}|{{.Token}}|{{.TokenHash}}|{{.RedirectTo}}|{{.Email}}|{{.NewEmail}}|{{.OldEmail}}|" +
		"{{.SendingTo}}|{{.Phone}}|{{.OldPhone}}|{{.Provider}}|{{.FactorType}}|{{.Data.name}}|{{index .Data \"plan\"}}"
	r := newRenderer(t, mail.RendererConfig{Files: files("email_change.txt", every, "email_change.subject.txt", every, "email_change.html", every)})
	m := sample(postern.MailEmailChange)
	m.User.UserMetadata = postern.Metadata(`{"name":"Ada","plan":{"seats":3}}`)
	m.To = "countess@example.com"
	want := "https://app.example.com|" + link + "|271828|pkce_c0ffee|https://app.example.com/|ada@example.com|countess@example.com|old@example.com|" +
		"countess@example.com|4915112345|4915154321|github|totp|Ada|map[seats:3]"
	got := render(t, r, m)
	for part, text := range map[string]string{"subject": got.Subject, "text": strings.TrimSpace(got.Text), "HTML": html.UnescapeString(got.HTML)} {
		if !strings.HasPrefix(want, strings.TrimSuffix(text, "…")) || len(text) < 200 {
			t.Errorf("%s: got  %s\nwant %s", part, text, want)
		}
	}
}

func TestVariablesOfNobodyAreEmpty(t *testing.T) {
	t.Parallel()
	r := newRenderer(t, mail.RendererConfig{Files: files("invite.txt", "[{{.Phone}}{{.Data}}{{.Data.x}}{{.Token}}{{.NoSuchThing}}]{{.Email}}")})
	for _, metadata := range []string{"", "null", "[1]", "broken", `{"x":`, "{}"} {
		m := postern.Mail{Type: postern.MailInvite, To: "ada@example.com", User: &postern.User{UserMetadata: postern.Metadata(metadata)}}
		if got, want := render(t, r, m).Text, "[map[]]ada@example.com\n"; got != want {
			t.Errorf("%q: got %q, want %q", metadata, got, want)
		}
	}
	if got, want := render(t, r, postern.Mail{Type: postern.MailInvite}).Text, "[map[]]\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Guarantee E26.
func TestWhatUsersWriteIsInert(t *testing.T) {
	t.Parallel()
	const template = `<p title="{{.Data.name}}">{{.Data.name}}</p><a href="{{.Data.name}}">x</a><script>var x = {{.Data.name}}</script><b style="color:{{.Data.name}}">{{.Email}} {{.Data.list}} {{.Provider}}</b>`
	r := newRenderer(t, mail.RendererConfig{Files: files("confirmation.html", template, "confirmation.subject.txt", "Hi {{.Data.name}}, {{.Email}}")})
	for _, name := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `javascript:alert(1)`, `{{.Token}}`, `</p><a href="https://evil.example">Confirm</a>`,
		`red;background:url(https://evil.example)`, "two\nlines\r\nX-Evil: yes", "\u202Egnp.exe", "a\u2028b", "\x00\x1b[31m",
	} {
		m := signUp()
		data, err := postern.NewMetadata(map[string]any{"name": name, "list": []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		m.User = &postern.User{Email: name, UserMetadata: data}
		m.Provider = name
		got := render(t, r, m)
		for _, live := range []string{"<script>alert", "<img", `href="javascript`, `href="https://evil`, "color:red", code} {
			if strings.Contains(got.HTML, live) {
				t.Errorf("%q: the HTML has %s: %s", name, live, got.HTML)
			}
		}
		if strings.ContainsAny(got.Subject, "\r\n\x00\x1b\u2028\u202E") || strings.Contains(got.Subject, code) {
			t.Errorf("%q: got subject %q", name, got.Subject)
		}
	}
}

func TestLongSubjectsAreCut(t *testing.T) {
	t.Parallel()
	r := newRenderer(t, mail.RendererConfig{Subjects: map[postern.MailType]string{postern.MailSignUp: "{{.Email}}"}})
	m := signUp()
	m.User.Email = strings.Repeat("ä", 1000)
	if got := len([]rune(render(t, r, m).Subject)); got != 255 {
		t.Errorf("got %d characters, want 255", got)
	}
}

func TestTemplateThatFailsGivesWayToTheBuiltinMail(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"confirmation.html", "confirmation.txt", "confirmation.subject.txt"} {
		r := newRenderer(t, mail.RendererConfig{Files: files(file, "{{.Data.name.first}}")})
		m := signUp()
		m.User.UserMetadata = postern.Metadata(`{"name":"Ada"}`)
		got := render(t, r, m)
		if got.Subject != subjects[m.Type] || !strings.Contains(got.HTML, code) || !strings.Contains(got.Text, code) {
			t.Errorf("%s: got %+v, want the built-in mail", file, got)
		}
	}
}

func TestMistakesInTemplatesAreToldTogether(t *testing.T) {
	t.Parallel()
	_, err := mail.NewRenderer(mail.RendererConfig{
		Files: files(
			"confirmaton.html", "x", "invite.d!e.html", "x", "recovery.html", "{{", "magic_link.txt", "{{end}}", "email_change.html", `<a href="{{if .Token}}">{{end}}`,
			"README.md", "may stay", "layout.css", "may stay"),
		Subjects:        map[postern.MailType]string{"spam": "x", postern.MailInvite: "{{"},
		URLs:            map[postern.MailType]string{"ham": "https://example.com", postern.MailSignUp: "ftp://example.com/x", postern.MailRecovery: "/relative/to/nothing"},
		DefaultLanguage: "no such",
		MaxAge:          -1,
	})
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{
		"confirmaton.html", "invite.d!e.html", "recovery.html", "magic_link.txt", "email_change.html",
		`"spam"`, "subject of invite", `"ham"`, `"signup"`, `"recovery"`, `"no such"`, "MaxAge",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want a sentence about %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "README") || strings.Contains(err.Error(), "layout.css") {
		t.Errorf("got %q, which minds files that are no templates", err)
	}
}

func TestPreviewWritesEveryMailInEveryLanguage(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	r := newRenderer(t, mail.RendererConfig{Files: files("invite.nl.html", "<p>Hallo {{.Data.name}}")})
	if err := r.Preview(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	index := read(t, dir, "index.html")
	for kind := range subjects {
		for _, language := range languages {
			name := string(kind) + "." + language
			if !strings.Contains(index, `href="`+name+`.html"`) || !strings.Contains(index, `href="`+name+`.txt"`) {
				t.Errorf("the index lacks %s", name)
			}
			if read(t, dir, name+".html") == "" || read(t, dir, name+".txt") == "" {
				t.Errorf("%s is empty", name)
			}
		}
	}
	if got, want := read(t, dir, "invite.nl.txt"), "Hallo Ada Lovelace\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func TestPreviewShowsOnlyWhatIsOffered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := newRenderer(t, mail.RendererConfig{Languages: []string{"fr"}})
	if err := r.Preview(context.Background(), dir); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.html"))
	if want := 2*len(subjects) + 1; err != nil || len(found) != want {
		t.Errorf("got %d pages, %v, want %d", len(found), err, want)
	}
}

func TestTextIsMadeOfHTML(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, html, want string }{
		{"nothing", "", ""},
		{"words", " a \n\t b&nbsp;c ", "a b c"},
		{"entities", "&lt;b&gt; &amp; &eacute;", "<b> & é"},
		{"inline elements", "<b>a</b>b <i>c</i>", "ab c"},
		{"paragraphs", "<p>a</p>\n<p>b</p>", "a\n\nb"},
		{"unclosed paragraphs", "<p>a<p>b", "a\n\nb"},
		{"heading", "<h1>a</h1>b", "a\n\nb"},
		{"breaks", "a<br>b<br/>c<br><br>d", "a\nb\nc\n\nd"},
		{"divisions", "<div><div>a</div><div>b</div></div>", "a\nb"},
		{"list", "a<ul><li>b</li><li> c</ul>d", "a\n\n- b\n- c\n\nd"},
		{"table", "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"},
		{"link", `<a href="https://x.example/?a=1&amp;b=2">Confirm</a> now`, "Confirm <https://x.example/?a=1&b=2> now"},
		{"link that says where it leads", `<a href="https://x.example"> https://x.example </a>.`, "https://x.example ."},
		{"link without text", `<a href="https://x.example"><img src="a.png"></a>`, "<https://x.example>"},
		{"link around a picture", `<a href="https://x.example"><img src="a.png" alt="Logo"></a>`, "Logo <https://x.example>"},
		{"link within the page", `<a href="#top">up</a><a name="top">x</a>`, "upx"},
		{"link in a paragraph of its own", `<p>a</p><p><a href="https://x.example">b</a></p><p>c</p>`, "a\n\nb <https://x.example>\n\nc"},
		{"head, style and script", "<html><head><title>t</title><style>p{}</style></head><body><script>x</script>a", "a"},
		{"head that does not end", "<head><title>t</title><p>a", "a"},
		{"comments", "a<!-- b -->c", "ac"},
		{"end of nothing", "</a></p>a</style>", "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := render(t, newRenderer(t, mail.RendererConfig{Files: files("invite.html", tt.html)}), postern.Mail{Type: postern.MailInvite})
			if got := strings.TrimSuffix(got.Text, "\n"); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}
