package provider_test

import (
	"strings"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/provider"
)

// serviceCase is a service: what it asks for and answers, by its documentation, and
// what is made of it.
type serviceCase struct {
	name      string
	construct func(provider.Config) postern.Provider

	authorize   string // endpoint
	scope       string // by default
	fixedScopes bool   // those that a request asks for do nothing
	pkce        bool

	token  string // endpoint
	issued string // its answer; "" for one with an access token alone
	inBody bool   // where it wants the credentials

	profile []answer // to the requests for a profile, in their order
	header  string   // that these have, "Name: value"

	claims postern.ProfileClaims
	emails []postern.ProfileEmail
	// unverified makes the answers those about somebody whose addresses are not
	// verified. nil: the service cannot say so.
	unverified *strings.Replacer
	// noEmail makes the answers those about somebody without an address.
	noEmail *strings.Replacer
}

type answer struct{ url, json string }

// oauth1 reports whether the service speaks OAuth 1.0a.
func (s serviceCase) oauth1() bool { return s.name == "twitter" }

// tokenEndpoints are the endpoints whose answers have tokens.
func (s serviceCase) tokenEndpoints() []string {
	if s.oauth1() {
		return []string{"https://api.twitter.com/oauth/request_token", s.token}
	}
	return []string{s.token}
}

// answers are all that the service answers when all is well.
func (s serviceCase) answers() map[string]string {
	issued := s.issued
	if issued == "" {
		issued = `{"access_token":"` + accessToken + `","refresh_token":"refresh-token","token_type":"Bearer","expires_in":3600}`
	}
	all := map[string]string{s.token: issued}
	if s.oauth1() {
		all[s.tokenEndpoints()[0]] = "oauth_token=request-token&oauth_token_secret=request-secret&oauth_callback_confirmed=true"
	}
	for _, p := range s.profile {
		all[p.url] = p.json
	}
	return all
}

func verifiedEmail(email string) []postern.ProfileEmail {
	return []postern.ProfileEmail{{Email: email, Verified: true, Primary: true}}
}

