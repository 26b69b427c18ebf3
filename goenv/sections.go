package goenv

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/address"
	"github.com/postern-auth/postern/internal/envelope"
	"github.com/postern-auth/postern/internal/jwk"
	"github.com/postern-auth/postern/internal/redirect"
	"github.com/postern-auth/postern/message/mail"
	"github.com/postern-auth/postern/message/sms"
	"github.com/postern-auth/postern/webauthn"
)

// server is contract config.md §1.1.
func server(r *reader, s *Settings) {
	host := r.text("GOTRUE_API_HOST", "")
	port := r.number("GOTRUE_API_PORT PORT", 8081, 0, math.MaxUint16)
	s.Address = net.JoinHostPort(host, strconv.Itoa(port))
	s.ExternalURL = r.webURL("API_EXTERNAL_URL")
	s.HTTP.RequestIDHeader = r.text("GOTRUE_API_REQUEST_ID_HEADER REQUEST_ID_HEADER", "")
	s.HTTP.MaxRequestDuration = r.duration("GOTRUE_API_MAX_REQUEST_DURATION", 10*time.Second, time.Millisecond)
	s.HTTP.AllowedHeaders = r.list("GOTRUE_CORS_ALLOWED_HEADERS")
	r.timeout = r.duration("GOTRUE_INTERNAL_HTTP_TIMEOUT", 10*time.Second, time.Millisecond)
	s.Config.DisableSignUp = r.flag("GOTRUE_DISABLE_SIGNUP", false)
	s.Config.ExternalURL = s.ExternalURL
	s.Config.SiteURL = r.text("GOTRUE_SITE_URL", "")
	s.Config.RedirectURLs = r.list("GOTRUE_URI_ALLOW_LIST")
	if _, err := redirect.NewList(s.Config.SiteURL, s.Config.RedirectURLs); err != nil {
		r.wrong("GOTRUE_SITE_URL, GOTRUE_URI_ALLOW_LIST", err)
	}
	// There is no file of settings to watch: the environment is read once, and a
	// restart signs nobody out and cuts off no request.
	r.withoutEffect("GOTRUE_RELOADING_{NOTIFY_ENABLED,POLLERENABLED,POLLER_INTERVAL,SIGNAL_ENABLED,SIGNAL_NUMBER,GRACE_PERIOD_INTERVAL}")
	r.withoutEffect("GOTRUE_API_ENDPOINT GOTRUE_OPERATOR_TOKEN") // GoTrue's routes do not use them either
}

// database is contract config.md §1.2.
func database(r *reader, s *Settings) {
	name, address := r.secret("GOTRUE_DB_DATABASE_URL DATABASE_URL")
	kind := databaseKind(string(address))
	if address != "" && kind == "" {
		r.mistake("%s must be sqlite:PATH, postgres://… or postgresql://…; what it is now may be secret and is not shown", name)
	}
	s.DatabaseURL = address
	if driver := r.choice("GOTRUE_DB_DRIVER", kind, kindPostgres, kindSQLite); kind != "" && driver != kind {
		r.mistake("GOTRUE_DB_DRIVER is %q, but %s names a database of the kind %q", driver, name, kind)
	}
	r.choice("DB_NAMESPACE", "auth", "auth")
	pool(r, &s.Pool)
	// The operators' search reads the users of one page at a time and needs no index
	// that would cost every sign-up.
	r.withoutEffect("GOTRUE_INDEX_WORKER_{ENSURE_USER_SEARCH_INDEXES_EXIST,MAX_USERS_THRESHOLD}")
	r.withoutEffect("GOTRUE_DB_MIGRATIONS_PATH") // migrations are in the program
}

