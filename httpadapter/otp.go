package httpadapter

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/postern-auth/postern"
)

// otp serves POST /otp.
func (s *server) otp(w http.ResponseWriter, r *http.Request) error {
	//lint:ignore ST1003 GoTrue's messages of a member's wrong type have this name
	type OtpParams struct {
		Email               string         `json:"email"`
		Phone               string         `json:"phone"`
		CreateUser          bool           `json:"create_user"`
		Data                map[string]any `json:"data"`
		Channel             string         `json:"channel"`
		CodeChallengeMethod string         `json:"code_challenge_method"`
		CodeChallenge       string         `json:"code_challenge"`
	}
	p := OtpParams{CreateUser: true}
	body, err := readParams(r)
	if err != nil {
		return err
	}
	if err := parse(body, &p); err != nil {
		return err
	}
	sent, err := s.auth.SignInWithOTP(r.Context(), postern.SignInWithOTPParams{
		Email: p.Email, Phone: p.Phone, Channel: p.Channel, NoSignUp: !p.CreateUser, Data: p.Data,
		RedirectTo: s.redirectTo(r), Audience: audienceOf(r), Challenge: challenge(p.CodeChallenge, p.CodeChallengeMethod),
	})
	return respondSent(w, sent, err)
}

// magicLink serves POST /magiclink, the older way to ask for what /otp sends by
// mail.
func (s *server) magicLink(w http.ResponseWriter, r *http.Request) error {
	type MagicLinkParams struct {
		Email               string         `json:"email"`
		Data                map[string]any `json:"data"`
		CodeChallengeMethod string         `json:"code_challenge_method"`
		CodeChallenge       string         `json:"code_challenge"`
	}
	var p MagicLinkParams
	body, err := readParams(r)
	if err != nil {
		return err
	}
	if err := unmarshal(body, &p); err != nil {
		return badParams(streamError(body, &p, err))
	}
	if p.Email == "" {
		return &postern.Error{
			Kind: postern.KindUnprocessable, Code: postern.ErrValidationFailed, Message: "Password recovery requires an email",
		}
	}
	sent, err := s.auth.SignInWithOTP(r.Context(), postern.SignInWithOTPParams{
		Email: p.Email, Data: p.Data, RedirectTo: s.redirectTo(r), Audience: audienceOf(r),
		Challenge: challenge(p.CodeChallenge, p.CodeChallengeMethod),
	})
	return respondSent(w, sent, err)
}

// readParams is readBody for the routes above, which call a body that is too
// large a bad one (contract: errors.md §2).
func readParams(r *http.Request) ([]byte, error) {
	body, err := readBody(r)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, badParams(tooLarge)
	}
	return body, err
}

func badParams(cause error) error {
	return &postern.Error{
		Kind: postern.KindInvalid, Code: postern.ErrBadJSON, Message: "Could not read verification params: " + cause.Error(),
	}
}

// streamError words an error as whoever decodes a stream would, which is what
// GoTrue does with this one body. It is err when only we object.
func streamError(body []byte, v any, err error) error {
	if streamed := json.NewDecoder(bytes.NewReader(body)).Decode(v); streamed != nil {
		return streamed
	}
	return err
}

// recovery serves POST /recover.
func (s *server) recovery(w http.ResponseWriter, r *http.Request) error {
	type RecoverParams struct {
		Email               string `json:"email"`
		CodeChallenge       string `json:"code_challenge"`
		CodeChallengeMethod string `json:"code_challenge_method"`
	}
	var p RecoverParams
	if err := decode(r, &p); err != nil {
		return err
	}
	err := s.auth.ResetPasswordForEmail(r.Context(), postern.ResetPasswordParams{
		Email: p.Email, RedirectTo: s.redirectTo(r), Audience: audienceOf(r),
		Challenge: challenge(p.CodeChallenge, p.CodeChallengeMethod),
	})
	return respondSent(w, &postern.SentMessage{}, err)
}

// resend serves POST /resend.
func (s *server) resend(w http.ResponseWriter, r *http.Request) error {
	type ResendConfirmationParams struct {
		Type                string `json:"type"`
		Email               string `json:"email"`
		Phone               string `json:"phone"`
		CodeChallenge       string `json:"code_challenge"`
		CodeChallengeMethod string `json:"code_challenge_method"`
	}
	var p ResendConfirmationParams
	if err := decode(r, &p); err != nil {
		return err
	}
	sent, err := s.auth.Resend(r.Context(), postern.ResendParams{
		Type: postern.VerifyType(p.Type), Email: p.Email, Phone: p.Phone, RedirectTo: s.redirectTo(r), Audience: audienceOf(r),
		Challenge: challenge(p.CodeChallenge, p.CodeChallengeMethod),
	})
	return respondSent(w, sent, err)
}

// reauthenticate serves GET /reauthenticate.
func (s *server) reauthenticate(w http.ResponseWriter, r *http.Request) error {
	sent, err := s.auth.Reauthenticate(r.Context(), postern.CallerFromContext(r.Context()))
	return respondSent(w, sent, err)
}

// respondSent answers that a message was sent, or why not.
func respondSent(w http.ResponseWriter, sent *postern.SentMessage, err error) error {
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, sent)
}

func challenge(code, method string) postern.Challenge {
	return postern.Challenge{CodeChallenge: code, CodeChallengeMethod: method}
}
