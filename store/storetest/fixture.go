package storetest

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// moment returns a time that no other n has, with all six digits.
func moment(n int) time.Time {
	return time.Date(2024, 5, 17, 10, 20, 30, 123456000, time.UTC).Add(time.Duration(n) * time.Hour)
}

func momentPtr(n int) *time.Time { return new(moment(n)) }

func newID() uuid.UUID { return uuid.New() }

// fullUser returns a user with every field set, and no value twice. Users made
// with different seeds have nothing in common.
func fullUser(seed string) *postern.UserRecord {
	id := newID()
	email, phone := seed+"@example.com", digits(seed)
	return &postern.UserRecord{
		User: postern.User{
			ID:                     id,
			Aud:                    "authenticated",
			Role:                   "role-" + seed,
			Email:                  email,
			EmailConfirmedAt:       momentPtr(1),
			InvitedAt:              momentPtr(2),
			Phone:                  phone,
			PhoneConfirmedAt:       momentPtr(3),
			ConfirmationSentAt:     momentPtr(4),
			ConfirmedAt:            momentPtr(1),
			RecoverySentAt:         momentPtr(5),
			NewEmail:               "new-" + email,
			EmailChangeSentAt:      momentPtr(6),
			NewPhone:               "9" + phone,
			PhoneChangeSentAt:      momentPtr(7),
			ReauthenticationSentAt: momentPtr(8),
			LastSignInAt:           momentPtr(9),
			AppMetadata:            postern.Metadata(`{"provider": "email", "seed": "app ` + seed + `"}`),
			UserMetadata:           postern.Metadata(`{"full_name": "Full Name of ` + seed + `"}`),
			CreatedAt:              moment(10),
			UpdatedAt:              moment(11),
			BannedUntil:            momentPtr(12),
			DeletedAt:              momentPtr(13),
			IsAnonymous:            true,
			IsSSOUser:              true,
			Identities: []postern.Identity{
				fullIdentity(id, "email", email, 20),
				fullIdentity(id, "google", "google-"+email, 30),
			},
		},
		PasswordHash:             postern.Secret("hash-" + seed),
		EmailChangeConfirmStatus: 1,
	}
}

func fullIdentity(user uuid.UUID, provider, email string, n int) postern.Identity {
	return postern.Identity{
		IdentityID:   newID(),
		ID:           "subject-" + email,
		UserID:       user,
		IdentityData: postern.Metadata(`{"sub": "subject", "email": "` + strings.ToUpper(email) + `"}`),
		Provider:     provider,
		LastSignInAt: momentPtr(n),
		CreatedAt:    moment(n + 1),
		UpdatedAt:    moment(n + 2),
		Email:        email, // the Store derives it from IdentityData
	}
}

// user returns an ordinary user, who can be found by the address.
func user(email string) *postern.UserRecord {
	return &postern.UserRecord{User: postern.User{
		ID:        newID(),
		Aud:       "authenticated",
		Email:     email,
		CreatedAt: moment(0),
		UpdatedAt: moment(0),
	}}
}

func fullSession(userID uuid.UUID) *postern.SessionRecord {
	return &postern.SessionRecord{
		ID:                  newID(),
		UserID:              userID,
		CreatedAt:           moment(1),
		UpdatedAt:           moment(2),
		FactorID:            new(newID()),
		AAL:                 "aal2",
		AMR:                 []postern.AMREntry{{Method: "totp", At: moment(4)}, {Method: "password", At: moment(3)}},
		NotAfter:            momentPtr(5),
		RefreshedAt:         momentPtr(6),
		UserAgent:           "Agent/1.0",
		IP:                  netip.MustParseAddr("2001:db8::7"),
		Tag:                 "tag",
		Scopes:              "openid email",
		RefreshTokenKey:     "key",
		RefreshTokenCounter: new(int64(7)),
	}
}