// auditLog says where the audit log goes. What is not in the database is logged, as
// GoTrue does.
func auditLog(r *reader, s *Settings) {
	c := &s.Config.Audit
	c.NoTable = r.flag("GOTRUE_AUDIT_LOG_DISABLE_POSTGRES", false)
	c.Log = r.flag("POSTERN_AUDIT_LOG_LOGGED", c.NoTable)
	c.Retention = r.duration("POSTERN_AUDIT_LOG_RETENTION", 0, 0)
}

const kindPostgres, kindSQLite = "postgres", "sqlite"

// databaseKind returns "" for an address that names no database.
func databaseKind(address string) string {
	path, isSQLite := strings.CutPrefix(address, "sqlite:")
	switch {
	case isSQLite && path != "" && !strings.HasPrefix(path, "//"): // whether // starts a host or a path, people disagree
		return kindSQLite
	case strings.HasPrefix(address, "postgres://"), strings.HasPrefix(address, "postgresql://"):
		return kindPostgres
	}
	return ""
}

// tokens is contract config.md §1.3.
func tokens(r *reader, s *Settings) {
	c := &s.Config
	c.Audience = r.text("GOTRUE_JWT_AUD", "authenticated")
	c.AdminRoles = r.list("GOTRUE_JWT_ADMIN_ROLES", "service_role", "supabase_admin")
	c.DefaultRole = r.text("GOTRUE_JWT_DEFAULT_GROUP_NAME", "authenticated")
	if slices.Contains(c.AdminRoles, c.DefaultRole) {
		r.mistake("GOTRUE_JWT_DEFAULT_GROUP_NAME is %q, which must not be one of GOTRUE_JWT_ADMIN_ROLES: every new user would be an operator", c.DefaultRole)
	}
	c.JWT.Issuer = r.text("GOTRUE_JWT_ISSUER", "")
	c.JWT.TTL = cmp.Or(r.seconds("GOTRUE_JWT_EXP", 3600), time.Hour)
	c.JWT.ValidMethods = r.choices("GOTRUE_JWT_VALID_METHODS", "HS256", "RS256", "RS512", "ES256", "ES512", "EdDSA")
	signingKeys(r, &c.JWT)
	r.withoutEffect("GOTRUE_JWT_ADMIN_GROUP_NAME") // GoTrue does not use it either
}

// signingKeys checks secret and keys as postern.New does, but names the variables.
func signingKeys(r *reader, c *postern.JWTConfig) {
	set := jwk.SetConfig{Algorithms: c.ValidMethods}
	var secretErr, keysErr error
	c.KeyID = r.text("GOTRUE_JWT_KEY_ID", "")
	name, secret := r.secret("GOTRUE_JWT_SECRET")
	if c.Secret = secret; secret != "" {
		set.Secret, secretErr = jwk.Secret(c.KeyID, []byte(secret))
		r.wrong(name, secretErr)
	}
	name, keys := r.secret("GOTRUE_JWT_KEYS")
	if c.Keys = keys; keys != "" {
		set.Keys, keysErr = jwk.Parse([]byte(keys))
		r.wrong(name, keysErr)
	}
	if secret+keys != "" && secretErr == nil && keysErr == nil {
		_, err := jwk.NewSet(set)
		r.wrong("GOTRUE_JWT_VALID_METHODS", err)
	}
}

