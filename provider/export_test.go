package provider

import "github.com/postern-auth/postern"

// What the constructors of these services are completed with.
var (
	FacebookIDTokens = facebookIDTokens
	KakaoIDTokens    = kakaoIDTokens
	SnapchatIDTokens = snapchatIDTokens
)

// StandardClaims are what the readers read, which the fuzz targets call directly.
type StandardClaims = standardClaims

func ReadStandard(c StandardClaims) *postern.Profile { return c.profile() }

func ReadGoogle(c StandardClaims) *postern.Profile { return must(googleProfile(c)) }

func ReadApple(c StandardClaims) *postern.Profile { return must(appleProfile(c)) }

func ReadAzure(c StandardClaims) *postern.Profile { return must((&azure{}).profile(c)) }

func ReadCustom(c StandardClaims, p *postern.CustomProvider) *postern.Profile {
	return customProfile(c, p)
}

func must(p *postern.Profile, err error) *postern.Profile {
	if err != nil {
		panic(err)
	}
	return p
}
