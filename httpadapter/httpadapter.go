// Package httpadapter serves GoTrue's HTTP API over a *postern.Auth, and
// protects an application's own routes with the tokens that it issues.
//
//	mux.Handle("/auth/v1/", http.StripPrefix("/auth/v1", httpadapter.New(a, httpadapter.Options{})))
//	mux.Handle("/notes", httpadapter.RequireUser(a)(notes)) // postern.UserFromContext(r.Context())
//
// What requests and answers look like is the wire contract of GoTrue 2.196, in
// which a client of it finds everything in its place. Where the contract leaves
// a choice, errors in a request are answered with a 4xx, never a 5xx, and no
// answer lets scripts send cookies along. The one cookie there is knows a browser
// again that comes back from a provider.
package httpadapter

import (
	"cmp"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/postern-auth/postern"
)

// Options say how requests are received. The zero value is safe on a server
// that faces its clients directly.
type Options struct {
	// TrustedProxies are the networks of the proxies in front of the server.
	// Whoever sends a request through one of them is the client: the right-most
	// address in X-Forwarded-For that is no trusted proxy's. Defaults to none;
	// then the client is whoever has connected.
	TrustedProxies []netip.Prefix

	// ClientAddressHeader names a header in which the trusted proxies put the
	// client's address alone, such as CF-Connecting-IP. Where it is missing,
	// X-Forwarded-For counts. Defaults to none.
	ClientAddressHeader string

	// AllowedHeaders are request headers that scripts on other origins may
	// set, besides those that Supabase's clients need.
	AllowedHeaders []string

	// MaxRequestDuration is how long a request may take before it is answered
	// with 504 request_timeout. A body that has not arrived by then is not
	// waited for, if the server has no ReadTimeout of its own. Defaults to 10
	// seconds; negative turns it off.
	MaxRequestDuration time.Duration

	// ExternalHosts are hosts, without a port, by which clients may find the API
	// besides postern.Config.ExternalURL: links in mails then begin with the host
	// that X-Forwarded-Host names. Defaults to none.
	ExternalHosts []string

	// RequestIDHeader names the header in which a proxy gives each request its
	// id, which log lines and internal errors then show. Defaults to none; ids are
	// made up.
	RequestIDHeader string

	// CursorPagination lists users by cursor when a request for them names
	// neither a page nor a page's size.
	CursorPagination bool

	// Captcha asks whoever signs up, in, or for a message to solve a CAPTCHA first
	// (package httpadapter/captcha). Defaults to nobody's having to.
	Captcha CaptchaVerifier

	// ConfirmPage is the page with a button that GET /confirm shows, executed
	// with a ConfirmPage. Defaults to a plain one in the language of whoever
	// reads it: English, German, French, Spanish, Portuguese or Japanese.
	ConfirmPage *template.Template

	// Logger hears of the failures whose cause no client is told. Of a request only
	// what Record has is logged. Defaults to the Auth's.
	Logger *slog.Logger
	// AccessLog has every request logged, not just those that failed, but for those
	// that ask whether the service is well.
	AccessLog bool
	// Observers are told of the same requests.
	Observers []Observer
}

// New returns the handler of the API, for the root of a URL: mounted elsewhere
// it needs http.StripPrefix. It is safe for concurrent use.
func New(a *postern.Auth, o Options) http.Handler {
	s := &server{
		auth: a, cursorPagination: o.CursorPagination, confirmPage: cmp.Or(o.ConfirmPage, defaultConfirmPage),
		captcha: o.Captcha,
	}
	h := limitTime(s.routes(), cmp.Or(o.MaxRequestDuration, 10*time.Second))
	h = shareAcrossOrigins(h, o.AllowedHeaders)
	h = recoverPanics(h)
	h = watch(h, slog.New(postern.LogRequestID(cmp.Or(o.Logger, a.Logger()).Handler())), o)
	return limitBody(h) // with the server's own ResponseWriter, which hears of a body that was too large
}

