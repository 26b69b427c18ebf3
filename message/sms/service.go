package sms

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Endpoint says where a service is and how it is reached. The zero value is right
// for the service itself.
type Endpoint struct {
	// URL replaces the service's own scheme and host, and begins the path: for
	// a gateway that speaks the service's language, or for a test.
	URL string
	// Client makes the requests. Redirects are not followed, whatever it says
	// about them. Defaults to one that gives up after 10 seconds.
	Client *http.Client
}

const (
	defaultTimeout = 10 * time.Second
	maxAnswer      = 64 << 10 // bytes; the services need some hundreds
)

// service is one of the services, for one account.
type service struct {
	name          string
	url           string // without a slash at its end
	client        *http.Client
	authorization string   // the header, "" for none
	secrets       []string // what errors must not show
}

// setting is one that a service does not work without.
type setting struct{ name, value string }

// service returns the service of that name, which is at home at url, or a
// sentence for every mistake in what it was given.
func (e Endpoint) service(name, home string, needed ...setting) (*service, error) {
	var mistakes []error
	for _, s := range needed {
		if s.value == "" {
			mistakes = append(mistakes, fmt.Errorf("sms: %s needs its %s", name, s.name))
		}
	}
	if e.URL != "" {
		home = strings.TrimRight(e.URL, "/")
	}
	if u, err := url.Parse(home); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		mistakes = append(mistakes, fmt.Errorf("sms: the endpoint's URL of %s must be an absolute http or https URL", name))
	}
	return &service{name: name, url: home, client: e.client()}, errors.Join(mistakes...)
}

func (e Endpoint) client() *http.Client {
	client := http.Client{Timeout: defaultTimeout}
	if e.Client != nil {
		client = *e.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// request is one to a service.
type request struct {
	path string
	form url.Values
	code string // the one that it is about, for errors not to show it
}

// exchange makes a request and returns what read makes of the answer. An *Error
// of read's has a reason at most; the rest is filled in here.
func exchange[T any](ctx context.Context, s *service, r request, read func(answer) (T, error)) (T, error) {
	a, err := s.post(ctx, r)
	if err != nil {
		return *new(T), err
	}
	result, err := read(a)
	if refusal, ok := errors.AsType[*Error](err); ok {
		reason := tidy(without(without(refusal.Message, s.secrets...), r.code))
		refusal.Service, refusal.Message = s.name, cmp.Or(reason, s.name+" "+a.outline(refusal.Err))
	}
	return result, err
}

func (s *service) post(ctx context.Context, r request) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+r.path, strings.NewReader(r.form.Encode()))
	if err != nil {
		return answer{}, s.failure("cannot be asked", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if s.authorization != "" {
		req.Header.Set("Authorization", s.authorization)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return answer{}, s.failure(unreached(err, "could not be reached"), err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return answer{}, s.failure(unreached(err, "broke off in its answer"), err)
	}
	if len(body) > maxAnswer {
		return answer{}, s.failure("answered with too much", fmt.Errorf("sms: more than %d bytes", maxAnswer))
	}
	return answer{res.StatusCode, body}, nil
}

func (s *service) failure(what string, cause error) *Error {
	return &Error{Service: s.name, Message: s.name + " " + what, Err: cause}
}

func unreached(err error, otherwise string) string {
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "did not answer in time"
	}
	return otherwise
}

// answer is a service's, read whole.
type answer struct {
	status int
	body   []byte
}

// ok reports whether the status is of the kind that says so.
func (a answer) ok() bool { return a.status/100 == 2 }

// decode reads the body into v.
func (a answer) decode(v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return &Error{Err: err}
	}
	return nil
}

// outline says what is wrong with an answer that gives no reason itself. The
// cause is why it could not be read, nil if it could.
func (a answer) outline(cause error) string {
	switch {
	case !a.ok():
		return fmt.Sprintf("answered with status %d", a.status)
	case cause != nil:
		return "gave an answer that makes no sense"
	}
	return "gave no reason"
}
