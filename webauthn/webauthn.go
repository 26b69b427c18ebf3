// Package webauthn does the ceremonies of passkeys and security keys for Postern,
// with github.com/go-webauthn/webauthn, which only who imports it has.
//
//	w, err := webauthn.New(webauthn.Config{
//		RPID: "example.com", Origins: []string{"https://app.example.com"},
//	})
//	a, err := postern.New(st, postern.Config{WebAuthn: w, …})
package webauthn

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	library "github.com/go-webauthn/webauthn/webauthn"

	"github.com/postern-auth/postern"
)

// Config names the relying party (WebAuthn Level 3 §4).
type Config struct {
	// RPID is the domain that credentials belong to: that of the app's pages, or one
	// that it is below of. Changing it makes every credential useless.
	RPID string
	// DisplayName is what people know the service by. Defaults to RPID.
	DisplayName string
	// Origins are the origins of the pages, and of apps ("android:apk-key-hash:…"),
	// that ceremonies take place in.
	Origins []string
	// UserVerification is "preferred", the default, "required" or "discouraged":
	// whether the authenticator has to know who uses it, by PIN or fingerprint.
	UserVerification string
}

// WebAuthn implements postern.WebAuthn. It is safe for concurrent use.
type WebAuthn struct {
	library *library.WebAuthn
	verify  protocol.UserVerificationRequirement
}

var _ postern.WebAuthn = (*WebAuthn)(nil)

// New returns a WebAuthn. Its error says what is wrong with the configuration.
func New(c Config) (*WebAuthn, error) {
	verify := protocol.UserVerificationRequirement(c.UserVerification)
	switch verify {
	case "":
		verify = protocol.VerificationPreferred
	case protocol.VerificationPreferred, protocol.VerificationRequired, protocol.VerificationDiscouraged:
	default:
		return nil, fmt.Errorf("webauthn: UserVerification is %q; it is preferred, required or discouraged", c.UserVerification)
	}
	if err := check(c); err != nil {
		return nil, err
	}
	name := c.DisplayName
	if name == "" {
		name = c.RPID
	}
	config := &library.Config{RPID: c.RPID, RPDisplayName: name, AttestationPreference: protocol.PreferNoAttestation}
	for _, origin := range c.Origins {
		if protocol.IsOpaqueOrigin(origin) {
			config.RPOpaqueOrigins = append(config.RPOpaqueOrigins, origin)
		} else {
			config.RPOrigins = append(config.RPOrigins, origin)
		}
	}
	w, err := library.New(config)
	if err != nil {
		return nil, fmt.Errorf("webauthn: %w", err)
	}
	return &WebAuthn{library: w, verify: verify}, nil
}

// check finds what no ceremony could succeed with.
func check(c Config) error {
	switch {
	case c.RPID == "" || strings.ContainsAny(c.RPID, ":/"):
		return fmt.Errorf("webauthn: RPID is %q; it is a domain, without scheme and port", c.RPID)
	case len(c.Origins) == 0:
		return errors.New("webauthn: Origins is empty; name those of the pages that ceremonies take place in")
	}
	for _, origin := range c.Origins {
		u, err := url.Parse(origin)
		if protocol.IsOpaqueOrigin(origin) && err == nil && u.Scheme != "http" && u.Scheme != "https" {
			continue
		}
		if err != nil || u.Hostname() != c.RPID && !strings.HasSuffix(u.Hostname(), "."+c.RPID) {
			return fmt.Errorf("webauthn: the origin %q is not of the domain %q", origin, c.RPID)
		}
	}
	return nil
}
