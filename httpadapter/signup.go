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
	if err := checkChannel(p.Phone, p.Channel); err != nil {
		return err
	}
	res, err := s.auth.SignUp(r.Context(), postern.SignUpParams{
		Email: p.Email, Phone: p.Phone, Password: p.Password, Data: p.Data, Audience: audienceOf(r),
		CodeChallenge: p.CodeChallenge, CodeChallengeMethod: p.CodeChallengeMethod,
	})
	if err != nil {
		return err
	}
	if res.Session != nil {
		return respondSession(w, res.Session, res)
	}
	return respond(w, http.StatusOK, res)
}

// checkChannel refuses a way to a phone other than SMS. It needs a phone:
// without one a channel means nothing.
func checkChannel(phone, channel string) error {
	if phone == "" || channel == "" || channel == "sms" {
		return nil
	}
	return invalid("Invalid channel, supported values are 'sms' or 'whatsapp'. " +
		"'whatsapp' is only supported if Twilio or Twilio Verify is used as the provider.")
}
