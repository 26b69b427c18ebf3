package httpadapter

import (
	"encoding/json"
	"net/http"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// requirePasskeys answers before everything else while passkeys are switched off.
func (s *server) requirePasskeys(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.auth.RequirePasskeys(); err != nil {
			fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// beginPasskeySignIn serves POST /passkeys/authentication/options.
func (s *server) beginPasskeySignIn(w http.ResponseWriter, r *http.Request) error {
	options, err := s.auth.BeginPasskeySignIn(r.Context())
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, options)
}

// signInWithPasskey serves POST /passkeys/authentication/verify.
func (s *server) signInWithPasskey(w http.ResponseWriter, r *http.Request) error {
	response, err := decodePasskey(r)
	if err != nil {
		return err
	}
	session, err := s.auth.SignInWithPasskey(r.Context(), response)
	if err != nil {
		return err
	}
	return respondSession(w, session, session)
}

// beginPasskeyRegistration serves POST /passkeys/registration/options.
func (s *server) beginPasskeyRegistration(w http.ResponseWriter, r *http.Request) error {
	options, err := s.auth.BeginPasskeyRegistration(r.Context(), postern.CallerFromContext(r.Context()))
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, options)
}

// registerPasskey serves POST /passkeys/registration/verify.
func (s *server) registerPasskey(w http.ResponseWriter, r *http.Request) error {
	response, err := decodePasskey(r)
	if err != nil {
		return err
	}
	passkey, err := s.auth.RegisterPasskey(r.Context(), postern.CallerFromContext(r.Context()), response)
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, passkey)
}

// decodePasskey reads what ends a ceremony.
func decodePasskey(r *http.Request) (postern.PasskeyResponse, error) {
	type PasskeyVerifyParams struct {
		ChallengeID string          `json:"challenge_id"`
		Credential  json.RawMessage `json:"credential"`
	}
	var p PasskeyVerifyParams
	if err := decode(r, &p); err != nil {
		return postern.PasskeyResponse{}, err
	}
	id, ok := parseUUID(p.ChallengeID)
	response := postern.PasskeyResponse{ChallengeID: id, Credential: object(p.Credential)}
	switch {
	case p.ChallengeID == "":
		return response, invalid("challenge_id is required")
	case response.Credential == nil:
		return response, invalid("credential is required")
	case !ok:
		return response, invalid("challenge_id must be a valid UUID")
	}
	return response, nil
}

// listPasskeys serves GET /passkeys.
func (s *server) listPasskeys(w http.ResponseWriter, r *http.Request) error {
	list, err := s.auth.ListPasskeys(r.Context(), postern.CallerFromContext(r.Context()))
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, list)
}

// renamePasskey serves PATCH /passkeys/{passkey_id}.
func (s *server) renamePasskey(w http.ResponseWriter, r *http.Request) error {
	type PasskeyUpdateParams struct {
		FriendlyName string `json:"friendly_name"`
	}
	id, err := pathPasskey(r)
	if err != nil {
		return err
	}
	var p PasskeyUpdateParams
	if err := decode(r, &p); err != nil {
		return err
	}
	passkey, err := s.auth.RenamePasskey(r.Context(), postern.CallerFromContext(r.Context()), id, p.FriendlyName)
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, passkey)
}

// deletePasskey serves DELETE /passkeys/{passkey_id}.
func (s *server) deletePasskey(w http.ResponseWriter, r *http.Request) error {
	id, err := pathPasskey(r)
	if err != nil {
		return err
	}
	if err := s.auth.DeletePasskey(r.Context(), postern.CallerFromContext(r.Context()), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// pathPasskey reads the passkey that a request is about. What is no id is none.
func pathPasskey(r *http.Request) (uuid.UUID, error) {
	id, ok := parseUUID(r.PathValue("passkey_id"))
	if !ok {
		return uuid.Nil, &postern.Error{Kind: postern.KindNotFound, Code: postern.ErrValidationFailed, Message: "Passkey not found"}
	}
	return id, nil
}

// adminListPasskeys serves GET /admin/users/{user_id}/passkeys.
func (s *server) adminListPasskeys(w http.ResponseWriter, r *http.Request) error {
	user, err := pathUUID(r, "user_id")
	if err != nil {
		return err
	}
	list, err := s.auth.AdminListPasskeys(r.Context(), user)
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, list)
}

// adminDeletePasskey serves DELETE /admin/users/{user_id}/passkeys/{passkey_id}.
func (s *server) adminDeletePasskey(w http.ResponseWriter, r *http.Request) error {
	user, err := pathUUID(r, "user_id")
	if err != nil {
		return err
	}
	id, err := pathPasskey(r)
	if err != nil {
		return err
	}
	if err := s.auth.AdminDeletePasskey(r.Context(), user, id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
