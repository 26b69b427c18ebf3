package provider

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/postern-auth/postern"
)

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

// ReadKeys reads an issuer's keys out of an answer, and looks for the one that has
// signed a token.
func ReadKeys(ctx context.Context, answer []byte, token string) ([]byte, error) {
	client := &http.Client{Transport: answering(answer)}
	return newKeySet("https://issuer.example/keys", Config{HTTPClient: client, Now: time.Now, DiscoveryTTL: time.Hour}).VerifySignature(ctx, token)
}

// answering is what answers every request with the same.
type answering []byte

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a)), Request: r}, nil
}