// fullFactor returns a factor that has no name, number or time of a challenge in
// common with those of other n.
func fullFactor(userID uuid.UUID, n int) *postern.FactorRecord {
	return &postern.FactorRecord{
		Factor: postern.Factor{
			ID:                        newID(),
			CreatedAt:                 moment(1),
			UpdatedAt:                 moment(2),
			Status:                    "verified",
			FriendlyName:              fmt.Sprint("factor ", n),
			FactorType:                "webauthn",
			Phone:                     fmt.Sprint("1555", n),
			LastChallengedAt:          momentPtr(1000 + n),
			WebAuthnAAGUID:            new(newID()),
			LastWebAuthnChallengeData: postern.Metadata(`{"n": 12345678901234567890}`),
		},
		UserID:             userID,
		Secret:             "secret",
		WebAuthnCredential: postern.Metadata(`{"id": "credential", "counter": 12345678901234567890}`),
	}
}

func fullChallenge(factorID uuid.UUID) postern.ChallengeRecord {
	return postern.ChallengeRecord{
		ID:                  newID(),
		FactorID:            factorID,
		CreatedAt:           moment(40),
		VerifiedAt:          momentPtr(41),
		IP:                  netip.MustParseAddr("2001:db8::7"),
		Code:                "code",
		WebAuthnSessionData: postern.Metadata(`{"challenge": "random"}`),
	}
}

// fullPasskey returns a passkey that has no credential, time of creation or name in
// common with those of other n.
func fullPasskey(userID uuid.UUID, n int) *postern.PasskeyRecord {
	return &postern.PasskeyRecord{
		ID:              newID(),
		UserID:          userID,
		FriendlyName:    fmt.Sprint("passkey ", n),
		CreatedAt:       moment(n),
		UpdatedAt:       moment(100 + n),
		LastUsedAt:      momentPtr(200 + n),
		CredentialID:    []byte(fmt.Sprint("credential ", n)),
		PublicKey:       []byte(fmt.Sprint("key ", n)),
		AttestationType: fmt.Sprint("attestation ", n),
		AAGUID:          new(newID()),
		SignCount:       uint32(300 + n),
		Transports:      []string{"internal", fmt.Sprint(`new, "quoted" {and} <odd> `, n)},
		BackupEligible:  true,
		BackedUp:        true,
	}
}

func fullCeremony(userID uuid.UUID) postern.CeremonyRecord {
	return postern.CeremonyRecord{
		ID:          newID(),
		UserID:      &userID,
		Kind:        postern.CeremonyRegistration,
		SessionData: postern.Metadata(`{"challenge": "random", "n": 12345678901234567890}`),
		CreatedAt:   moment(1),
		ExpiresAt:   moment(2),
	}
}

func key(kid string) postern.KeyRecord {
	return postern.KeyRecord{
		KID:       kid,
		Purpose:   postern.KeyForSigning,
		Secret:    postern.Secret(`{"kty":"oct","kid":"` + kid + `"}`),
		CreatedAt: moment(1),
		RetiredAt: momentPtr(2),
	}
}

// allKinds are the places that a user has for one-time tokens.
var allKinds = [...]postern.OneTimeKind{
	postern.OneTimeConfirmation, postern.OneTimeRecovery, postern.OneTimeEmailChangeNew,
	postern.OneTimeEmailChangeCurrent, postern.OneTimePhoneChange, postern.OneTimeReauthentication,
}

// token returns a one-time token that has nothing in common with those of other
// seeds, kinds and users.
func token(userID uuid.UUID, kind postern.OneTimeKind, seed string) postern.OneTimeToken {
	name := fmt.Sprint(seed, " ", kind, " ", userID)
	return postern.OneTimeToken{
		UserID:    userID,
		Kind:      kind,
		CodeHash:  "code " + name,
		LinkHash:  "link " + name,
		RelatesTo: "address " + name,
		CreatedAt: moment(1),
	}
}

