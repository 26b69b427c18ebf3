package httpadapter

import (
	"net/http"

	"github.com/postern-auth/postern"
)

// user serves GET /user.
func (s *server) user(w http.ResponseWriter, r *http.Request) error {
	user, err := s.auth.User(r.Context(), postern.CallerFromContext(r.Context()), audienceOf(r))
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, user)
}

// updateUser serves PUT /user.
func (s *server) updateUser(w http.ResponseWriter, r *http.Request) error {
	type UserUpdateParams struct {
		Email               string         `json:"email"`
		Password            *string        `json:"password"`
		CurrentPassword     string         `json:"current_password"`
		Nonce               string         `json:"nonce"`
		Data                map[string]any `json:"data"`
		AppData             map[string]any `json:"app_metadata"`
		Phone               string         `json:"phone"`
		Channel             string         `json:"channel"`
		CodeChallenge       string         `json:"code_challenge"`
		CodeChallengeMethod string         `json:"code_challenge_method"`
	}
	var p UserUpdateParams
	if err := decode(r, &p); err != nil {
		return err
	}
	user, err := s.auth.UpdateUser(r.Context(), postern.CallerFromContext(r.Context()), postern.UpdateUserParams{
		Email: p.Email, Phone: p.Phone, Password: p.Password, CurrentPassword: p.CurrentPassword,
		Nonce: p.Nonce, Data: p.Data, AppMetadata: p.AppData,
		Channel: p.Channel, RedirectTo: s.redirectTo(r), Challenge: challenge(p.CodeChallenge, p.CodeChallengeMethod),
	})
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, user)
}