// signInMethods is the first half of contract config.md §1.4.
func signInMethods(r *reader, s *Settings) {
	s.Config.Email.Disabled = !r.flag("GOTRUE_EXTERNAL_EMAIL_ENABLED", true)
	s.Config.Email.NoMagicLinks = !r.flag("GOTRUE_EXTERNAL_EMAIL_MAGIC_LINK_ENABLED", true)
	s.Config.Email.AuthorizedAddresses = r.list("GOTRUE_EXTERNAL_EMAIL_AUTHORIZED_ADDRESSES")
	s.Config.FlowExpiry = r.duration("GOTRUE_EXTERNAL_FLOW_STATE_EXPIRY_DURATION", 300*time.Second, 0)
	s.Config.Phone.Enabled = r.flag("GOTRUE_EXTERNAL_PHONE_ENABLED", false)
	s.Config.AnonymousUsers = r.flag("GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED", false)
	if r.flag("GOTRUE_DB_CLEANUP_ENABLED", false) && s.Config.AnonymousUsers {
		s.Config.AnonymousMaxAge = 30 * 24 * time.Hour // what else has expired is cleaned up in any case
	}
	s.HTTP.CursorPagination = r.flag("GOTRUE_EXPERIMENTAL_CURSOR_PAGINATION_ENABLED", false)
	r.later(`
		GOTRUE_OAUTH_SERVER_{ENABLED,ALLOW_DYNAMIC_REGISTRATION,AUTHORIZATION_PATH,AUTHORIZATION_TTL,DEFAULT_SCOPE}
		GOTRUE_EXPERIMENTAL_SCIM_ENABLED`)
}

// passwords is the first half of contract config.md §1.6.
func passwords(r *reader, s *Settings) {
	c := &s.Config.Password
	c.MinLength = r.number("GOTRUE_PASSWORD_MIN_LENGTH", 6, 0, math.MaxInt32)
	c.RequiredCharacters = characterSets(r.text("GOTRUE_PASSWORD_REQUIRED_CHARACTERS", ""))
	c.RequireReauthentication = r.flag("GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION", false)
	c.RequireCurrent = r.flag("GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD", false)
	c.EmailIdentity = r.flag("GOTRUE_EXPERIMENTAL_CREATE_EMAIL_IDENTITY_ON_PASSWORD_SET_ENABLED", false)
	leakedPasswords(r, c)
	captchas(r, s)
}

// characterSets splits at colons; one after a backslash is a character.
func characterSets(text string) []string {
	var sets []string
	var set strings.Builder
	for i := 0; i <= len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], `\:`):
			set.WriteByte(':')
			i++
		case i < len(text) && text[i] != ':':
			set.WriteByte(text[i])
		case set.Len() > 0:
			sets = append(sets, set.String())
			set.Reset()
		}
	}
	return sets
}

// sessions is the second half of contract config.md §1.6.
func sessions(r *reader, s *Settings) {
	c := &s.Config.Session
	c.Timebox = r.duration("GOTRUE_SESSIONS_TIMEBOX", 0, 0)
	c.InactivityTimeout = r.duration("GOTRUE_SESSIONS_INACTIVITY_TIMEOUT", 0, 0)
	c.AllowLowAAL = r.duration("GOTRUE_SESSIONS_ALLOW_LOW_AAL", 0, 0)
	c.SinglePerUser = r.flag("GOTRUE_SESSIONS_SINGLE_PER_USER", false)
	c.Tags = r.list("GOTRUE_SESSIONS_TAGS")
	c.ReuseInterval = offAtZero(r.seconds("GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL", 10))
	c.AllowReuse = r.flag("GOTRUE_SECURITY_REFRESH_TOKEN_ALLOW_REUSE", false)
	c.KeepOnReuse = !r.flag("GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED", true)
	r.withoutEffect("GOTRUE_SECURITY_REFRESH_TOKEN_{ALGORITHM_VERSION,UPGRADE_PERCENTAGE}")
}

// encryption is what contract config.md §1.6 says of columns encrypted at rest.
func encryption(r *reader, s *Settings) {
	c := &s.Config.Encryption
	c.Encrypt = r.flag("GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPT", false)
	c.KeyID = r.text("GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY_ID", "")
	name, current := r.secret("GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY")
	oldName, keys := r.secrets("GOTRUE_SECURITY_DB_ENCRYPTION_DECRYPTION_KEYS", envelopeKey)
	c.Keys = keys
	if current != "" {
		r.wrong(name, envelopeKey(current))
		if old, ok := keys[c.KeyID]; ok && old != current {
			r.mistake("%s has another key than %s under the id that GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY_ID names", oldName, name)
		}
		keys[c.KeyID] = current
	}
	if _, ok := keys[c.KeyID]; c.Encrypt && (c.KeyID == "" || !ok) {
		r.mistake("GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPT needs a key to encrypt with: %s, and its id in GOTRUE_SECURITY_DB_ENCRYPTION_ENCRYPTION_KEY_ID", name)
	}
}

