package httpadapter

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/postern-auth/postern"
)

// token serves POST /token.
func (s *server) token(w http.ResponseWriter, r *http.Request) error {
	switch grantType(r) {
	case "password":
		return s.passwordGrant(w, r)
	case "refresh_token":
		return s.refreshTokenGrant(w, r)
	case "pkce":
		return s.pkceGrant(w, r)
	case "id_token":
		return s.idTokenGrant(w, r)
	case "web3":
		return s.web3Grant(w, r)
	}
	return &postern.Error{
		Kind: postern.KindInvalid, Code: postern.ErrInvalidCredentials, Message: "unsupported_grant_type",
	}
}

// grantType is what a request to POST /token asks for, in the query or in a form. Of several the first counts,
// here and wherever it matters.
func grantType(r *http.Request) string { return r.FormValue("grant_type") }

func (s *server) passwordGrant(w http.ResponseWriter, r *http.Request) error {
	type PasswordGrantParams struct {
		Email    string `json:"email"`
		Phone    string `json:"phone"`
		Password string `json:"password"`
	}
	var p PasswordGrantParams
	if err := decode(r, &p); err != nil {
		return err
	}
	session, err := s.auth.SignInWithPassword(r.Context(), postern.SignInWithPasswordParams{
		Email: p.Email, Phone: p.Phone, Password: p.Password, Audience: audienceOf(r),
	})
	if err != nil {
		return err
	}
	return respondSession(w, &session.Session, session)
}

func (s *server) refreshTokenGrant(w http.ResponseWriter, r *http.Request) error {
	type RefreshTokenGrantParams struct {
		RefreshToken string `json:"refresh_token"`
	}
	var p RefreshTokenGrantParams
	if err := decode(r, &p); err != nil {
		return err
	}
	session, err := s.auth.RefreshToken(r.Context(), p.RefreshToken)
	if err != nil {
		setRefusalHeaders(w.Header(), err)
		return err
	}
	setRefreshHeaders(w.Header(), session.Refresh)
	return respondSession(w, session, session)
}

func (s *server) pkceGrant(w http.ResponseWriter, r *http.Request) error {
	type PKCEGrantParams struct {
		AuthCode     string `json:"auth_code"`
		CodeVerifier string `json:"code_verifier"`
	}
	var p PKCEGrantParams
	if err := decode(r, &p); err != nil {
		return err
	}
	session, err := s.auth.ExchangeCodeForSession(r.Context(), p.AuthCode, p.CodeVerifier)
	if err != nil {
		return err
	}
	return respondSession(w, session, session)
}

func (s *server) idTokenGrant(w http.ResponseWriter, r *http.Request) error {
	//lint:ignore ST1003 GoTrue's name, which encoding/json puts into its errors
	type IdTokenGrantParams struct {
		IDToken      string `json:"id_token"`
		AccessToken  string `json:"access_token"`
		Nonce        string `json:"nonce"`
		Provider     string `json:"provider"`
		ClientID     string `json:"client_id"`
		Issuer       string `json:"issuer"`
		LinkIdentity bool   `json:"link_identity"`
	}
	var p IdTokenGrantParams
	if err := decode(r, &p); err != nil {
		return err
	}
	params := postern.SignInWithIDTokenParams{
		Token: p.IDToken, AccessToken: p.AccessToken, Nonce: p.Nonce,
		Provider: p.Provider, ClientID: p.ClientID, Issuer: p.Issuer, Audience: audienceOf(r),
	}
	if p.LinkIdentity {
		if r.Header.Get("Authorization") == "" {
			return &postern.OAuthError{
				Name: "invalid request", Description: "Linking requires a valid user access token in Authorization",
			}
		}
		var err error
		if params.Link, err = s.auth.Authenticate(r.Context(), bearer(r)); err != nil {
			return err
		}
	}
	session, err := s.auth.SignInWithIDToken(r.Context(), params)
	if err != nil {
		return err
	}
	return respondSession(w, session, session)
}

func (s *server) web3Grant(w http.ResponseWriter, r *http.Request) error {
	type Web3GrantParams struct {
		Message   string `json:"message"`
		Signature string `json:"signature"`
		Chain     string `json:"chain"`
	}
	var p Web3GrantParams
	if err := decode(r, &p); err != nil {
		return err
	}
	session, err := s.auth.SignInWithWeb3(r.Context(), postern.SignInWithWeb3Params{
		Chain: p.Chain, Message: p.Message, Signature: p.Signature, Audience: audienceOf(r),
	})
	if err != nil {
		return err
	}
	return respondSession(w, session, session)
}

// setRefusalHeaders says whose refresh was refused, and whose session a reused
// refresh token has ended.
func setRefusalHeaders(h http.Header, err error) {
	var banned *postern.BannedUserError
	if errors.As(err, &banned) {
		h.Set("Sb-Auth-User-Id", banned.User.ID.String())
	}
	var reused *postern.ReusedTokenError
	if errors.As(err, &reused) {
		h.Set("Sb-Auth-User-Id", reused.User.ID.String())
		h.Set("Sb-Auth-Session-Id", reused.Session.ID.String())
		h.Set("Sb-Auth-Refresh-Token-Rotated", "true")
	}
}

// setRefreshHeaders says how a refresh token came about. GoTrue says nothing of
// why a legacy token was good a second time.
func setRefreshHeaders(h http.Header, info postern.RefreshInfo) {
	if info.Rotated {
		h.Set("Sb-Auth-Refresh-Token-Reuse", "false")
	}
	if len(info.ReuseCauses) > 0 && !isLegacy(info) {
		h.Set("Sb-Auth-Refresh-Token-Reuse-Cause", strings.Join(info.ReuseCauses, ","))
	}
}

func isLegacy(info postern.RefreshInfo) bool { return info.Counter < 0 }

// respondSession writes an answer that carries a session.
func respondSession(w http.ResponseWriter, s *postern.Session, body any) error {
	w.Header().Set("Cache-Control", "no-store")
	setSessionHeaders(w.Header(), s)
	return respond(w, http.StatusOK, body)
}

// setSessionHeaders says whose session an answer carries and which refresh token
// it has (contract: endpoints.md §0.6).
func setSessionHeaders(h http.Header, s *postern.Session) {
	const legacyPrefix = 5 // of a refresh token, in bytes
	h.Set("Sb-Auth-User-Id", s.User.ID.String())
	h.Set("Sb-Auth-Session-Id", s.ID.String())
	if isLegacy(s.Refresh) {
		h.Set("Sb-Auth-Refresh-Token-Prefix", s.RefreshToken[:min(len(s.RefreshToken), legacyPrefix)])
	} else {
		h.Set("Sb-Auth-Refresh-Token-Counter", strconv.FormatInt(s.Refresh.Counter, 10))
	}
}

// signOut serves POST /logout.
func (s *server) signOut(w http.ResponseWriter, r *http.Request) error {
	scope := postern.SignOutScope(r.URL.Query().Get("scope"))
	if err := s.auth.SignOut(r.Context(), postern.CallerFromContext(r.Context()), scope); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
