package mail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/postern-auth/postern"
)

// RendererConfig says where mails' texts come from. The zero value means the
// built-in ones, in all their languages.
type RendererConfig struct {
	// Files have templates for the mails, in their root directory. A mail's
	// parts are NAME.html, NAME.txt and NAME.subject.txt; any may be missing.
	// NAME.de.html and so on are for readers of that language, as a BCP 47
	// tag; those without one are in DefaultLanguage and for all the others.
	// NAME is one of
	//
	//	confirmation invite recovery magic_link email_change reauthentication
	//	password_changed_notification email_changed_notification
	//	phone_changed_notification identity_linked_notification
	//	identity_unlinked_notification mfa_factor_enrolled_notification
	//	mfa_factor_unenrolled_notification
	//
	// The files are read once. What is called *.html or *.txt and has another
	// name is a mistake. Defaults to none.
	Files fs.FS
	// Subjects replace the subjects in all languages, but for those that Files
	// have a translation of. They are templates too.
	Subjects map[postern.MailType]string
	// URLs are where to fetch HTML templates from: absolute ones, http or https,
	// or paths to append to SiteURL. They take the place of NAME.html in Files,
	// which stands in for one that cannot be had.
	URLs map[postern.MailType]string
	// SiteURL is what the paths in URLs are appended to.
	SiteURL string

	// DefaultLanguage is for readers whose languages there are no texts in.
	// Defaults to "en".
	DefaultLanguage string
	// Languages are the only ones that mails are written in, besides
	// DefaultLanguage. Defaults to all that there are texts in.
	Languages []string

	// HTTPClient fetches URLs. Redirects are not followed unless it has a
	// CheckRedirect that does. Defaults to an http.Client.
	HTTPClient *http.Client
	// MaxSize is the largest template to fetch, in bytes. Defaults to 1,000,000.
	MaxSize int64
	// MaxAge is how long a template that was fetched is used before it is
	// fetched again; if that fails, it goes on being used. Defaults to 10
	// minutes.
	MaxAge time.Duration
	// RetryInterval is how long to wait after a template could not be fetched.
	// Defaults to 10 seconds.
	RetryInterval time.Duration

	// Now is the clock for MaxAge and RetryInterval. Defaults to time.Now.
	Now func() time.Time
	// Logger hears of templates that could not be fetched or do not work.
	// Defaults to slog.Default().
	Logger *slog.Logger
}

// Rendered is a mail as somebody reads it.
type Rendered struct {
	Subject  string // one line
	HTML     string
	Text     string // says the same
	Language string // that of the texts, as a BCP 47 tag in lower case
}

// Renderer writes mails. It is safe for concurrent use and holds nothing that
// needs closing.
type Renderer struct {
	cfg     RendererConfig
	own     map[postern.MailType]variants
	remote  map[postern.MailType]*remote
	builtin *builtin
}

// NewRenderer returns a Renderer. It reads the files and fetches nothing. The
// error has a sentence for every mistake in cfg and in the files.
func NewRenderer(cfg RendererConfig) (*Renderer, error) {
	r := &Renderer{cfg: cfg.withDefaults()}
	var filesErr, subjectsErr, urlsErr, builtinErr error
	r.own, filesErr = readFiles(cfg.Files)
	subjectsErr = r.takeSubjects()
	r.remote, urlsErr = newRemotes(r.cfg)
	r.builtin, builtinErr = newBuiltin()
	if err := errors.Join(r.cfg.check(), filesErr, subjectsErr, urlsErr, builtinErr); err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return r, nil
}