func envelopeKey(key postern.Secret) error {
	bytes, err := base64.RawURLEncoding.DecodeString(string(key))
	if err != nil || len(bytes) != envelope.KeySize {
		return fmt.Errorf("a key must be %d bytes in base64url without padding", envelope.KeySize)
	}
	return nil
}

// secondFactors is contract config.md §1.7.
func secondFactors(r *reader, s *Settings) {
	c := &s.Config.MFA
	c.ChallengeExpiry = r.seconds("GOTRUE_MFA_CHALLENGE_EXPIRY_DURATION", 300)
	c.FactorExpiry = r.duration("GOTRUE_MFA_FACTOR_EXPIRY_DURATION", 5*time.Minute, 0)
	c.MaxEnrolled = r.number("GOTRUE_MFA_MAX_ENROLLED_FACTORS", 10, 0, math.MaxInt32)
	c.MaxVerified = r.number("GOTRUE_MFA_MAX_VERIFIED_FACTORS", 10, 0, math.MaxInt32)
	c.TOTP.NoEnroll = !r.flag("GOTRUE_MFA_TOTP_ENROLL_ENABLED", true)
	c.TOTP.NoVerify = !r.flag("GOTRUE_MFA_TOTP_VERIFY_ENABLED", true)
	c.RecoveryCodes.NoEnroll = !r.flag("POSTERN_RECOVERY_CODES_ENROLL_ENABLED", true)
	c.RecoveryCodes.NoVerify = !r.flag("POSTERN_RECOVERY_CODES_VERIFY_ENABLED", true)
	c.Phone.Enroll = r.flag("GOTRUE_MFA_PHONE_ENROLL_ENABLED", false)
	c.Phone.Verify = r.flag("GOTRUE_MFA_PHONE_VERIFY_ENABLED", false)
	c.Phone.CodeLength = r.number("GOTRUE_MFA_PHONE_OTP_LENGTH", 6, 0, math.MaxInt32)
	c.Phone.MaxFrequency = offAtZero(r.duration("GOTRUE_MFA_PHONE_MAX_FREQUENCY", time.Minute, 0))
	c.Phone.Text = messageText(r, "GOTRUE_MFA_PHONE_TEMPLATE")
	c.WebAuthn.Enroll = r.flag("GOTRUE_MFA_WEB_AUTHN_ENROLL_ENABLED", false)
	c.WebAuthn.Verify = r.flag("GOTRUE_MFA_WEB_AUTHN_VERIFY_ENABLED", false)
	s.Config.Passkeys.Enabled = r.flag("GOTRUE_PASSKEY_ENABLED", false)
	s.Config.Passkeys.Max = r.number("GOTRUE_PASSKEY_MAX_PASSKEYS_PER_USER", 10, 0, math.MaxInt32)
	ceremonies(r, s)
	r.later(`
		GOTRUE_SAML_{ENABLED,PRIVATE_KEY,PRIVATE_KEY_NEXT,ALLOW_ENCRYPTED_ASSERTIONS,RELAY_STATE_VALIDITY_PERIOD}
		GOTRUE_SAML_{EXTERNAL_URL,RATE_LIMIT_ASSERTION}`)
}