func fullFlow(userID uuid.UUID) postern.FlowRecord {
	id := newID()
	return postern.FlowRecord{
		ID:                   id,
		UserID:               userID,
		AuthCode:             "code of " + id.String(),
		CodeChallenge:        "challenge",
		CodeChallengeMethod:  "plain",
		ProviderType:         "email",
		AuthenticationMethod: "magiclink",
		ProviderAccessToken:  "access",
		ProviderRefreshToken: "refresh",
		CreatedAt:            moment(1),
		UpdatedAt:            moment(2),
		AuthCodeIssuedAt:     momentPtr(3),
		InviteToken:          "invite",
		Referrer:             "https://app.example.com/welcome",
		LinkingTargetID:      newID(),
		EmailOptional:        true,
		ClientState:          &postern.ClientState{ID: newID(), ProviderType: "github", CodeVerifier: "verifier", CreatedAt: moment(4)},
		Browser:              "browser",
		ReturnedAt:           momentPtr(5),
	}
}

func customProvider(identifier string) *postern.CustomProviderRecord {
	return &postern.CustomProviderRecord{
		CustomProvider: postern.CustomProvider{
			ID:                  newID(),
			ProviderType:        "oidc",
			Identifier:          identifier,
			Name:                "Name of " + identifier,
			ClientID:            "client",
			AcceptableClientIDs: []string{"one", `two, "quoted" {and} \ odd`},
			Scopes:              []string{"openid", "email"},
			PKCEEnabled:         true,
			AttributeMapping:    map[string]any{"nickname": "login", "verified": true},
			CustomClaims:        []string{"department"},
			AuthorizationParams: map[string]string{"prompt": "consent"},
			Enabled:             true,
			EmailOptional:       true,
			Issuer:              "https://login.example.com",
			DiscoveryURL:        "https://login.example.com/discovery",
			SkipNonceCheck:      true,
			Discovery: &postern.Discovery{
				Issuer:                 "https://login.example.com",
				AuthorizationEndpoint:  "https://login.example.com/authorize",
				TokenEndpoint:          "https://login.example.com/token",
				UserInfoEndpoint:       "https://login.example.com/userinfo",
				JWKSURI:                "https://login.example.com/jwks",
				ScopesSupported:        []string{"openid"},
				ResponseTypesSupported: []string{"code"},
				GrantTypesSupported:    []string{"authorization_code"},
				SubjectTypesSupported:  []string{"public"},
			},
			AuthorizationURL: "https://login.example.com/a",
			TokenURL:         "https://login.example.com/t",
			UserInfoURL:      "https://login.example.com/u",
			JWKSURI:          "https://login.example.com/j",
			CreatedAt:        moment(1),
			UpdatedAt:        moment(2),
		},
		ClientSecret:      "secret",
		DiscoveryCachedAt: momentPtr(3),
	}
}

// digits turns a seed into a number of its own.
func digits(seed string) string {
	var b strings.Builder
	for _, r := range seed {
		fmt.Fprint(&b, int(r))
	}
	return b.String()
}

// fixturesAreFull makes sure that no field can be dropped unnoticed. Those that it
// leaves out, AddUser and AddSession cannot write.
func fixturesAreFull(t *testing.T, _ postern.Store) {
	left := []string{".User.Factors", ".CodeHashes", ".OAuthClientID"}
	for _, fixture := range []any{
		fullUser("a"), fullSession(newID()), key("a"), token(newID(), postern.OneTimeRecovery, "a"), fullFlow(newID()),
		customProvider("custom:a"), fullFactor(newID(), 1), fullChallenge(newID()), fullPasskey(newID(), 1), fullCeremony(newID()),
		event(1, "a"),
	} {
		for _, name := range zeroFields("", reflect.ValueOf(fixture)) {
			if !slices.Contains(left, name) {
				t.Errorf("%T: %s is zero", fixture, name)
			}
		}
	}
}

func zeroFields(path string, v reflect.Value) (names []string) {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return zeroFields(path, v.Elem())
	case v.Kind() == reflect.Slice && v.Len() > 0 && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			names = append(names, zeroFields(fmt.Sprintf("%s[%d]", path, i), v.Index(i))...)
		}
	case v.Kind() == reflect.Struct && v.Type().Field(0).IsExported():
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				continue // what no store keeps
			}
			names = append(names, zeroFields(path+"."+v.Type().Field(i).Name, v.Field(i))...)
		}
	case v.IsZero():
		names = []string{path}
	}
	return names
}