func (c RendererConfig) withDefaults() RendererConfig {
	c.DefaultLanguage = cmp.Or(c.DefaultLanguage, "en")
	c.MaxSize = cmp.Or(c.MaxSize, 1_000_000)
	c.MaxAge = cmp.Or(c.MaxAge, 10*time.Minute)
	c.RetryInterval = cmp.Or(c.RetryInterval, 10*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c RendererConfig) check() error {
	var mistakes []error
	for _, tag := range append(slices.Clone(c.Languages), c.DefaultLanguage) {
		if canonicalTag(tag) == "" {
			mistakes = append(mistakes, fmt.Errorf("no language has the tag %q", tag))
		}
	}
	if c.MaxSize < 0 || c.MaxAge < 0 || c.RetryInterval < 0 {
		mistakes = append(mistakes, errors.New("MaxSize, MaxAge and RetryInterval must not be negative"))
	}
	return errors.Join(mistakes...)
}

func (r *Renderer) takeSubjects() error {
	var mistakes []error
	for t, text := range r.cfg.Subjects {
		if fileNames[t] == "" {
			mistakes = append(mistakes, fmt.Errorf("Subjects: there is no mail %q", t))
			continue
		}
		subject, err := parseText("subject of "+string(t), text)
		mistakes = append(mistakes, err)
		r.own[t].of("").subject = subject
	}
	return errors.Join(mistakes...)
}

// Render writes m. ctx is for fetching a template and ends it early. A template
// of one's own that fails is logged, and the built-in mail takes its place; so an
// error means that there is no such mail as m.Type.
//
// The languages looked for are those of m, the best first, each with its less
// specific forms, and then DefaultLanguage. The first one that there is an HTML
// file in is taken; else the URL or the HTML file without a language; else the
// first one that there is a built-in mail in, at last English. Subject and text
// part go with the HTML part.
func (r *Renderer) Render(ctx context.Context, m postern.Mail) (Rendered, error) {
	if fileNames[m.Type] == "" {
		return Rendered{}, fmt.Errorf("there is no mail %q", m.Type)
	}
	vars := variables(m)
	d, err := r.draft(ctx, m)
	if err != nil {
		return Rendered{}, err
	}
	out, err := d.render(vars)
	if err == nil {
		return out, nil
	}
	r.cfg.Logger.WarnContext(ctx, "a mail's template failed, the built-in mail is sent", "type", m.Type, "error", err)
	if d, err = r.builtin.draft(r.tags(m), m.Type); err != nil {
		return Rendered{}, err
	}
	return d.render(vars)
}

// tags are the languages to look for, in order.
func (r *Renderer) tags(m postern.Mail) []string {
	var tags []string
	for _, language := range m.Languages {
		for _, tag := range lookup(canonicalTag(language)) {
			if r.isOffered(tag) {
				tags = append(tags, tag)
			}
		}
	}
	return append(tags, lookup(canonicalTag(r.cfg.DefaultLanguage))...)
}

func (r *Renderer) isOffered(tag string) bool {
	return len(r.cfg.Languages) == 0 ||
		slices.ContainsFunc(r.cfg.Languages, func(l string) bool { return canonicalTag(l) == tag })
}

// draft chooses the templates for m.
func (r *Renderer) draft(ctx context.Context, m postern.Mail) (draft, error) {
	tags, own := r.tags(m), r.own[m.Type]
	for _, tag := range tags {
		if c := own.at(tag); c.html != nil {
			return r.withSubject(draft{c, tag}, m.Type)
		}
	}
	d, err := r.builtin.draft(tags, m.Type)
	if err != nil {
		return draft{}, err
	}
	if html := cmp.Or(r.remote[m.Type].template(ctx), own.at("").html); html != nil {
		d = draft{content{html: html}, canonicalTag(r.cfg.DefaultLanguage)}
	}
	d.text = cmp.Or(own.at(d.language).text, own.at("").text, d.text)
	return r.withSubject(d, m.Type)
}

// withSubject gives d the subject that suits its language.
func (r *Renderer) withSubject(d draft, t postern.MailType) (draft, error) {
	own, tags := r.own[t], lookup(d.language)
	for _, tag := range append(tags, "") {
		if subject := own.at(tag).subject; subject != nil {
			d.subject = subject
			return d, nil
		}
	}
	builtin, err := r.builtin.draft(append(tags, lookup(canonicalTag(r.cfg.DefaultLanguage))...), t)
	d.subject = builtin.subject
	return d, err
}