// ceremonies makes what passkeys and WebAuthn factors need.
func ceremonies(r *reader, s *Settings) {
	c := webauthn.Config{
		RPID:             r.text("GOTRUE_WEBAUTHN_RP_ID RP_ID", ""),
		DisplayName:      r.text("GOTRUE_WEBAUTHN_RP_DISPLAY_NAME", ""),
		Origins:          r.list("GOTRUE_WEBAUTHN_RP_ORIGINS"),
		UserVerification: r.choice("POSTERN_WEBAUTHN_USER_VERIFICATION", "preferred", "required", "discouraged", "preferred"),
	}
	s.Config.Passkeys.ChallengeExpiry = r.duration("GOTRUE_WEBAUTHN_CHALLENGE_EXPIRY_DURATION", 5*time.Minute, time.Second)
	s.Config.RefuseClonedCredentials = r.flag("POSTERN_REFUSE_CLONED_CREDENTIALS", false)
	if !s.Config.Passkeys.Enabled && !s.Config.MFA.WebAuthn.Enroll && !s.Config.MFA.WebAuthn.Verify {
		return // as in GoTrue, what is not needed may be wrong
	}
	w, err := webauthn.New(c)
	if r.wrong("GOTRUE_WEBAUTHN_RP_ID, GOTRUE_WEBAUTHN_RP_ORIGINS", err); err == nil {
		s.Config.WebAuthn = w
	}
}

// mails is contract config.md §2.1.
func mails(r *reader, s *Settings) {
	c := &s.Config.Email
	c.Autoconfirm = r.flag("GOTRUE_MAILER_AUTOCONFIRM", false)
	c.AllowUnverifiedSignIns = r.flag("GOTRUE_MAILER_ALLOW_UNVERIFIED_EMAIL_SIGN_INS", false)
	if c.Autoconfirm && c.AllowUnverifiedSignIns {
		r.mistake("GOTRUE_MAILER_AUTOCONFIRM and GOTRUE_MAILER_ALLOW_UNVERIFIED_EMAIL_SIGN_INS are both true; no more than one can be")
	}
	c.MaxFrequency = offAtZero(r.duration("GOTRUE_SMTP_MAX_FREQUENCY", time.Minute, 0))
	c.SingleChangeConfirmation = !r.flag("GOTRUE_MAILER_SECURE_EMAIL_CHANGE_ENABLED", true)
	c.CodeExpiry = r.seconds("GOTRUE_MAILER_OTP_EXP", 86400)
	c.CodeLength = r.number("GOTRUE_MAILER_OTP_LENGTH", 6, 0, math.MaxInt32)
	c.LinkPaths = postern.LinkPaths{
		Invite:       r.text("GOTRUE_MAILER_URLPATHS_INVITE", "/verify"),
		Confirmation: r.text("GOTRUE_MAILER_URLPATHS_CONFIRMATION", "/verify"),
		Recovery:     r.text("GOTRUE_MAILER_URLPATHS_RECOVERY", "/verify"),
		EmailChange:  r.text("GOTRUE_MAILER_URLPATHS_EMAIL_CHANGE", "/verify"),
	}
	c.Notify = notifications(r)
	c.ScannerSafeLinks = r.flag("POSTERN_SCANNER_SAFE_LINKS", false)
	r.withoutEffect("GOTRUE_MAILER_URLPATHS_{MAGIC_LINK,REAUTHENTICATION}") // GoTrue does not use them either
	// A template that is older than its MAX_AGE is fetched by whoever needs it, while
	// others go on with the old one; nobody has to do it beforehand.
	r.withoutEffect("GOTRUE_MAILER_TEMPLATE_{RELOADING_ENABLED,RELOADING_MAX_IDLE}")
	s.HTTP.ExternalHosts = r.list("GOTRUE_MAILER_EXTERNAL_HOSTS")
	recipients(r, s)
	s.Renderer = renderer(r, s)
	s.Mailer = mailer(r, s)
	if s.Mailer != nil {
		s.Config.Mailer = s.Mailer
	}
}

