package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// Call hands a payload to whatever answers it, and returns the answer: JSON, or
// nothing where there is nothing to say. Its errors are answered as those of any
// hook. An Endpoint makes one, and so does postgres.Function.
type Call func(ctx context.Context, payload []byte) (answer []byte, err error)

// Hook makes hooks out of a Call. Its methods are what the fields of the same names
// in postern.Hooks take. Payloads and answers are GoTrue's (contract: config.md
// §3.3).
type Hook struct {
	call Call
	now  func() time.Time
}

// New returns a hook that calls an endpoint over HTTP. Its error has a sentence for
// what is wrong with e.
func New(e Endpoint) (*Hook, error) {
	c, err := e.caller()
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	h := Through(c.call)
	if e.Now != nil {
		h.now = e.Now
	}
	return h, nil
}

// Through returns a hook that is answered by other means than HTTP.
func Through(call Call) *Hook { return &Hook{call: call, now: time.Now} }

// metadata is the first member of every payload.
type metadata struct {
	UUID      uuid.UUID `json:"uuid"`
	Time      time.Time `json:"time"`
	Name      string    `json:"name"`
	IPAddress string    `json:"ip_address,omitempty"`
}

func (h *Hook) metadata(ctx context.Context, name string) metadata {
	m := metadata{UUID: uuid.Must(uuid.NewRandom()), Time: h.now().UTC(), Name: name}
	if ip := postern.RequestInfoFromContext(ctx).IP; ip.IsValid() {
		m.IPAddress = ip.String()
	}
	return m
}

type userPayload struct {
	Metadata metadata      `json:"metadata"`
	User     *postern.User `json:"user"`
}

// BeforeUserCreated asks whether a user may be made.
func (h *Hook) BeforeUserCreated(ctx context.Context, u *postern.User) error {
	return h.ask(ctx, userPayload{h.metadata(ctx, "before-user-created"), u}, nil)
}

// AfterUserCreated tells of a user that was made.
func (h *Hook) AfterUserCreated(ctx context.Context, u *postern.User) error {
	return h.ask(ctx, userPayload{h.metadata(ctx, "after-user-created"), u}, nil)
}

type smsPayload struct {
	Metadata metadata      `json:"metadata"`
	User     *postern.User `json:"user"`
	SMS      smsData       `json:"sms"`
}

type smsData struct {
	OTP   string `json:"otp"`
	Phone string `json:"phone"`
	Type  string `json:"sms_type,omitempty"`
}

// SendSMS has a text message sent.
func (h *Hook) SendSMS(ctx context.Context, s postern.SMS) error {
	data := smsData{OTP: string(s.Code), Phone: s.Phone}
	if s.ForFactor {
		data.Type = "mfa"
	}
	return h.ask(ctx, smsPayload{h.metadata(ctx, "send-sms"), s.User, data}, nil)
}

type emailPayload struct {
	Metadata  metadata      `json:"metadata"`
	User      *postern.User `json:"user"`
	EmailData emailData     `json:"email_data"`
}

type emailData struct {
	Token           string `json:"token"`
	TokenHash       string `json:"token_hash"`
	RedirectTo      string `json:"redirect_to"`
	EmailActionType string `json:"email_action_type"`
	SiteURL         string `json:"site_url"`
	TokenNew        string `json:"token_new"`
	TokenHashNew    string `json:"token_hash_new"`
	OldEmail        string `json:"old_email"`
	OldPhone        string `json:"old_phone"`
	Provider        string `json:"provider"`
	FactorType      string `json:"factor_type"`
}

// SendEmail has a mail sent, or both mails of a change of address.
func (h *Hook) SendEmail(ctx context.Context, e postern.EmailOperation) error {
	return h.ask(ctx, emailPayload{h.metadata(ctx, "send-email"), e.User, emailData{
		Token: string(e.Token), TokenHash: string(e.TokenHash), RedirectTo: e.RedirectTo,
		EmailActionType: string(e.Type), SiteURL: e.SiteURL, TokenNew: string(e.TokenNew), TokenHashNew: string(e.TokenHashNew),
		OldEmail: e.OldEmail, OldPhone: e.OldPhone, Provider: e.Provider, FactorType: e.FactorType,
	}}, nil)
}

