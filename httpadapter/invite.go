package httpadapter

import (
	"net/http"

	"github.com/postern-auth/postern"
)

// invite serves POST /invite.
func (s *server) invite(w http.ResponseWriter, r *http.Request) error {
	type InviteParams struct {
		Email string         `json:"email"`
		Data  map[string]any `json:"data"`
	}
	var p InviteParams
	if err := decode(r, &p); err != nil {
		return err
	}
	user, err := s.auth.Invite(r.Context(), postern.InviteParams{
		Email: p.Email, Data: p.Data, RedirectTo: s.redirectTo(r), Audience: audienceOf(r),
	})
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, user)
}

// generateLink serves POST /admin/generate_link, the one route where the body may
// say where the link leads.
func (s *server) generateLink(w http.ResponseWriter, r *http.Request) error {
	type GenerateLinkParams struct {
		Type       string         `json:"type"`
		Email      string         `json:"email"`
		NewEmail   string         `json:"new_email"`
		Password   string         `json:"password"`
		Data       map[string]any `json:"data"`
		RedirectTo string         `json:"redirect_to"`
	}
	var p GenerateLinkParams
	if err := decode(r, &p); err != nil {
		return err
	}
	link, err := s.auth.GenerateLink(r.Context(), postern.GenerateLinkParams{
		Type: postern.LinkType(p.Type), Email: p.Email, NewEmail: p.NewEmail, Password: p.Password, Data: p.Data,
		RedirectTo: s.redirectTo(r, p.RedirectTo), Audience: audienceOf(r),
	})
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, link)
}