func notifications(r *reader) postern.NotifyConfig {
	on := func(what string) bool { return r.flag("GOTRUE_MAILER_NOTIFICATIONS_"+what+"_ENABLED", false) }
	return postern.NotifyConfig{
		PasswordChanged: on("PASSWORD_CHANGED"), EmailChanged: on("EMAIL_CHANGED"), PhoneChanged: on("PHONE_CHANGED"),
		IdentityLinked: on("IDENTITY_LINKED"), IdentityUnlinked: on("IDENTITY_UNLINKED"),
		FactorEnrolled: on("MFA_FACTOR_ENROLLED"), FactorUnenrolled: on("MFA_FACTOR_UNENROLLED"),
	}
}

// mailTypes are GoTrue's names of mails in variables.
var mailTypes = map[string]postern.MailType{
	"INVITE": postern.MailInvite, "CONFIRMATION": postern.MailSignUp, "RECOVERY": postern.MailRecovery,
	"EMAIL_CHANGE": postern.MailEmailChange, "MAGIC_LINK": postern.MailMagicLink, "REAUTHENTICATION": postern.MailReauthentication,
	"PASSWORD_CHANGED_NOTIFICATION": postern.MailPasswordChanged, "EMAIL_CHANGED_NOTIFICATION": postern.MailEmailChanged,
	"PHONE_CHANGED_NOTIFICATION": postern.MailPhoneChanged, "IDENTITY_LINKED_NOTIFICATION": postern.MailIdentityLinked,
	"IDENTITY_UNLINKED_NOTIFICATION": postern.MailIdentityUnlinked, "MFA_FACTOR_ENROLLED_NOTIFICATION": postern.MailFactorEnrolled,
	"MFA_FACTOR_UNENROLLED_NOTIFICATION": postern.MailFactorUnenrolled,
}

// renderer writes the mails that the templates of contract config.md §2.2 say.
func renderer(r *reader, s *Settings) *mail.Renderer {
	cfg := mail.RendererConfig{
		SiteURL: s.Config.SiteURL, Subjects: map[postern.MailType]string{}, URLs: map[postern.MailType]string{},
		MaxSize:       int64(r.number("GOTRUE_MAILER_TEMPLATE_MAX_SIZE", 1_000_000, 1, math.MaxInt32)),
		MaxAge:        r.duration("GOTRUE_MAILER_TEMPLATE_MAX_AGE", 10*time.Minute, time.Second),
		RetryInterval: r.duration("GOTRUE_MAILER_TEMPLATE_RETRY_INTERVAL", 10*time.Second, time.Second),
	}
	for _, name := range slices.Sorted(maps.Keys(mailTypes)) {
		t := mailTypes[name]
		if subject := r.text("GOTRUE_MAILER_SUBJECTS_"+name, ""); subject != "" {
			cfg.Subjects[t] = subject
		}
		if url := r.text("GOTRUE_MAILER_TEMPLATES_"+name, ""); url != "" {
			cfg.URLs[t] = url
		}
		if strings.HasSuffix(name, "_NOTIFICATION") {
			r.withoutEffect("GOTRUE_MAILER_URLPATHS_" + name) // there is no link in them
		}
	}
	renderer, err := mail.NewRenderer(cfg)
	r.wrong("GOTRUE_MAILER_SUBJECTS, GOTRUE_MAILER_TEMPLATES", bare(err))
	return renderer
}