func services() []serviceCase {
	return []serviceCase{{
		name: "bitbucket", construct: provider.Bitbucket,
		authorize: "https://bitbucket.org/site/oauth2/authorize", scope: "account email", fixedScopes: true,
		token: "https://bitbucket.org/site/oauth2/access_token",
		profile: []answer{{
			"https://api.bitbucket.org/2.0/user",
			`{"uuid":"{b1}","display_name":"Ada Byron","links":{"avatar":{"href":"https://img.example/ada"}},"type":"user"}`,
		}, {
			"https://api.bitbucket.org/2.0/user/emails",
			`{"values":[{"email":"old@example.com","is_confirmed":false,"is_primary":false},` +
				`{"email":"ada@example.com","is_confirmed":true,"is_primary":true}],"page":1}`,
		}},
		claims: postern.ProfileClaims{
			Issuer: "https://api.bitbucket.org/2.0", Subject: "{b1}", ProviderID: "{b1}",
			Name: "Ada Byron", FullName: "Ada Byron", Picture: "https://img.example/ada", AvatarURL: "https://img.example/ada",
		},
		emails:     append([]postern.ProfileEmail{{Email: "old@example.com"}}, verifiedEmail("ada@example.com")...),
		unverified: strings.NewReplacer(`"is_confirmed":true`, `"is_confirmed":false`),
		noEmail:    strings.NewReplacer("old@example.com", "", "ada@example.com", ""),
	}, {
		name: "discord", construct: provider.Discord,
		authorize: "https://discord.com/api/oauth2/authorize", scope: "email identify",
		token: "https://discord.com/api/oauth2/token",
		profile: []answer{{
			"https://discord.com/api/users/@me",
			`{"id":"80351110224678912","username":"ada","discriminator":"1337","global_name":"Ada","avatar":"8342729096ea3675442027381ff50dfe",` +
				`"verified":true,"email":"ada@example.com","flags":64,"banner":null}`,
		}},
		claims: postern.ProfileClaims{
			Issuer: "https://discord.com/api", Subject: "80351110224678912", ProviderID: "80351110224678912",
			Name: "ada#1337", FullName: "ada",
			Picture:      "https://cdn.discordapp.com/avatars/80351110224678912/8342729096ea3675442027381ff50dfe.png",
			AvatarURL:    "https://cdn.discordapp.com/avatars/80351110224678912/8342729096ea3675442027381ff50dfe.png",
			CustomClaims: map[string]any{"global_name": "Ada"},
		},
		emails:     verifiedEmail("ada@example.com"),
		unverified: strings.NewReplacer(`"verified":true`, `"verified":false`),
		noEmail:    strings.NewReplacer(`"ada@example.com"`, "null"),
	}, {
		name: "facebook", construct: provider.Facebook,
		authorize: "https://www.facebook.com/dialog/oauth", scope: "email",
		token: "https://graph.facebook.com/oauth/access_token", inBody: true,
		profile: []answer{{
			// the proof was computed with openssl
			"https://graph.facebook.com/me?fields=email,first_name,last_name,name,picture" +
				"&appsecret_proof=ac35e2702e472f67b52288a221bca6c9ba8fce59402ca6cd6b13792856e9f716",
			`{"id":"10150001","email":"ada@example.com","first_name":"Ada","last_name":"Byron","name":"Ada B",` +
				`"picture":{"data":{"height":50,"is_silhouette":false,"url":"https://img.example/ada","width":50}}}`,
		}},
		claims: postern.ProfileClaims{
			Issuer:  "https://graph.facebook.com/me?fields=email,first_name,last_name,name,picture",
			Subject: "10150001", ProviderID: "10150001",
			Name: "Ada Byron", FullName: "Ada Byron", Nickname: "Ada B", Slug: "Ada B",
			Picture: "https://img.example/ada", AvatarURL: "https://img.example/ada",
		},
		emails:  verifiedEmail("ada@example.com"),
		noEmail: strings.NewReplacer(`"email":"ada@example.com",`, ""),
	}, {
		name: "figma", construct: provider.Figma,
		authorize: "https://www.figma.com/oauth", scope: "current_user:read",
		token: "https://api.figma.com/v1/oauth/token",
		profile: []answer{{
			"https://api.figma.com/v1/me",
			`{"id":"f1","email":"ada@example.com","handle":"Ada","img_url":"https://img.example/ada"}`,
		}},
		claims: postern.ProfileClaims{
			Issuer: "https://api.figma.com", Subject: "f1", ProviderID: "f1",
			Name: "Ada", FullName: "Ada", AvatarURL: "https://img.example/ada",
		},
		emails:  verifiedEmail("ada@example.com"),
		noEmail: strings.NewReplacer("ada@example.com", ""),
	}, {
		name: "fly", construct: provider.Fly,
		authorize: "https://api.fly.io/oauth/authorize", scope: "read",
		token: "https://api.fly.io/oauth/token",
		profile: []answer{{
			"https://api.fly.io/oauth/token/info",
			`{"resource_owner_id":"r1","scope":["read"],"expires_in":7200,"application":{"uid":"app-1"},"created_at":1696003692,` +
				`"user_id":"u1","user_name":"Ada","email":"ada@example.com","organizations":[{"id":"o1","role":"admin"}]}`,
		}},
		claims: postern.ProfileClaims{
			Issuer: "https://api.fly.io", Subject: "u1", ProviderID: "u1", FullName: "Ada",
			CustomClaims: map[string]any{
				"resource_owner_id": "r1", "organizations": []any{map[string]any{"id": "o1", "role": "admin"}},
				"application": map[string]any{"uid": "app-1"}, "scope": []string{"read"}, "created_at": int64(1696003692),
			},
		},
		emails:  verifiedEmail("ada@example.com"),
		noEmail: strings.NewReplacer("ada@example.com", ""),
	}, {
		name: "github", construct: provider.GitHub,
		authorize: "https://github.com/login/oauth/authorize", scope: "user:email",
		token: "https://github.com/login/oauth/access_token",
		profile: []answer{{
			"https://api.github.com/user",
			`{"id":9007199254740993,"login":"ada","name":"Ada Byron","avatar_url":"https://img.example/ada","email":null}`,
		}, {
			"https://api.github.com/user/emails",
			`[{"email":"ada@example.com","primary":true,"verified":true,"visibility":"public"},` +
				`{"email":"old@example.com","primary":false,"verified":false,"visibility":null}]`,
		}},
		claims: postern.ProfileClaims{
			Issuer: "https://api.github.com", Subject: "9007199254740993", ProviderID: "9007199254740993",
			Name: "Ada Byron", FullName: "Ada Byron", PreferredUsername: "ada", UserName: "ada", AvatarURL: "https://img.example/ada",
		},
		emails:     append(verifiedEmail("ada@example.com"), postern.ProfileEmail{Email: "old@example.com"}),
		unverified: strings.NewReplacer(`"verified":true`, `"verified":false`),
		noEmail:    strings.NewReplacer("old@example.com", "", "ada@example.com", ""),
	}, {
		name: "gitlab", construct: provider.GitLab,
		authorize: "https://gitlab.com/oauth/authorize", scope: "read_user",
		token: "https://gitlab.com/oauth/token",
		profile: []answer{{
			"https://gitlab.com/api/v4/user",
			`{"id":9007199254740993,"username":"ada","name":"Ada Byron","email":"ada@example.com","avatar_url":"https://img.example/ada",` +
				`"confirmed_at":"2012-05-23T09:05:22.000Z","state":"active"}`,
		}, {
			"https://gitlab.com/api/v4/user/emails",
			`[{"id":1,"email":"old@example.com","confirmed_at":"2021-03-26T19:07:56.248Z"}]`,
		}},
		claims: postern.ProfileClaims{
			Issuer: "https://gitlab.com", Subject: "9007199254740993", ProviderID: "9007199254740993",
			Name: "Ada Byron", FullName: "Ada Byron", Picture: "https://img.example/ada", AvatarURL: "https://img.example/ada",
		},
		emails:     append([]postern.ProfileEmail{{Email: "old@example.com"}}, verifiedEmail("ada@example.com")...),
		unverified: strings.NewReplacer(`"2012-05-23T09:05:22.000Z"`, "null"),
		noEmail:    strings.NewReplacer(`"old@example.com"`, `""`, `"ada@example.com"`, "null"),
	}, {
		name: "kakao", construct: provider.Kakao,
		authorize: "https://kauth.kakao.com/oauth/authorize", scope: "account_email profile_image profile_nickname",
		token: "https://kauth.kakao.com/oauth/token", inBody: true,
		profile: []answer{{
			"https://kapi.kakao.com/v2/user/me",
			`{"id":9007199254740993,"connected_at":"2022-04-11T01:45:28Z","kakao_account":{"profile_nickname_needs_agreement":false,` +
				`"profile":{"nickname":"Ada","profile_image_url":"https://img.example/ada"},` +
				`"is_email_valid":true,"is_email_verified":true,"email":"ada@example.com"}}`,
		}},
		claims: postern.ProfileClaims{
			Issuer: "https://kapi.kakao.com", Subject: "9007199254740993", ProviderID: "9007199254740993",
			Name: "Ada", FullName: "Ada", PreferredUsername: "Ada", UserName: "Ada", AvatarURL: "https://img.example/ada",
		},
		emails:     verifiedEmail("ada@example.com"),
		unverified: strings.NewReplacer(`"is_email_valid":true`, `"is_email_valid":false`),
		noEmail:    strings.NewReplacer(`,"email":"ada@example.com"`, ""),
	}, {
		name: "linkedin", construct: provider.LinkedIn,
		authorize: "https://api.linkedin.com/oauth/v2/authorization", scope: "r_emailaddress r_liteprofile",
		token: "https://api.linkedin.com/oauth/v2/accessToken", inBody: true,
		profile: []answer{{
			"https://api.linkedin.com/v2/me?projection=(id,firstName,lastName,profilePicture(displayImage~:playableStreams))",
			`{"id":"l1","firstName":{"localized":{"de_DE":"Augusta","en_US":"Ada"},"preferredLocale":{"country":"US","language":"en"}},` +
				`"lastName":{"localized":{"en_US":"Byron"},"preferredLocale":{"country":"US","language":"en"}},` +
				`"profilePicture":{"displayImage~":{"elements":[{"identifiers":[{"identifier":"https://img.example/ada"}]},` +
				`{"identifiers":[{"identifier":"https://img.example/large"}]}]}}}`,
		}, {
			"https://api.linkedin.com/v2/emailAddress?q=members&projection=(elements*(handle~))",
			`{"elements":[{"handle":"urn:li:emailAddress:1","handle~":{"emailAddress":"ada@example.com"}}]}`,
		}},
		claims: postern.ProfileClaims{
			Issuer: "https://api.linkedin.com", Subject: "l1", ProviderID: "l1",
			Name: "Ada Byron", FullName: "Ada Byron", Picture: "https://img.example/ada", AvatarURL: "https://img.example/ada",
		},
		emails: verifiedEmail("ada@example.com"),
		noEmail: strings.NewReplacer(
			`[{"handle":"urn:li:emailAddress:1","handle~":{"emailAddress":"ada@example.com"}}]`, "[]"),
	}, {
		name: "notion", construct: provider.Notion,
		authorize: "https://api.notion.com/v1/oauth/authorize", fixedScopes: true,
		token: "https://api.notion.com/v1/oauth/token",
		profile: []answer{{
			"https://api.notion.com/v1/users/me",
			`{"object":"user","id":"bot-1","type":"bot","bot":{"owner":{"type":"user","user":{"object":"user","id":"n1","type":"person",` +
				`"name":"Ada","avatar_url":"https://img.example/ada","person":{"email":"ada@example.com"}}}}}`,
		}},
		header: "Notion-Version: 2021-08-16",
		claims: postern.ProfileClaims{
			Issuer: "https://api.notion.com", Subject: "n1", ProviderID: "n1",
			Name: "Ada", FullName: "Ada", Picture: "https://img.example/ada", AvatarURL: "https://img.example/ada",
		},
		emails:  verifiedEmail("ada@example.com"),
		noEmail: strings.NewReplacer(`{"email":"ada@example.com"}`, "{}"),
	}, {
		name: "slack", construct: provider.Slack,
		authorize: "https://slack.com/oauth/authorize", scope: "profile email openid",
		token: "https://slack.com/api/oauth.access",
		profile: []answer{{
			"https://slack.com/api/openid.connect.userInfo",
			`{"ok":true,"sub":"U1","https://slack.com/user_id":"U1","https://slack.com/team_id":"T1","email":"ada@example.com",` +
				`"name":"Ada","picture":"https://img.example/ada"}`,
		}},
		claims: postern.ProfileClaims{
			Issuer: "https://slack.com/api", Subject: "U1", ProviderID: "U1",
			Name: "Ada", FullName: "Ada", Picture: "https://img.example/ada", AvatarURL: "https://img.example/ada",
			CustomClaims: map[string]any{"https://slack.com/team_id": "T1"},
		},
		emails:     verifiedEmail("ada@example.com"),
		unverified: strings.NewReplacer(`"ada@example.com"`, `"ada@example.com","email_verified":false`),
		noEmail:    strings.NewReplacer(`"email":"ada@example.com",`, ""),
	}, {
		name: "slack_oidc", construct: provider.SlackOIDC,
		authorize: "https://slack.com/openid/connect/authorize", scope: "profile email openid",
		token: "https://slack.com/api/openid.connect.token",
		profile: []answer{{
			"https://slack.com/api/openid.connect.userInfo",
			`{"ok":true,"sub":"U1","https://slack.com/user_id":"U1","https://slack.com/team_id":"T1","email":"ada@example.com",` +
				`"email_verified":true,"name":"Ada","picture":"https://img.example/ada"}`,
		}},
		claims: postern.ProfileClaims{
			Issuer: "https://slack.com/api", Subject: "U1", ProviderID: "U1",
			Name: "Ada", FullName: "Ada", Picture: "https://img.example/ada", AvatarURL: "https://img.example/ada",
			CustomClaims: map[string]any{"https://slack.com/team_id": "T1"},
		},
		emails:     verifiedEmail("ada@example.com"),
		unverified: strings.NewReplacer(`"email_verified":true,`, ""),
		noEmail:    strings.NewReplacer(`"email":"ada@example.com",`, ""),
	}, {
		name: "snapchat", construct: provider.Snapchat,
		authorize: "https://accounts.snapchat.com/accounts/oauth2/auth",
		scope: "https://auth.snapchat.com/oauth2/api/user.external_id https://auth.snapchat.com/oauth2/api/user.display_name " +
			"https://auth.snapchat.com/oauth2/api/user.bitmoji.avatar",
		token: "https://accounts.snapchat.com/accounts/oauth2/token",
		profile: []answer{{
			"https://kit.snapchat.com/v1/me?query=%7Bme+%7B+externalId+displayName+bitmoji+%7B+avatar+id+%7D+email+%7D+%7D",
			`{"data":{"me":{"externalId":"s1","displayName":"Ada","bitmoji":{"avatar":"https://img.example/ada","id":"b1"},` +
				`"email":"ada@example.com"}},"errors":[]}`,
		}},
		claims: postern.ProfileClaims{
			Issuer: "https://accounts.snapchat.com/accounts/oauth2/token", Subject: "s1", ProviderID: "s1",
			Name: "Ada", FullName: "Ada", Slug: "Ada", Picture: "https://img.example/ada", AvatarURL: "https://img.example/ada",
		},
		emails:  verifiedEmail("ada@example.com"),
		noEmail: strings.NewReplacer(`"ada@example.com"`, "null"),
	}, {
		name: "spotify", construct: provider.Spotify,
		authorize: "https://accounts.spotify.com/authorize", scope: "user-read-email",
		token: "https://accounts.spotify.com/api/token",
		profile: []answer{{
			"https://api.spotify.com/v1/me",
			`{"id":"sp1","display_name":"Ada","email":"ada@example.com","images":[{"url":"https://img.example/64","height":64,"width":64},` +
				`{"url":"https://img.example/300","height":300,"width":300},{"url":"https://img.example/none","height":null,"width":null}]}`,
		}},
		claims: postern.ProfileClaims{
			Issuer: "https://api.spotify.com/v1", Subject: "sp1", ProviderID: "sp1",
			Name: "Ada", FullName: "Ada", Picture: "https://img.example/300", AvatarURL: "https://img.example/300",
		},
		emails:     []postern.ProfileEmail{{Email: "ada@example.com", Primary: true}},
		unverified: strings.NewReplacer(),
		noEmail:    strings.NewReplacer(`"email":"ada@example.com",`, ""),
	}, {
		name: "twitch", construct: provider.Twitch,
		authorize: "https://id.twitch.tv/oauth2/authorize", scope: "user:read:email",
		token:  "https://id.twitch.tv/oauth2/token",
		issued: `{"access_token":"access-token","refresh_token":"refresh-token","expires_in":14124,"scope":["user:read:email"],"token_type":"bearer"}`,
		inBody: true,
		profile: []answer{{
			"https://api.twitch.tv/helix/users",
			`{"data":[{"id":"141981764","login":"ada","display_name":"Ada","type":"staff","broadcaster_type":"partner","description":"Counts.",` +
				`"profile_image_url":"https://img.example/ada","offline_image_url":"https://img.example/off","view_count":5980557,` +
				`"email":"ada@example.com","created_at":"2016-12-14T20:32:28Z"}]}`,
		}},
		header: "Client-Id: app-1",
		claims: postern.ProfileClaims{
			Issuer: "https://api.twitch.tv", Subject: "141981764", ProviderID: "141981764",
			Name: "ada", FullName: "ada", Nickname: "Ada", Slug: "Ada",
			Picture: "https://img.example/ada", AvatarURL: "https://img.example/ada",
			CustomClaims: map[string]any{
				"broadcaster_type": "partner", "description": "Counts.", "type": "staff",
				"offline_image_url": "https://img.example/off", "view_count": int64(5980557),
			},
		},
		emails:  verifiedEmail("ada@example.com"),
		noEmail: strings.NewReplacer(`"email":"ada@example.com",`, ""),
	}, {
		name: "twitter", construct: provider.Twitter,
		authorize: "https://api.twitter.com/oauth/authenticate",
		token:     "https://api.twitter.com/oauth/access_token",
		issued:    "oauth_token=access-token&oauth_token_secret=access-secret&user_id=1&screen_name=ada",
		profile: []answer{{
			"https://api.twitter.com/1.1/account/verify_credentials.json?include_email=true&include_entities=false&skip_status=true",
			`{"id":9007199254740993,"id_str":"9007199254740993","name":"Ada Byron","screen_name":"ada",` +
				`"profile_image_url_https":"https://img.example/ada","email":"ada@example.com"}`,
		}},
		claims: postern.ProfileClaims{
			Issuer:  "https://api.twitter.com/1.1/account/verify_credentials.json",
			Subject: "9007199254740993", ProviderID: "9007199254740993",
			Name: "Ada Byron", FullName: "Ada Byron", PreferredUsername: "ada", UserName: "ada",
			Picture: "https://img.example/ada", AvatarURL: "https://img.example/ada",
		},
		emails:  verifiedEmail("ada@example.com"),
		noEmail: strings.NewReplacer(`,"email":"ada@example.com"`, ""),
	}, {
		name: "workos", construct: provider.WorkOS,
		authorize: "https://api.workos.com/sso/authorize", fixedScopes: true,
		token: "https://api.workos.com/sso/token",
		issued: `{"access_token":"access-token","profile":{"object":"profile","id":"prof_1","connection_id":"conn_1","organization_id":"org_1",` +
			`"email":"ada@example.com","first_name":"Ada","last_name":"Byron","raw_attributes":{}}}`,
		inBody: true,
		claims: postern.ProfileClaims{
			Issuer: "https://api.workos.com", Subject: "prof_1", ProviderID: "prof_1", Name: "Ada Byron", FullName: "Ada Byron",
			CustomClaims: map[string]any{"connection_id": "conn_1", "organization_id": "org_1"},
		},
		emails:  verifiedEmail("ada@example.com"),
		noEmail: strings.NewReplacer("ada@example.com", ""),
	}, {
		name: "x", construct: provider.X,
		authorize: "https://x.com/i/oauth2/authorize", scope: "users.email tweet.read users.read offline.access", pkce: true,
		token: "https://api.x.com/2/oauth2/token",
		profile: []answer{{
			"https://api.x.com/2/users/me?user.fields=id,name,username,confirmed_email,profile_image_url,url,created_at",
			`{"data":{"id":"9007199254740993","name":"Ada Byron","username":"ada","confirmed_email":"ada@example.com",` +
				`"profile_image_url":"https://img.example/ada","url":"https://ada.example","created_at":"2013-12-14T04:35:55.000Z"}}`,
		}},
		claims: postern.ProfileClaims{
			Issuer: "https://api.x.com", Subject: "9007199254740993", ProviderID: "9007199254740993",
			Name: "Ada Byron", FullName: "Ada Byron", PreferredUsername: "ada", UserName: "ada",
			Profile: "https://x.com/ada", Website: "https://ada.example",
			Picture: "https://img.example/ada", AvatarURL: "https://img.example/ada",
			CustomClaims: map[string]any{"created_at": "2013-12-14T04:35:55.000Z"},
		},
		emails:  verifiedEmail("ada@example.com"),
		noEmail: strings.NewReplacer(`"confirmed_email":"ada@example.com",`, ""),
	}, {
		name: "zoom", construct: provider.Zoom,
		authorize: "https://zoom.us/oauth/authorize", fixedScopes: true,
		token: "https://zoom.us/oauth/token",
		profile: []answer{{
			"https://api.zoom.us/v2/users/me",
			`{"id":"z1","first_name":"Ada","last_name":"Byron","email":"ada@example.com","login_type":100,"verified":1,` +
				`"pic_url":"https://img.example/ada"}`,
		}},
		claims: postern.ProfileClaims{
			Issuer: "https://api.zoom.us/v2", Subject: "z1", ProviderID: "z1",
			Name: "Ada Byron", FullName: "Ada Byron", Picture: "https://img.example/ada", AvatarURL: "https://img.example/ada",
		},
		emails:     verifiedEmail("ada@example.com"),
		unverified: strings.NewReplacer(`"verified":1`, `"verified":0`),
		noEmail:    strings.NewReplacer("ada@example.com", ""),
	}}
}
