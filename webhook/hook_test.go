package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

var (
	someTime = time.Date(2026, 3, 4, 5, 6, 7, 89000, time.UTC)
	someID   = uuid.MustParse("11111111-2222-4333-8444-555555555555")
	otherID  = uuid.MustParse("66666666-7777-4888-9999-aaaaaaaaaaaa")
)

func someUser() *postern.User {
	return &postern.User{
		ID: someID, Aud: "authenticated", Role: "authenticated", Email: "ada@example.com", NewEmail: "ada@example.org",
		AppMetadata: postern.Metadata(`{"provider":"email","providers":["email"]}`), UserMetadata: postern.Metadata(`{}`),
		Identities: []postern.Identity{}, CreatedAt: someTime, UpdatedAt: someTime,
	}
}

const someUserJSON = `{"id":"11111111-2222-4333-8444-555555555555","aud":"authenticated","role":"authenticated","email":"ada@example.com",` +
	`"phone":"","new_email":"ada@example.org","app_metadata":{"provider":"email","providers":["email"]},"user_metadata":{},"identities":[],` +
	`"created_at":"2026-03-04T05:06:07.000089Z","updated_at":"2026-03-04T05:06:07.000089Z","is_anonymous":false}`

// asked calls a hook and returns the payload, and what comes of an answer. The id
// of the payload, which is random, is the zero one.
func asked(t *testing.T, answer string, use func(ctx context.Context, h *Hook) error) (payload string, err error) {
	t.Helper()
	h := Through(func(_ context.Context, text []byte) ([]byte, error) {
		var head struct {
			Metadata struct{ UUID uuid.UUID }
		}
		if err := json.Unmarshal(text, &head); err != nil || head.Metadata.UUID == uuid.Nil {
			t.Errorf("got payload %s with error %v, want one with an id", text, err)
		}
		payload = string(bytes.Replace(text, []byte(head.Metadata.UUID.String()), []byte(uuid.Nil.String()), 1))
		return []byte(answer), nil
	})
	h.now = func() time.Time { return someTime }
	ctx := postern.WithRequestInfo(t.Context(), postern.RequestInfo{IP: netip.MustParseAddr("192.0.2.7")})
	return payload, use(ctx, h)
}

// Contract: config.md §3.3, in GoTrue's order of members.
func TestPayloadsAreGoTrues(t *testing.T) {
	t.Parallel()
	claims := &postern.Claims{
		Issuer: "https://auth.example.com", Subject: someID.String(), Audience: postern.Audience{"authenticated"},
		ExpiresAt: jwt.NewNumericDate(time.Unix(1800003600, 0)), IssuedAt: jwt.NewNumericDate(time.Unix(1800000000, 0)),
		Email: "ada@example.com", AppMetadata: postern.Metadata(`{}`), UserMetadata: postern.Metadata(`{}`),
		Role: "authenticated", AAL: "aal1", AMR: []postern.AMR{{Method: "password", Timestamp: 1800000000}}, SessionID: otherID.String(),
	}
	metadata := func(name string) string {
		return `{"metadata":{"uuid":"00000000-0000-0000-0000-000000000000","time":"2026-03-04T05:06:07.000089Z","name":"` + name + `","ip_address":"192.0.2.7"}`
	}
	for name, test := range map[string]struct {
		use  func(ctx context.Context, h *Hook) error
		want string
	}{
		"before-user-created": {
			func(ctx context.Context, h *Hook) error { return h.BeforeUserCreated(ctx, someUser()) },
			metadata("before-user-created") + `,"user":` + someUserJSON + `}`,
		},
		"after-user-created": {
			func(ctx context.Context, h *Hook) error { return h.AfterUserCreated(ctx, someUser()) },
			metadata("after-user-created") + `,"user":` + someUserJSON + `}`,
		},
		"send-sms": {
			func(ctx context.Context, h *Hook) error {
				return h.SendSMS(ctx, postern.SMS{Phone: "15550100099", Code: "123456", Channel: "sms", Text: "Your code is 123456", User: someUser()})
			},
			metadata("send-sms") + `,"user":` + someUserJSON + `,"sms":{"otp":"123456","phone":"15550100099"}}`,
		},
		"send-sms for a factor": {
			func(ctx context.Context, h *Hook) error {
				return h.SendSMS(ctx, postern.SMS{Phone: "15550100099", Code: "123456", User: someUser(), ForFactor: true})
			},
			metadata("send-sms") + `,"user":` + someUserJSON + `,"sms":{"otp":"123456","phone":"15550100099","sms_type":"mfa"}}`,
		},
		"send-email": {
			func(ctx context.Context, h *Hook) error {
				return h.SendEmail(ctx, postern.EmailOperation{
					Type: postern.MailEmailChange, User: someUser(), Token: "111111", TokenHash: "new", TokenNew: "222222", TokenHashNew: "old",
					RedirectTo: "https://app.example.com/?a=1&b=2", SiteURL: "https://auth.example.com/auth/v1",
				})
			},
			metadata("send-email") + `,"user":` + someUserJSON + `,"email_data":{"token":"111111","token_hash":"new",` +
				`"redirect_to":"https://app.example.com/?a=1\u0026b=2","email_action_type":"email_change","site_url":"https://auth.example.com/auth/v1",` +
				`"token_new":"222222","token_hash_new":"old","old_email":"","old_phone":"","provider":"","factor_type":""}}`,
		},
		"customize-access-token": {
			func(ctx context.Context, h *Hook) error {
				_, err := h.CustomAccessToken(ctx, postern.AccessTokenRequest{Claims: claims, Method: "password"})
				return err
			},
			metadata("customize-access-token") + `,"user_id":"11111111-2222-4333-8444-555555555555","claims":{"iss":"https://auth.example.com",` +
				`"sub":"11111111-2222-4333-8444-555555555555","aud":"authenticated","exp":1800003600,"iat":1800000000,"email":"ada@example.com",` +
				`"phone":"","app_metadata":{},"user_metadata":{},"role":"authenticated","aal":"aal1","amr":[{"method":"password","timestamp":1800000000}],` +
				`"session_id":"66666666-7777-4888-9999-aaaaaaaaaaaa","is_anonymous":false},"authentication_method":"password"}`,
		},
		"mfa-verification": {
			func(ctx context.Context, h *Hook) error {
				_, err := h.MFAVerificationAttempt(ctx, postern.FactorAttempt{UserID: someID, FactorID: otherID, FactorType: "totp", Valid: true})
				return err
			},
			metadata("mfa-verification") + `,"user_id":"11111111-2222-4333-8444-555555555555","factor_id":"66666666-7777-4888-9999-aaaaaaaaaaaa",` +
				`"factor_type":"totp","valid":true}`,
		},
		"password-verification": {
			func(ctx context.Context, h *Hook) error {
				_, err := h.PasswordVerificationAttempt(ctx, postern.PasswordAttempt{UserID: someID})
				return err
			},
			metadata("password-verification") + `,"user_id":"11111111-2222-4333-8444-555555555555","valid":false}`,
		},
	} {
		got, err := asked(t, `{}`, test.use)
		if err != nil || got != test.want {
			t.Errorf("%s: error %v, got\n%s\nwant\n%s", name, err, got, test.want)
		}
	}
}

