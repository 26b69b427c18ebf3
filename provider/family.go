package provider

import (
	"context"
	"errors"

	"github.com/postern-auth/postern"
)

// errForeignIssuer is about an ID token whose issuer is none of the provider's.
var errForeignIssuer = errors.New("the ID token is of an issuer that is not the provider's")

// checkFamily says in GoTrue's words what is wrong with the issuer of an app's ID
// token, for providers that have several (contract: endpoints.md,
// grant_type=id_token).
func checkFamily(family string, member func(iss string) bool, verify func(context.Context, postern.IDTokenRequest) (*postern.IDToken, error)) func(context.Context, postern.IDTokenRequest) (*postern.IDToken, error) {
	refuse := func(text string) (*postern.IDToken, error) {
		return nil, &postern.Error{Kind: postern.KindInvalid, Code: postern.ErrValidationFailed, Message: text}
	}
	return func(ctx context.Context, r postern.IDTokenRequest) (*postern.IDToken, error) {
		switch iss := issuerOf(r.Token); {
		case iss == "":
			return refuse("Unable to detect issuer in ID token for " + family + " provider")
		case !member(iss):
			return refuse("Detected ID token issuer is not an " + family + " ID token issuer")
		case r.Issuer != "" && r.Issuer != iss:
			return refuse("Provided issuer does not match ID token issuer")
		}
		return verify(ctx, r)
	}
}