type tokenPayload struct {
	Metadata metadata        `json:"metadata"`
	UserID   string          `json:"user_id"`
	Claims   *postern.Claims `json:"claims"`
	Method   string          `json:"authentication_method"`
}

// CustomAccessToken asks for the claims of an access token.
func (h *Hook) CustomAccessToken(ctx context.Context, r postern.AccessTokenRequest) (map[string]any, error) {
	var answer struct {
		Claims map[string]any `json:"claims"`
	}
	err := h.ask(ctx, tokenPayload{h.metadata(ctx, "customize-access-token"), r.Claims.Subject, r.Claims, r.Method}, &answer)
	return answer.Claims, err
}

type factorPayload struct {
	Metadata   metadata  `json:"metadata"`
	UserID     uuid.UUID `json:"user_id"`
	FactorID   uuid.UUID `json:"factor_id"`
	FactorType string    `json:"factor_type"`
	Valid      bool      `json:"valid"`
}

// MFAVerificationAttempt has an answer to a factor's challenge judged.
func (h *Hook) MFAVerificationAttempt(ctx context.Context, f postern.FactorAttempt) (postern.Verdict, error) {
	return h.judge(ctx, factorPayload{h.metadata(ctx, "mfa-verification"), f.UserID, f.FactorID, f.FactorType, f.Valid})
}

type passwordPayload struct {
	Metadata metadata  `json:"metadata"`
	UserID   uuid.UUID `json:"user_id"`
	Valid    bool      `json:"valid"`
}

// PasswordVerificationAttempt has a password judged.
func (h *Hook) PasswordVerificationAttempt(ctx context.Context, p postern.PasswordAttempt) (postern.Verdict, error) {
	return h.judge(ctx, passwordPayload{h.metadata(ctx, "password-verification"), p.UserID, p.Valid})
}

// judge asks for a verdict. One that nobody understands is none: it must not let
// anybody in.
func (h *Hook) judge(ctx context.Context, payload any) (postern.Verdict, error) {
	var answer struct {
		Decision     string `json:"decision"`
		Message      string `json:"message"`
		ShouldLogout bool   `json:"should_logout_user"`
	}
	if err := h.ask(ctx, payload, &answer); err != nil {
		return postern.Verdict{}, err
	}
	switch answer.Decision {
	case "", "continue":
		return postern.Verdict{}, nil
	case "reject":
		return postern.Verdict{Reject: true, Message: answer.Message, SignOut: answer.ShouldLogout}, nil
	}
	return postern.Verdict{}, fmt.Errorf("webhook: the decision %.20q is neither continue nor reject", answer.Decision)
}

// ask calls with a payload and reads the answer into a struct, if one is given.
func (h *Hook) ask(ctx context.Context, payload, into any) error {
	text, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	answer, err := h.call(ctx, text)
	if err != nil || len(answer) == 0 {
		return err
	}
	var refusal struct {
		Error struct {
			HTTPCode int    `json:"http_code"`
			Message  string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer, &refusal); err != nil {
		return unreadable(err)
	}
	if refusal.Error.Message != "" {
		return &postern.HookError{HTTPCode: refusal.Error.HTTPCode, Message: refusal.Error.Message}
	}
	if into == nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return unreadable(err)
	}
	return nil
}

func unreadable(cause error) error {
	return failure(postern.KindInternal, postern.ErrUnexpectedFailure, cause, "Error unmarshaling JSON output.")
}

func failure(kind postern.Kind, code postern.Code, cause error, format string, args ...any) *postern.Error {
	return &postern.Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...), Err: cause}
}
