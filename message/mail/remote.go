package mail

import (
	"context"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/postern-auth/postern"
)

// fetchTimeout is GoTrue's (contract: config.md §2.2).
const fetchTimeout = 10 * time.Second

// remote is a template that is fetched from a URL when it is needed.
type remote struct {
	url    *url.URL
	client *http.Client
	cfg    RendererConfig

	fetching chan struct{} // has an element while somebody fetches

	mu   sync.Mutex
	html *htmltemplate.Template // nil until it was fetched once
	due  time.Time              // when to fetch it the next time
}

func newRemotes(cfg RendererConfig) (map[postern.MailType]*remote, error) {
	client := http.Client{}
	if cfg.HTTPClient != nil {
		client = *cfg.HTTPClient
	}
	if client.CheckRedirect == nil {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	remotes := map[postern.MailType]*remote{}
	var mistakes []error
	for t, text := range cfg.URLs {
		u, err := templateURL(cfg.SiteURL, text)
		if fileNames[t] == "" {
			err = errors.New("there is no such mail")
		}
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("URLs[%q]: %w", t, err))
		}
		remotes[t] = &remote{url: u, client: &client, cfg: cfg, fetching: make(chan struct{}, 1)}
	}
	return remotes, errors.Join(mistakes...)
}

// templateURL returns an absolute URL as it is and appends another to siteURL.
func templateURL(siteURL, text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = strings.TrimRight(siteURL, "/") + "/" + strings.TrimLeft(text, "/")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("it is no URL") // err would show a password in it
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("%s is neither http nor https", u.Redacted())
	}
	return u, nil
}

// template returns the template, or nil when there is none to be had. While
// somebody fetches a new one, others use the old one, and wait if there is none.
func (r *remote) template(ctx context.Context) *htmltemplate.Template {
	if r == nil {
		return nil
	}
	html, isDue := r.state()
	if !isDue || !r.enter(ctx, html != nil) {
		return html
	}
	defer func() { <-r.fetching }()
	if html, isDue = r.state(); !isDue {
		return html
	}
	fetched, err := r.fetch(ctx)
	if err != nil {
		r.cfg.Logger.WarnContext(ctx, "a mail's template cannot be fetched", "url", r.url.Redacted(), "error", err)
	}
	return r.note(fetched, err)
}

func (r *remote) state() (html *htmltemplate.Template, isDue bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.html, !r.cfg.Now().Before(r.due)
}

// enter reports whether it is up to the caller to fetch.
func (r *remote) enter(ctx context.Context, canDoWithout bool) bool {
	select {
	case r.fetching <- struct{}{}:
		return true
	default:
		if canDoWithout {
			return false
		}
	}
	select {
	case r.fetching <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// note takes down what came of fetching. That somebody lost patience says nothing
// about the template.
func (r *remote) note(fetched *htmltemplate.Template, err error) *htmltemplate.Template {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.html, r.due = fetched, r.cfg.Now().Add(r.cfg.MaxAge)
	case !errors.Is(err, context.Canceled):
		r.due = r.cfg.Now().Add(r.cfg.RetryInterval)
	}
	return r.html
}

// fetch leaves half of the time that there is for sending the mail.
func (r *remote) fetch(ctx context.Context) (*htmltemplate.Template, error) {
	timeout := fetchTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url.String(), nil)
	if err != nil {
		return nil, err
	}
	res, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", res.Status)
	}
	return r.read(res.Body)
}

func (r *remote) read(body io.Reader) (*htmltemplate.Template, error) {
	text, err := io.ReadAll(io.LimitReader(body, r.cfg.MaxSize+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(text)) > r.cfg.MaxSize:
		return nil, fmt.Errorf("it is larger than %d bytes", r.cfg.MaxSize)
	case !utf8.Valid(text):
		return nil, errors.New("it is not in UTF-8")
	}
	return parseHTML(r.url.Path, string(text))
}