type server struct {
	auth             *postern.Auth
	cursorPagination bool
	confirmPage      *template.Template
	captcha          CaptchaVerifier // nil where there is none
}

// routes is the table of what is served where. A path that is written with a
// slash at its end is served without it too.
func (s *server) routes() http.Handler {
	user, admin := RequireUser(s.auth), RequireAdmin(s.auth)
	registered := func(next http.Handler) http.Handler { return user(refuseAnonymous(next)) }
	return newTree(map[string]middleware{
		"/admin":          admin,
		"/passkeys":       s.requirePasskeys,
		"/factors":        registered,
		"/reauthenticate": user,
		"/user":           user,
	}, []route{
		{"GET", healthPath, s.health},
		{"GET", readyPath, s.ready}, // which is not GoTrue's
		{"GET", "/settings", s.settings},
		{"GET", "/.well-known/jwks.json", s.jwks},

		{"POST", "/signup/", s.forPeople(s.signUp)},
		{"POST", "/token", s.limitedByGrant(s.forPeopleOrProof(s.token))},
		{"POST", "/logout", behind(user, s.signOut)},

		{"POST", "/otp", s.limited(postern.LimitOTP, s.forPeople(s.otp))},
		{"POST", "/magiclink", s.limited(postern.LimitMagicLink, s.forPeople(s.magicLink))},
		{"POST", "/recover", s.limited(postern.LimitRecover, s.forPeople(s.recovery))},
		{"POST", "/resend", s.limited(postern.LimitResend, s.forPeople(s.resend))},
		{"GET", "/reauthenticate/", s.reauthenticate},
		{"POST", "/verify/", s.limited(postern.LimitVerify, s.verify)},
		{"GET", "/verify/", s.limited(postern.LimitVerify, s.verifyLink)},

		// The page before GET /verify, which is not GoTrue's.
		{"HEAD", "/confirm", s.confirm},
		{"GET", "/confirm", s.confirm},
		{"POST", "/confirm", s.limited(postern.LimitVerify, s.confirmed)},

		{"GET", "/authorize", s.authorize},
		{"GET", "/callback/", s.callback},
		{"POST", "/callback/", s.callback},

		{"GET", "/user/", s.user},
		{"PUT", "/user/", s.limited(postern.LimitUpdateUser, s.updateUser)},
		{"GET", "/user/identities/authorize", s.linkIdentity},
		{"DELETE", "/user/identities/{identity_id}", s.unlinkIdentity},

		{"POST", "/factors/", s.enrollFactor},
		{"POST", "/factors/{factor_id}/challenge", s.limited(postern.LimitFactorChallenge, s.challengeFactor)},
		{"POST", "/factors/{factor_id}/verify", s.limited(postern.LimitFactorVerify, s.verifyFactor)},
		{"DELETE", "/factors/{factor_id}/", s.unenrollFactor},
		{"GET", "/factors/recovery-codes", s.recoveryCodes},
		{"POST", "/factors/recovery-codes", s.generateRecoveryCodes},
		{"DELETE", "/factors/recovery-codes", s.unenrollRecoveryCodes},
		{"POST", "/factors/recovery-codes/regenerate", s.regenerateRecoveryCodes},
		{"POST", "/factors/recovery-codes/verify", s.limited(postern.LimitFactorVerify, s.verifyRecoveryCode)},

		{"POST", "/passkeys/authentication/options", s.limited(postern.LimitPasskey, s.forPeople(s.beginPasskeySignIn))},
		{"POST", "/passkeys/authentication/verify", s.signInWithPasskey},
		{"POST", "/passkeys/registration/options", behind(registered, s.beginPasskeyRegistration)},
		{"POST", "/passkeys/registration/verify", behind(registered, s.registerPasskey)},
		{"GET", "/passkeys/", behind(user, s.listPasskeys)},
		{"PATCH", "/passkeys/{passkey_id}/", behind(user, s.renamePasskey)},
		{"DELETE", "/passkeys/{passkey_id}/", behind(user, s.deletePasskey)},

		{"POST", "/invite", behind(admin, s.invite)},
		{"POST", "/admin/generate_link", s.generateLink},
		{"GET", "/admin/audit/", s.adminAuditLog},
		{"GET", "/admin/users/", s.adminListUsers},
		{"POST", "/admin/users/", s.adminCreateUser},
		{"GET", "/admin/users/{user_id}/", s.adminUser},
		{"PUT", "/admin/users/{user_id}/", s.adminUpdateUser},
		{"DELETE", "/admin/users/{user_id}/", s.adminDeleteUser},
		{"GET", "/admin/users/{user_id}/factors/", s.adminListFactors},
		{"PUT", "/admin/users/{user_id}/factors/{factor_id}/", s.adminUpdateFactor},
		{"DELETE", "/admin/users/{user_id}/factors/{factor_id}/", s.adminDeleteFactor},
		{"GET", "/admin/users/{user_id}/passkeys/", s.adminListPasskeys},
		{"DELETE", "/admin/users/{user_id}/passkeys/{passkey_id}/", s.adminDeletePasskey},

		{"GET", "/admin/custom-providers/", s.adminListCustomProviders},
		{"POST", "/admin/custom-providers/", s.adminCreateCustomProvider},
		{"GET", "/admin/custom-providers/{identifier}/", s.adminCustomProvider},
		{"PUT", "/admin/custom-providers/{identifier}/", s.adminUpdateCustomProvider},
		{"DELETE", "/admin/custom-providers/{identifier}/", s.adminDeleteCustomProvider},

		// The same under the name that GoTrue's documentation has for it.
		{"GET", "/admin/user/{user_id}/", s.adminUser},
		{"PUT", "/admin/user/{user_id}/", s.adminUpdateUser},
		{"DELETE", "/admin/user/{user_id}/", s.adminDeleteUser},
	})
}

