package provider

import "github.com/postern-auth/postern"

// The services here sign in by plain OAuth 2.0 in a browser, while their libraries
// for phones give apps ID tokens.

// facebookIDTokens makes Facebook take the ID tokens of its Limited Login. Their
// nonce is not the one that the contract wants, so nobody looks at it.
func facebookIDTokens(c Config, p postern.Provider) postern.Provider {
	c.SkipNonceCheck = true
	return nativeTokens("https://www.facebook.com", c, p, func(c standardClaims) (*postern.Profile, error) {
		claims := c.token()
		claims.ProviderID, claims.Name, claims.Picture = claims.Subject, c.text("name"), c.text("picture")
		return &postern.Profile{Emails: vouchedEmail(c), Claims: claims}, nil
	})
}

// kakaoIDTokens makes Kakao take ID tokens.
func kakaoIDTokens(c Config, p postern.Provider) postern.Provider {
	return nativeTokens("https://kauth.kakao.com", c, p, func(c standardClaims) (*postern.Profile, error) {
		claims := c.token()
		claims.ProviderID, claims.Picture = claims.Subject, c.text("picture")
		claims.Name, claims.PreferredUsername = c.text("nickname"), c.text("nickname")
		return &postern.Profile{Emails: vouchedEmail(c), Claims: claims}, nil
	})
}

// snapchatIDTokens makes Snapchat take ID tokens.
func snapchatIDTokens(c Config, p postern.Provider) postern.Provider {
	return nativeTokens("https://accounts.snapchat.com", c, p, func(c standardClaims) (*postern.Profile, error) {
		profile := c.profile()
		profile.Emails = vouchedEmail(c)
		return profile, nil
	})
}

// nativeTokens completes a service with the ID tokens of its issuer, which is where
// it is whatever Config.URL says.
func nativeTokens(issuerURL string, c Config, p postern.Provider, read func(standardClaims) (*postern.Profile, error)) postern.Provider {
	return newIssuer(issuerURL, c.withDefaults()).idTokens(read).completes(p)
}

// vouchedEmail is the address of a service that tells only those that it has
// verified. If it denies that of one, it is believed.
func vouchedEmail(c standardClaims) []postern.ProfileEmail {
	return oneEmail(c.text("email"), !c.denied("email_verified"))
}
