package httpadapter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/postern-auth/postern"
)

// CaptchaVerifier tells people from programs. Package httpadapter/captcha has one
// for each of GoTrue's services. It is asked by many requests at once.
type CaptchaVerifier interface {
	// Verify returns nil for the token of somebody who has solved a CAPTCHA, and a
	// *CaptchaRefusal for any other. Another error says that nobody could tell; it
	// goes to the log, and so shows neither the token nor a secret. client is the
	// zero Addr when nobody knows the address.
	Verify(ctx context.Context, token string, client netip.Addr) error
}

// CaptchaRefusal says that a CAPTCHA was not solved.
type CaptchaRefusal struct {
	Codes []string // the service's reasons, which the client is told
}

// Error says so.
func (r *CaptchaRefusal) Error() string {
	return fmt.Sprintf("captcha protection: request disallowed (%s)", strings.Join(r.Codes, ", "))
}

// longestCaptchaToken bounds what a service is bothered with. Theirs have some two
// kilobytes.
const longestCaptchaToken = 16 << 10

// forPeople asks for a solved CAPTCHA before an endpoint, unless an operator is
// asking (contract: config.md §6).
func (s *server) forPeople(next endpoint) endpoint {
	if s.captcha == nil {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		if _, err := s.auth.AuthenticateAdmin(r.Context(), bearer(r)); err == nil {
			return next(w, r)
		}
		body, err := readBody(r)
		if err != nil {
			return err
		}
		if err := s.checkCaptcha(r, body); err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body)) // for next to read once more
		return next(w, r)
	}
}

// proofGrants are those of POST /token that bring a proof which only another request
// hands out.
var proofGrants = []string{"pkce", "refresh_token", "id_token"}

// forPeopleOrProof is forPeople for POST /token.
func (s *server) forPeopleOrProof(next endpoint) endpoint {
	guarded := s.forPeople(next)
	return func(w http.ResponseWriter, r *http.Request) error {
		if slices.Contains(proofGrants, grantType(r)) {
			return next(w, r)
		}
		return guarded(w, r)
	}
}

// checkCaptcha looks into the body for the token of a solved CAPTCHA.
func (s *server) checkCaptcha(r *http.Request, body []byte) error {
	type GotrueSecurity struct {
		Token string `json:"captcha_token"`
	}
	type GotrueRequest struct {
		Security GotrueSecurity `json:"gotrue_meta_security"`
	}
	var p GotrueRequest
	if err := parse(body, &p); err != nil {
		return err
	}
	token := strings.TrimSpace(p.Security.Token)
	var err error
	switch {
	case token == "":
		err = &CaptchaRefusal{Codes: []string{"no captcha_token found"}}
	case len(token) > longestCaptchaToken:
		err = &CaptchaRefusal{Codes: []string{"invalid-input-response"}} // as the services call it
	default:
		err = s.captcha.Verify(r.Context(), token, postern.RequestInfoFromContext(r.Context()).IP)
	}
	if refusal, ok := errors.AsType[*CaptchaRefusal](err); ok {
		return &postern.Error{Kind: postern.KindInvalid, Code: postern.ErrCaptchaFailed, Message: refusal.Error()}
	}
	if err != nil {
		return &postern.Error{
			Kind: postern.KindInternal, Code: postern.ErrUnexpectedFailure, Message: "captcha verification process failed", Err: err,
		}
	}
	return nil
}
