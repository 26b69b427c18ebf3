package httpadapter

import (
	"net/http"

	"github.com/postern-auth/postern"
)

// signUp serves POST /signup: the session of an account that needs no
// confirmation, or the account.
func (s *server) signUp(w http.ResponseWriter, r *http.Request) error {
	type SignupParams struct {
		Email               string         `json:"email"`
		Phone               string         `json:"phone"`
		Password            string         `json:"password"`
		Data                map[string]any `json:"data"`
		Channel             string         `json:"channel"`
		CodeChallengeMethod string         `json:"code_challenge_method"`
		CodeChallenge       string         `json:"code_challenge"`
	}
	var p SignupParams
	if err := decode(r, &p); err != nil {
		return err
	}
	limit := postern.LimitSignUp
	if p.Email == "" && p.Phone == "" {
		limit = postern.LimitAnonymous
	}
	if err := s.auth.LimitRequest(r.Context(), limit); err != nil {
		return err
	}
	res, err := s.auth.SignUp(r.Context(), postern.SignUpParams{
		Email: p.Email, Phone: p.Phone, Password: p.Password, Data: p.Data, Audience: audienceOf(r),
		Channel: p.Channel, RedirectTo: s.redirectTo(r), Challenge: challenge(p.CodeChallenge, p.CodeChallengeMethod),
	})
	if err != nil {
		return err
	}
	if res.Session != nil {
		return respondSession(w, res.Session, res)
	}
	return respond(w, http.StatusOK, res)
}