// mailer sends by SMTP, and is nil where no server is named.
func mailer(r *reader, s *Settings) *mail.Mailer {
	cfg := mail.Config{Host: r.text("GOTRUE_SMTP_HOST", ""), Renderer: s.Renderer}
	cfg.Port = r.number("GOTRUE_SMTP_PORT", 587, 1, math.MaxUint16)
	cfg.Username = r.text("GOTRUE_SMTP_USER", "")
	_, cfg.Password = r.secret("GOTRUE_SMTP_PASS")
	cfg.From = r.text("GOTRUE_SMTP_ADMIN_EMAIL", "")
	cfg.SenderName = r.text("GOTRUE_SMTP_SENDER_NAME", "")
	cfg.Headers = headers(r, "GOTRUE_SMTP_HEADERS")
	cfg.Background = r.flag("GOTRUE_MAILER_EMAIL_BACKGROUND_SENDING", false)
	cfg.LogSent = r.flag("GOTRUE_SMTP_LOGGING_ENABLED", false)
	switch {
	case cfg.Host == "" || s.Renderer == nil:
		return nil
	case cfg.From == "":
		r.mistake("GOTRUE_SMTP_ADMIN_EMAIL is missing; with GOTRUE_SMTP_HOST set, mails need an address to come from")
		return nil
	}
	mailer, err := mail.New(cfg)
	r.wrong("GOTRUE_SMTP", bare(err))
	return mailer
}

// headers may hold the key of a service, so that no message shows them.
func headers(r *reader, names string) (byName map[string][]string) {
	name, text := r.secret(names)
	if text != "" && json.Unmarshal([]byte(text), &byName) != nil {
		r.mistake("%s must be a JSON object of lists; what it is now may be secret and is not shown", name)
	}
	return byName
}

// bare is err without the name of the package that it comes from, which says
// nothing to somebody who sets variables.
func bare(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// messages is contract config.md §4.
func messages(r *reader, s *Settings) {
	c := &s.Config.Phone
	c.Autoconfirm = r.flag("GOTRUE_SMS_AUTOCONFIRM", false)
	c.MaxFrequency = offAtZero(r.duration("GOTRUE_SMS_MAX_FREQUENCY", time.Minute, 0))
	c.Provider = r.text("GOTRUE_SMS_PROVIDER", "")
	c.CodeExpiry = cmp.Or(r.seconds("GOTRUE_SMS_OTP_EXP", 60), time.Minute)
	c.CodeLength = r.number("GOTRUE_SMS_OTP_LENGTH", 6, 0, math.MaxInt32)
	c.TestCodes = testCodes(r)
	c.TestCodesUntil = read(r, "GOTRUE_SMS_TEST_OTP_VALID_UNTIL", time.Time{}, "a time as RFC 3339 writes it", func(text string) (time.Time, error) {
		return time.Parse(time.RFC3339, text)
	})
	c.Text = messageText(r, "GOTRUE_SMS_TEMPLATE")
	smsService(r, s)
}

// messageText reads the text of a message with a code, nil for one that is wrong.
func messageText(r *reader, name string) func(code string) (string, error) {
	template, err := sms.ParseTemplate(r.text(name, "Your code is {{ .Code }}"))
	if r.wrong(name, bare(err)); err != nil {
		return nil
	}
	return template.Render
}

// testCodes reads phone:code pairs.
func testCodes(r *reader) map[string]string {
	codes := map[string]string{}
	for _, pair := range r.list("GOTRUE_SMS_TEST_OTP") {
		number, code, ok := strings.Cut(pair, ":")
		normal, err := address.Phone(number)
		if !ok || err != nil || code == "" {
			r.mistake("GOTRUE_SMS_TEST_OTP has an entry that is no phone:code")
			continue
		}
		codes[normal] = code
	}
	return codes
}

// ours are the settings that GoTrue does not have.
func ours(r *reader, s *Settings) {
	c := &s.Config
	c.HideAccounts = r.flag("POSTERN_HIDE_ACCOUNTS", false)
	c.Audiences = r.list("POSTERN_JWT_AUDIENCES")
	c.MaxMetadata = r.number("POSTERN_MAX_METADATA", 64<<10, 1, math.MaxInt32)
	c.Password.Algorithm = r.choice("POSTERN_PASSWORD_ALGORITHM", "bcrypt", "bcrypt", "argon2id")
	c.Password.BcryptCost = r.number("POSTERN_BCRYPT_COST", 10, 4, 16)
	c.JWT.RefuseUndated = r.flag("POSTERN_REFUSE_UNDATED_TOKENS", false)
}
