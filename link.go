package postern

import (
	"context"
	"errors"
	"net/url"

	"github.com/postern-auth/postern/internal/otp"
	"github.com/postern-auth/postern/internal/redirect"
)

// VerifyLinkParams is what a link in a mail carries.
type VerifyLinkParams struct {
	Type       VerifyType
	Token      string // the token hash, with its prefix in a PKCE flow
	RedirectTo string // defaults to Config.SiteURL
}

// VerifyLink redeems the link of a mail and returns where its browser is to be
// sent: with the session in the fragment or, in a PKCE flow, an auth code in the
// query; or with what went wrong (contract: endpoints.md, GET /verify). It fails
// only when type or token are missing, and when the database does. The session is
// nil unless the link opened one.
func (a *Auth) VerifyLink(ctx context.Context, p VerifyLinkParams) (location string, session *Session, err error) {
	switch {
	case p.Type == "":
		return "", nil, invalid("Verify requires a verification type")
	case p.Token == "":
		return "", nil, invalid("Verify requires a token or a token hash")
	}
	target, flow := a.Redirect(p.RedirectTo), otp.IsPKCE(p.Token)
	v, authCode, err := a.redeemLink(ctx, p, flow)
	var refusal *Error
	switch {
	case errors.As(err, &refusal) && refusal.Kind != KindInternal && refusal.Kind != KindUnavailable:
		return refusedLocation(target, refusal, flow), nil, nil
	case err != nil:
		return "", nil, err
	case v.Message != "":
		return tellLocation(target, url.Values{"message": {v.Message}}, flow), nil, nil
	case flow:
		return redirect.Query(target, url.Values{"code": {authCode}}), nil, nil
	}
	return tokensLocation(target, v.Session, p.Type), v.Session, nil
}

func (a *Auth) redeemLink(ctx context.Context, p VerifyLinkParams, flow bool) (v *Verification, authCode string, err error) {
	defer a.attempted(ctx, "otp", &err)
	found, err := a.findByLink(ctx, p.Type, p.Token)
	if err != nil {
		return nil, "", err
	}
	var then func(Tx, *UserRecord) error
	if flow {
		then = func(tx Tx, u *UserRecord) error {
			authCode, err = a.issueAuthCode(ctx, tx, u, flowMethod(found.purpose))
			return err
		}
	}
	v, err = a.redeem(ctx, found, "otp", then)
	return v, authCode, err
}

func tokensLocation(target string, s *Session, t VerifyType) string {
	params := sessionParams(s)
	params.Set("type", string(t))
	return redirect.Tokens(target, params)
}

// linkErrors are the error parameters for the statuses that have one (contract:
// errors.md §3.2).
var linkErrors = map[Kind]string{
	KindInvalid: "invalid_request", KindUnauthorized: "unauthorized_client", KindForbidden: "access_denied",
}

func refusedLocation(target string, e *Error, flow bool) string {
	params := e.params()
	if name, ok := linkErrors[e.Kind]; ok {
		params.Set("error", name)
	}
	return tellLocation(target, params, flow)
}

func tellLocation(target string, params url.Values, flow bool) string {
	if flow {
		return redirect.QueryAndFragment(target, params)
	}
	return redirect.Fragment(target, params)
}

// Redirect returns the first of some URLs that a browser may be sent to, and the
// site's when none may (contract: tokens.md §10).
func (a *Auth) Redirect(candidates ...string) string {
	for _, c := range candidates {
		if target, ok := a.redirects.Check(c); ok {
			return target
		}
	}
	return a.cfg.SiteURL
}
