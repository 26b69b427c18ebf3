package httpadapter

import (
	"encoding/json"
	"net/http"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// enrollFactor serves POST /factors.
func (s *server) enrollFactor(w http.ResponseWriter, r *http.Request) error {
	type EnrollFactorParams struct {
		FriendlyName string `json:"friendly_name"`
		FactorType   string `json:"factor_type"`
		Issuer       string `json:"issuer"`
		Phone        string `json:"phone"`
	}
	var p EnrollFactorParams
	if err := decode(r, &p); err != nil {
		return err
	}
	enrolled, err := s.auth.EnrollFactor(r.Context(), postern.CallerFromContext(r.Context()), postern.EnrollFactorParams{
		FactorType: p.FactorType, FriendlyName: p.FriendlyName, Issuer: p.Issuer, Phone: p.Phone,
	})
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, enrolled)
}

// challengeFactor serves POST /factors/{factor_id}/challenge.
func (s *server) challengeFactor(w http.ResponseWriter, r *http.Request) error {
	type ChallengeFactorParams struct {
		Channel string `json:"channel"`
	}
	id, err := pathUUID(r, "factor_id")
	if err != nil {
		return err
	}
	var p ChallengeFactorParams
	if err := decodeOptional(r, &p); err != nil {
		return err
	}
	challenge, err := s.auth.ChallengeFactor(r.Context(), postern.CallerFromContext(r.Context()), id, postern.ChallengeFactorParams(p))
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, challenge)
}

// verifyFactor serves POST /factors/{factor_id}/verify.
func (s *server) verifyFactor(w http.ResponseWriter, r *http.Request) error {
	type VerifyFactorParams struct {
		ChallengeID wireUUID `json:"challenge_id"`
		Code        string   `json:"code"`
		WebAuthn    *struct {
			Type               string          `json:"type"`
			CredentialResponse json.RawMessage `json:"credential_response"`
		} `json:"webauthn"`
	}
	id, err := pathUUID(r, "factor_id")
	if err != nil {
		return err
	}
	var p VerifyFactorParams
	if err := decode(r, &p); err != nil {
		return err
	}
	answer := postern.VerifyFactorParams{ChallengeID: uuid.UUID(p.ChallengeID), Code: p.Code}
	if w := p.WebAuthn; w != nil {
		answer.WebAuthn = &postern.WebAuthnAnswer{Type: w.Type, CredentialResponse: object(w.CredentialResponse)}
	}
	session, err := s.auth.VerifyFactor(r.Context(), postern.CallerFromContext(r.Context()), id, answer)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return respond(w, http.StatusOK, session) // GoTrue sets no headers of the session here
}

// object is a member that is null or not there when it is nothing.
func object(member json.RawMessage) postern.Metadata {
	if len(member) == 0 || string(member) == "null" {
		return nil
	}
	return postern.Metadata(member)
}

// unenrollFactor serves DELETE /factors/{factor_id}.
func (s *server) unenrollFactor(w http.ResponseWriter, r *http.Request) error {
	id, err := pathUUID(r, "factor_id")
	if err != nil {
		return err
	}
	if err := s.auth.UnenrollFactor(r.Context(), postern.CallerFromContext(r.Context()), id); err != nil {
		return err
	}
	return respond(w, http.StatusOK, struct {
		ID uuid.UUID `json:"id"`
	}{id})
}

// adminListFactors serves GET /admin/users/{user_id}/factors.
func (s *server) adminListFactors(w http.ResponseWriter, r *http.Request) error {
	user, err := pathUUID(r, "user_id")
	if err != nil {
		return err
	}
	factors, err := s.auth.AdminListFactors(r.Context(), user)
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, factors)
}

// adminUpdateFactor serves PUT /admin/users/{user_id}/factors/{factor_id}.
func (s *server) adminUpdateFactor(w http.ResponseWriter, r *http.Request) error {
	type AdminUserUpdateFactorParams struct {
		FriendlyName string `json:"friendly_name"`
		Phone        string `json:"phone"`
	}
	user, id, err := pathFactor(r)
	if err != nil {
		return err
	}
	var p AdminUserUpdateFactorParams
	if err := decode(r, &p); err != nil {
		return err
	}
	factor, err := s.auth.AdminUpdateFactor(r.Context(), user, id, postern.AdminUpdateFactorParams{
		FriendlyName: given(p.FriendlyName), Phone: given(p.Phone),
	})
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, factor)
}

// adminDeleteFactor serves DELETE /admin/users/{user_id}/factors/{factor_id}.
func (s *server) adminDeleteFactor(w http.ResponseWriter, r *http.Request) error {
	user, id, err := pathFactor(r)
	if err != nil {
		return err
	}
	factor, err := s.auth.AdminDeleteFactor(r.Context(), user, id)
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, factor)
}

func pathFactor(r *http.Request) (user, factor uuid.UUID, err error) {
	if user, err = pathUUID(r, "user_id"); err == nil {
		factor, err = pathUUID(r, "factor_id")
	}
	return user, factor, err
}

// given is a member that stands for nothing when it is empty.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
