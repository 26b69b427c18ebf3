package httpadapter

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// recoveryCodes serves GET /factors/recovery-codes.
func (s *server) recoveryCodes(w http.ResponseWriter, r *http.Request) error {
	status, err := s.auth.RecoveryCodesStatus(r.Context(), postern.CallerFromContext(r.Context()))
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, status)
}

// generateRecoveryCodes serves POST /factors/recovery-codes.
func (s *server) generateRecoveryCodes(w http.ResponseWriter, r *http.Request) error {
	type GenerateRecoveryCodesParams struct {
		FriendlyName string `json:"friendly_name"`
	}
	var p GenerateRecoveryCodesParams
	if err := decodeOptional(r, &p); err != nil {
		return err
	}
	codes, err := s.auth.GenerateRecoveryCodes(r.Context(), postern.CallerFromContext(r.Context()), p.FriendlyName)
	return respondCodes(w, codes, err)
}

// regenerateRecoveryCodes serves POST /factors/recovery-codes/regenerate.
func (s *server) regenerateRecoveryCodes(w http.ResponseWriter, r *http.Request) error {
	codes, err := s.auth.RegenerateRecoveryCodes(r.Context(), postern.CallerFromContext(r.Context()))
	return respondCodes(w, codes, err)
}

func respondCodes(w http.ResponseWriter, codes *postern.RecoveryCodes, err error) error {
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return respond(w, http.StatusOK, codes)
}

// verifyRecoveryCode serves POST /factors/recovery-codes/verify.
func (s *server) verifyRecoveryCode(w http.ResponseWriter, r *http.Request) error {
	type VerifyRecoveryCodeParams struct {
		Code string `json:"code"`
	}
	var p VerifyRecoveryCodeParams
	if err := decode(r, &p); err != nil {
		return err
	}
	session, err := s.auth.VerifyRecoveryCode(r.Context(), postern.CallerFromContext(r.Context()), p.Code)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return respond(w, http.StatusOK, session)
}

// unenrollRecoveryCodes serves DELETE /factors/recovery-codes.
func (s *server) unenrollRecoveryCodes(w http.ResponseWriter, r *http.Request) error {
	id, err := s.auth.UnenrollRecoveryCodes(r.Context(), postern.CallerFromContext(r.Context()))
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, struct {
		ID uuid.UUID `json:"id"`
	}{id})
}