func TestAnswersToAQuestion(t *testing.T) {
	t.Parallel()
	before := func(ctx context.Context, h *Hook) error { return h.BeforeUserCreated(ctx, someUser()) }
	for answer, want := range map[string]error{
		``:                               nil,
		`{}`:                             nil,
		`null`:                           nil,
		`{"error":null}`:                 nil,
		`{"error":{"http_code":403}}`:    nil, // without a text it is none
		`{"error":{"message":"no"}}`:     &postern.HookError{Message: "no"},
		`{"error":{"http_code":"403"}}`:  postern.ErrUnexpectedFailure,
		`[]`:                             postern.ErrUnexpectedFailure,
		`{"error":{"message":"no"}`:      postern.ErrUnexpectedFailure,
		`<html>`:                         postern.ErrUnexpectedFailure,
		`{"error":"no"}`:                 postern.ErrUnexpectedFailure,
		`{} {"error":{"message":"two"}}`: postern.ErrUnexpectedFailure,
		`{"error":{"http_code":403,"message":"no"}}`: &postern.HookError{HTTPCode: 403, Message: "no"},
	} {
		_, err := asked(t, answer, before)
		refusal, isRefusal := errors.AsType[*postern.HookError](err)
		if wanted, ok := errors.AsType[*postern.HookError](want); ok {
			if !isRefusal || *refusal != *wanted {
				t.Errorf("%s: got %v, want %v", answer, err, want)
			}
		} else if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", answer, err, want)
		}
	}
}

func TestAnswersWithClaims(t *testing.T) {
	t.Parallel()
	var claims map[string]any
	ask := func(ctx context.Context, h *Hook) (err error) {
		claims, err = h.CustomAccessToken(ctx, postern.AccessTokenRequest{Claims: &postern.Claims{}})
		return err
	}
	if _, err := asked(t, `{"claims":{"exp":1800000000,"big":9007199254740993}}`, ask); err != nil || claims["big"] != json.Number("9007199254740993") {
		t.Errorf("got %v and error %v, want the numbers as they are", claims, err)
	}
	for _, answer := range []string{``, `{}`, `{"claims":null}`} {
		if _, err := asked(t, answer, ask); err != nil || claims != nil {
			t.Errorf("%q: got %v and error %v, want none", answer, claims, err)
		}
	}
	if _, err := asked(t, `{"claims":[]}`, ask); !errors.Is(err, postern.ErrUnexpectedFailure) {
		t.Errorf("got %v, want an error", err)
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]struct {
		postern.Verdict
		failed bool
	}{
		``:                        {},
		`{}`:                      {},
		`{"decision":"continue"}`: {},
		`{"decision":"reject"}`:   {Verdict: postern.Verdict{Reject: true}},
		`{"decision":"reject","message":"wait","should_logout_user":true}`: {Verdict: postern.Verdict{Reject: true, Message: "wait", SignOut: true}},
		`{"decision":"deny"}`: {failed: true},
		`{"decision":1}`:      {failed: true},
	} {
		_, err := asked(t, answer, func(ctx context.Context, h *Hook) error {
			got, err := h.PasswordVerificationAttempt(ctx, postern.PasswordAttempt{})
			if got != want.Verdict {
				t.Errorf("%q: got %+v, want %+v", answer, got, want.Verdict)
			}
			return err
		})
		if (err != nil) != want.failed {
			t.Errorf("%q: got error %v", answer, err)
		}
	}
}
