// Package captcha asks the service behind a CAPTCHA whether somebody has solved it:
// hCaptcha, Cloudflare Turnstile, or any other that is asked in the same way.
//
//	verifier, err := captcha.New(captcha.Config{URL: captcha.Turnstile, Secret: secret})
//	…
//	httpadapter.New(a, httpadapter.Options{Captcha: verifier})
package captcha

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/internal/outbound"
)

// Where the services are asked (contract: config.md §6).
const (
	HCaptcha  = "https://hcaptcha.com/siteverify"
	Turnstile = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
)

// Config says who is asked. URL and Secret are required.
type Config struct {
	// URL is HCaptcha, Turnstile, or that of another service that takes the form
	// fields secret, response and remoteip, and answers with the JSON members
	// success and error-codes. It may be in a private network.
	URL string
	// Secret is the site's, by which the service knows it.
	Secret postern.Secret
	// Timeout is of one question. Defaults to 10 seconds.
	Timeout time.Duration
}

// Verifier is an httpadapter.CaptchaVerifier. It is safe for concurrent use.
type Verifier struct {
	cfg    Config
	client *http.Client
}

var _ httpadapter.CaptchaVerifier = (*Verifier)(nil)

// New returns a Verifier and connects to nothing. The error has a sentence for
// every mistake in cfg, and shows no secret.
func New(cfg Config) (*Verifier, error) {
	cfg.Secret = postern.Secret(strings.TrimSpace(string(cfg.Secret)))
	var mistakes []error
	if u, err := url.Parse(cfg.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		mistakes = append(mistakes, errors.New("captcha: URL must be an absolute http or https URL"))
	}
	if cfg.Secret == "" {
		mistakes = append(mistakes, errors.New("captcha: Secret is missing"))
	}
	if cfg.Timeout < 0 {
		mistakes = append(mistakes, errors.New("captcha: Timeout cannot be negative"))
	}
	policy := outbound.Policy{Timeout: cfg.Timeout} // 0 is its default
	if cfg.URL != HCaptcha && cfg.URL != Turnstile {
		policy.Hosts = []string{outbound.Host(cfg.URL)}
	}
	return &Verifier{cfg: cfg, client: outbound.NewClient(policy)}, errors.Join(mistakes...)
}

// Verify returns nil for a token of somebody who has solved the CAPTCHA, an
// *httpadapter.CaptchaRefusal for one that the service refuses, and another error,
// without the token or the secret in it, when it gave no answer.
func (v *Verifier) Verify(ctx context.Context, token string, client netip.Addr) error {
	form := url.Values{"secret": {string(v.cfg.Secret)}, "response": {token}}
	if client.IsValid() {
		form.Set("remoteip", client.String())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.cfg.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return bare(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := v.client.Do(req)
	if err != nil {
		return bare(err)
	}
	defer res.Body.Close()
	return read(res)
}

// bare is an error without the URL, in which a service may have a key.
func bare(err error) error {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	return fmt.Errorf("captcha: %w", err)
}

// read reads an answer. A service may refuse with a status of its own, but only
// 200 agrees.
func read(res *http.Response) error {
	var answer struct {
		Success *bool    `json:"success"`
		Codes   []string `json:"error-codes"`
	}
	switch err := json.NewDecoder(res.Body).Decode(&answer); {
	case err != nil:
		return fmt.Errorf("captcha: the service answered with status %d and no JSON that makes sense: %w", res.StatusCode, err)
	case answer.Success == nil, *answer.Success && res.StatusCode != http.StatusOK, res.StatusCode >= http.StatusInternalServerError:
		return fmt.Errorf("captcha: the service answered with status %d and said neither yes nor no", res.StatusCode)
	case !*answer.Success:
		return &httpadapter.CaptchaRefusal{Codes: answer.Codes}
	}
	return nil
}
