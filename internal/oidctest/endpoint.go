package oidctest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Endpoint is one of the issuer's, called by its path after the issuer's URL.
type Endpoint string

// The endpoints.
const (
	Discovery Endpoint = "/.well-known/openid-configuration"
	Keys      Endpoint = "/keys"
	Authorize Endpoint = "/authorize"
	Token     Endpoint = "/token"
	UserInfo  Endpoint = "/userinfo"
)

// Breakage is a way in which an endpoint does not answer as it should.
type Breakage string

// The ways.
const (
	Down     Breakage = "down"     // 503
	Slow     Breakage = "slow"     // no answer as long as somebody waits
	Half     Breakage = "half"     // the answer breaks off
	Garbage  Breakage = "garbage"  // 200, and a page that is no JSON
	Null     Breakage = "null"     // JSON, but no object
	Redirect Breakage = "redirect" // to a place with the right answer
	Endless  Breakage = "endless"  // JSON that does not end
)

// Breakages are all ways.
func Breakages() []Breakage { return []Breakage{Down, Slow, Half, Garbage, Null, Redirect, Endless} }

// Break makes an endpoint answer in such a way from now on, "" for as it should.
func (i *Issuer) Break(e Endpoint, how Breakage) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.broken[e] = how
}

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	e := i.endpoint(r.URL.Path)
	i.mu.Lock()
	i.requests[e]++
	how := i.broken[e]
	i.mu.Unlock()
	switch {
	case how != "" && !r.URL.Query().Has("redirected"):
		i.fail(w, r, how)
	case e == Discovery:
		i.serveDiscovery(w)
	case e == Keys:
		i.serveKeys(w)
	case e == Authorize:
		i.serveAuthorize(w, r)
	case e == Token:
		i.serveToken(w, r)
	case e == UserInfo:
		i.serveUserInfo(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (i *Issuer) endpoint(path string) Endpoint {
	i.mu.Lock()
	defer i.mu.Unlock()
	if e, ok := i.aliases[path]; ok {
		return e
	}
	for _, e := range []Endpoint{Discovery, Keys, Authorize, Token, UserInfo} {
		if strings.HasSuffix(path, string(e)) {
			return e
		}
	}
	return ""
}

func (i *Issuer) fail(w http.ResponseWriter, r *http.Request, how Breakage) {
	w.Header().Set("Content-Type", "application/json")
	switch how {
	case Down:
		http.Error(w, `{"error":"temporarily_unavailable"}`, http.StatusServiceUnavailable)
	case Slow:
		select {
		case <-r.Context().Done():
		case <-i.closed:
		}
	case Half:
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"issuer":"https://`))
	case Garbage:
		_, _ = w.Write([]byte("<!doctype html><p>Welcome to the airport's network"))
	case Null:
		_, _ = w.Write([]byte("null"))
	case Redirect:
		http.Redirect(w, r, r.URL.Path+"?redirected", http.StatusTemporaryRedirect)
	case Endless:
		_, _ = w.Write([]byte(`{"issuer":"`))
		for piece := []byte(strings.Repeat("x", 1<<15)); ; {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
}

func (i *Issuer) serveDiscovery(w http.ResponseWriter) {
	i.mu.Lock()
	defer i.mu.Unlock()
	document := map[string]any{
		"issuer":                                i.URL,
		"authorization_endpoint":                i.URL + string(Authorize),
		"token_endpoint":                        i.URL + string(Token),
		"userinfo_endpoint":                     i.URL + string(UserInfo),
		"jwks_uri":                              i.URL + string(Keys),
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
	}
	if i.faults[OtherDiscovery] {
		document["issuer"] = "https://issuer.example"
	}
	if i.faults[NoKeysDiscovery] {
		delete(document, "jwks_uri")
	}
	writeJSON(w, http.StatusOK, document)
}

func (i *Issuer) serveKeys(w http.ResponseWriter) {
	i.mu.Lock()
	defer i.mu.Unlock()
	writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: &i.key.key.PublicKey, KeyID: i.key.id, Algorithm: "ES256", Use: "sig"},
	}})
}

// code is an authorization that waits to be exchanged.
type code struct {
	redirectURI, challenge, nonce string
	user                          Claims
}

// form is a page with which a browser makes a POST (OAuth 2.0 Form Post Response
// Mode §2).
var form = template.Must(template.New("").Parse(`<!doctype html><title>Back to the app</title>
<body onload="document.forms[0].submit()"><form method="post" action="{{.To}}">
{{range $name, $values := .Params}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">{{end}}{{end}}
<noscript><button>Continue</button></noscript></form>`))

var inputs = regexp.MustCompile(`name="([^"]*)" value="([^"]*)"`)

// readForm reads the fields of form.
func readForm(page string) url.Values {
	fields := url.Values{}
	for _, found := range inputs.FindAllStringSubmatch(page, -1) {
		fields.Add(html.UnescapeString(found[1]), html.UnescapeString(found[2]))
	}
	return fields
}

// serveAuthorize signs in without a question (OpenID Connect Core §3.1.2).
func (i *Issuer) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || back.Host == "" || q.Get("client_id") != i.ClientID || q.Get("response_type") != "code" {
		http.Error(w, "this is no request of the client", http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	text := rand.Text()
	i.codes[text] = code{q.Get("redirect_uri"), q.Get("code_challenge"), q.Get("nonce"), maps.Clone(i.user)}
	i.mu.Unlock()
	params := url.Values{"code": {text}, "state": {q.Get("state")}}
	if q.Get("response_mode") == "form_post" {
		_ = form.Execute(w, map[string]any{"To": back.String(), "Params": params})
		return
	}
	params.Set("iss", i.URL) // RFC 9207
	all := back.Query()
	maps.Copy(all, params)
	back.RawQuery = all.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// serveToken exchanges a code, once (OpenID Connect Core §3.1.3).
func (i *Issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	id, _ = url.QueryUnescape(id) // RFC 6749 §2.3.1
	secret, _ = url.QueryUnescape(secret)
	i.mu.Lock()
	defer i.mu.Unlock()
	c, known := i.codes[r.PostFormValue("code")]
	delete(i.codes, r.PostFormValue("code"))
	switch {
	case id != i.ClientID || secret != i.ClientSecret:
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
	case !known || r.PostFormValue("redirect_uri") != c.redirectURI || !c.proven(r.PostFormValue("code_verifier")):
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
	default:
		writeJSON(w, http.StatusOK, i.issue(c))
	}
}

// proven reports whether a verifier is the one of the challenge (RFC 7636 §4.6).
func (c code) proven(verifier string) bool {
	sum := sha256.Sum256([]byte(verifier))
	return c.challenge == "" || c.challenge == base64.RawURLEncoding.EncodeToString(sum[:])
}

func (i *Issuer) issue(c code) map[string]any {
	access := rand.Text()
	i.tokens[access] = c.user
	if i.info != nil {
		i.tokens[access] = i.info
	}
	answer := map[string]any{"access_token": access, "refresh_token": rand.Text(), "token_type": "Bearer", "expires_in": 3600}
	if !i.faults[NoIDToken] {
		answer["id_token"] = i.idToken(c.user, c.nonce, access)
	}
	return answer
}

func (i *Issuer) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	claims, ok := i.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		return
	}
	if i.faults[SomebodyElse] {
		claims = Claims{"sub": "8", "email": "bob@example.com", "email_verified": true}
	}
	writeJSON(w, http.StatusOK, claims)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever went away needs no answer
}