// endpoint serves one route: it decodes the request, calls one method of Auth
// and encodes the result. The error that it returns is the answer.
type endpoint func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP makes an endpoint a handler.
func (e endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := e(w, r); err != nil {
		fail(w, r, err)
	}
}

// behind puts a guard before a single route. Unlike that of a group, it does not
// come before the question of the method.
func behind(guard middleware, e endpoint) endpoint {
	guarded := guard(e)
	return func(w http.ResponseWriter, r *http.Request) error {
		guarded.ServeHTTP(w, r)
		return nil
	}
}

// limited lets only so many requests of one address through.
func (s *server) limited(l postern.RequestLimit, e endpoint) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := s.auth.LimitRequest(r.Context(), l); err != nil {
			return err
		}
		return e(w, r)
	}
}

// limitedByGrant is limited for POST /token.
func (s *server) limitedByGrant(e endpoint) endpoint {
	web3, others := s.limited(postern.LimitWeb3, e), s.limited(postern.LimitToken, e)
	return func(w http.ResponseWriter, r *http.Request) error {
		if grantType(r) == "web3" {
			return web3(w, r)
		}
		return others(w, r)
	}
}

// Where to ask how the service is.
const (
	healthPath = "/health"
	readyPath  = "/health/ready"
)

func (s *server) health(w http.ResponseWriter, _ *http.Request) error {
	return respond(w, http.StatusOK, s.auth.Health())
}

// ready says whether requests can be served. Unlike health it asks the database.
func (s *server) ready(w http.ResponseWriter, r *http.Request) error {
	if err := s.auth.Ready(r.Context()); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return respond(w, http.StatusOK, map[string]bool{"ready": true})
}

func (s *server) settings(w http.ResponseWriter, _ *http.Request) error {
	return respond(w, http.StatusOK, s.auth.Settings())
}

func (s *server) jwks(w http.ResponseWriter, r *http.Request) error {
	keys, err := s.auth.JWKS(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "public, max-age=600")
	return respond(w, http.StatusOK, keys)
}

// audienceOf is the audience that a request names for the accounts that it is
// about, "" for none. Whether the name counts is Auth's to decide.
func audienceOf(r *http.Request) string { return r.Header.Get("X-JWT-AUD") }
