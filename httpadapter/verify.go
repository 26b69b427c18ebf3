package httpadapter

import (
	"net/http"

	"github.com/postern-auth/postern"
)

// verify serves POST /verify: the session that a code is good for or, after the
// first of two codes, a message.
func (s *server) verify(w http.ResponseWriter, r *http.Request) error {
	type VerifyParams struct {
		Type       string `json:"type"`
		Token      string `json:"token"`
		TokenHash  string `json:"token_hash"`
		Email      string `json:"email"`
		Phone      string `json:"phone"`
		RedirectTo string `json:"redirect_to"`
	}
	var p VerifyParams
	if err := decode(r, &p); err != nil {
		return err
	}
	if p.Type != "" && p.Token == "" && p.TokenHash != "" && p.RedirectTo != "" {
		return invalid("Only the token_hash and type should be provided")
	}
	v, err := s.auth.VerifyOTP(r.Context(), postern.VerifyOTPParams{
		Type: postern.VerifyType(p.Type), Token: p.Token, TokenHash: p.TokenHash, Email: p.Email, Phone: p.Phone, Audience: audienceOf(r),
	})
	switch {
	case err != nil:
		return err
	case v.Session != nil:
		return respondSession(w, v.Session, v)
	}
	return respond(w, http.StatusOK, v)
}

// verifyLink serves GET /verify, where the links of mails lead.
func (s *server) verifyLink(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	return s.followLink(w, r, postern.VerifyLinkParams{
		Type: postern.VerifyType(q.Get("type")), Token: q.Get("token"), RedirectTo: s.redirectTo(r),
	})
}

// followLink redeems a link and sends the browser on, with what it is owed in the
// address.
func (s *server) followLink(w http.ResponseWriter, r *http.Request, p postern.VerifyLinkParams) error {
	location, session, err := s.auth.VerifyLink(r.Context(), p)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	if session != nil {
		setSessionHeaders(w.Header(), session)
	}
	http.Redirect(w, r, location, http.StatusSeeOther)
	return nil
}
