package postern

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/limit"
)

// LimitConfig says how often a thing may be asked for. The defaults are GoTrue's
// (contract: endpoints.md §0.4), but for Password, which GoTrue does not have. All
// processes on a database count together.
type LimitConfig struct {
	// Off turns all of these limits off: for tests, and where something in front of
	// the service has better ones. The spacing of messages to one address and the
	// tries at a code stay.
	Off bool
	// InMemory counts in this process alone, and starts anew with it.
	InMemory bool

	// What one address of the network may ask for. IPv6 counts by /64, as that is
	// what one subscriber has.

	// OTP is for sign-up, /otp, /magiclink, /recover, /resend and changes of one's
	// user, each by itself. Defaults to 30 in 5 minutes.
	OTP Rate
	// Anonymous is for sign-up without an address. Defaults to 30 an hour.
	Anonymous Rate
	// Token is for sign-in by password and refreshes, and all else of /token but
	// Web3. Defaults to 150 in 5 minutes, no more than 30 at once.
	Token Rate
	// Web3 is for sign-in with a wallet. Defaults to 30 in 5 minutes.
	Web3 Rate
	// Verify is for codes and links. Defaults to 30 in 5 minutes.
	Verify Rate
	// Factor is for challenges of second factors, and for answers to them, each by
	// itself. Defaults to 15 a minute, no more than 30 at once.
	Factor Rate
	// Passkey is for beginning to sign in with a passkey. Defaults to 30 in 5
	// minutes.
	Passkey Rate

	// Password is how often a password can be tried at one account, from all
	// addresses together, until the right one comes. Beyond it the account can be
	// entered by password only from where one of its sessions is, which has as many
	// tries, and by all other ways. Defaults to 20, and then one in 30 seconds.
	Password Rate

	// Mails is how many mails are sent in all. Defaults to 30 an hour. It does not
	// count where addresses need no confirmation, unless there are to be none.
	Mails Quota
	// SMS is Mails for text messages to phone numbers of accounts.
	SMS Quota
}

// Rate is a token bucket: how often a thing may happen in the long run, and how
// often at once.
type Rate struct {
	// N in every Per. Negative N: never.
	N   int
	Per time.Duration
	// Burst is how often at once. Defaults to N.
	Burst int
}

// Quota is how many messages may be sent by all processes together.
type Quota struct {
	// N in every Per, of which one begins with each full hour if it is an hour.
	// Negative N: none at all.
	N   int
	Per time.Duration
	// Refill makes it N at once, and then one every Per.
	Refill bool
}

func (c LimitConfig) withDefaults() LimitConfig {
	few := Rate{N: 30, Per: 5 * time.Minute}
	c.OTP = either(c.OTP, few)
	c.Anonymous = either(c.Anonymous, Rate{N: 30, Per: time.Hour})
	c.Token = either(c.Token, Rate{N: 150, Per: 5 * time.Minute, Burst: 30})
	c.Web3 = either(c.Web3, few)
	c.Verify = either(c.Verify, few)
	c.Factor = either(c.Factor, Rate{N: 15, Per: time.Minute, Burst: 30})
	c.Passkey = either(c.Passkey, few)
	c.Password = either(c.Password, Rate{N: 1, Per: 30 * time.Second, Burst: 20})
	c.Mails = either(c.Mails, Quota{N: 30, Per: time.Hour})
	c.SMS = either(c.SMS, Quota{N: 30, Per: time.Hour})
	return c
}

// check returns a sentence for every limit that says nothing.
func (c LimitConfig) check() error {
	var mistakes []error
	for name, r := range map[string]Rate{
		"OTP": c.OTP, "Anonymous": c.Anonymous, "Token": c.Token, "Web3": c.Web3, "Verify": c.Verify,
		"Factor": c.Factor, "Passkey": c.Passkey, "Password": c.Password,
	} {
		if r.N == 0 || r.N > 0 && r.Per < time.Duration(r.N)*time.Microsecond || r.Burst < 0 {
			mistakes = append(mistakes, fmt.Errorf("Limits.%s is %d in %v, %d at once; it needs a number and a time, no more than one in a microsecond", name, r.N, r.Per, r.Burst))
		}
	}
	for name, q := range map[string]Quota{"Mails": c.Mails, "SMS": c.SMS} {
		if q.N == 0 || q.N > 0 && q.Per < time.Second {
			mistakes = append(mistakes, fmt.Errorf("Limits.%s is %d in %v; it needs a number and a time of a second at least", name, q.N, q.Per))
		}
	}
	return errors.Join(mistakes...)
}

// RequestLimit names what is limited for each address of the network.
type RequestLimit string

// The limits, by the requests that they are for (contract: endpoints.md §0.4).
const (
	LimitSignUp          RequestLimit = "signup"
	LimitAnonymous       RequestLimit = "anonymous"
	LimitOTP             RequestLimit = "otp"
	LimitMagicLink       RequestLimit = "magiclink"
	LimitRecover         RequestLimit = "recover"
	LimitResend          RequestLimit = "resend"
	LimitUpdateUser      RequestLimit = "user"
	LimitToken           RequestLimit = "token"
	LimitWeb3            RequestLimit = "web3"
	LimitVerify          RequestLimit = "verify"
	LimitFactorChallenge RequestLimit = "factor challenge"
	LimitFactorVerify    RequestLimit = "factor verify"
	LimitPasskey         RequestLimit = "passkey"
)

func (c LimitConfig) rate(l RequestLimit) Rate {
	switch l {
	case LimitAnonymous:
		return c.Anonymous
	case LimitToken:
		return c.Token
	case LimitWeb3:
		return c.Web3
	case LimitVerify:
		return c.Verify
	case LimitFactorChallenge, LimitFactorVerify:
		return c.Factor
	case LimitPasskey:
		return c.Passkey
	}
	return c.OTP
}

// LimitRequest counts a request of the client whose address is in the context
// (RequestInfo), for adapters to call before they serve it. ErrOverRequestRateLimit
// when there were too many. Without an address nothing is counted.
func (a *Auth) LimitRequest(ctx context.Context, l RequestLimit) error {
	client := clientKey(ctx)
	if client == "" {
		return nil
	}
	return a.spend(ctx, "requests "+string(l)+" "+client, a.cfg.Limits.rate(l))
}

// clientKey is what is counted as one client, "" for nobody knows whom.
func clientKey(ctx context.Context) string { return networkOf(RequestInfoFromContext(ctx).IP) }

// networkOf names an address, or the network that one subscriber has.
func networkOf(ip netip.Addr) string {
	switch {
	case !ip.IsValid():
		return ""
	case ip.Is4() || ip.Is4In6():
		return ip.Unmap().String()
	}
	return netip.PrefixFrom(ip.WithZone(""), 64).Masked().String()
}

// limitPassword counts a try at an account's password before it is looked at. It
// does so alike for an account that does not exist, and user is nil.
//
// A stranger who keeps trying keeps the bucket empty. So that this does not lock
// the owner out, those have one of their own who come from where a session of the
// account is (guarantees: A5).
func (a *Auth) limitPassword(ctx context.Context, account string, user *UserRecord) error {
	if account == "" { // nobody's, whatever the password
		return nil
	}
	err := a.spend(ctx, passwordTries(account), a.cfg.Limits.Password)
	if err == nil || clientKey(ctx) == "" {
		return err
	}
	var id uuid.UUID // nobody's, who is looked for as well
	if user != nil {
		id = user.ID
	}
	sessions, failure := a.store.UserSessions(ctx, id)
	if failure != nil {
		return internal("Database error querying schema", failure)
	}
	for _, s := range sessions {
		if networkOf(s.IP) == clientKey(ctx) {
			return a.spend(ctx, passwordTries(account)+" "+clientKey(ctx), a.cfg.Limits.Password)
		}
	}
	return err
}

func passwordTries(account string) string { return "password " + account }

// passwordProven forgets the tries at an account whose password was right.
func (a *Auth) passwordProven(ctx context.Context, account string) error {
	key := passwordTries(account)
	a.limits.buckets.Drop(key)
	a.limits.refusals.Drop(key)
	if a.cfg.Limits.Off || a.cfg.Limits.InMemory {
		return nil
	}
	return internal("Database error granting user", a.store.DropBucket(ctx, key))
}

// spend takes a token out of a bucket, or says when there is one.
func (a *Auth) spend(ctx context.Context, key string, r Rate) error {
	switch {
	case a.cfg.Limits.Off:
		return nil
	case r.N < 0:
		return tooMany(ErrOverRequestRateLimit, "Request rate limit reached", 0)
	}
	wait, err := a.take(ctx, Bucket{Key: key, Every: r.Per / time.Duration(r.N), Size: either(r.Burst, r.N)})
	if err != nil {
		return internal("Unable to process request", err)
	}
	if wait > 0 {
		return tooMany(ErrOverRequestRateLimit, "Request rate limit reached", wait)
	}
	return nil
}

// take is Store.Spend where that is not known to be in vain.
func (a *Auth) take(ctx context.Context, b Bucket) (wait time.Duration, err error) {
	now := a.now()
	if a.cfg.Limits.InMemory {
		return a.limits.buckets.Spend(b.Key, b.Every, b.Size, now), nil
	}
	if wait := a.limits.refusals.Left(b.Key, now); wait > 0 {
		return wait, nil
	}
	wait, err = a.store.Spend(ctx, b, now)
	if wait > 0 && !a.joined { // what is joined may be undone
		a.limits.refusals.Add(b.Key, wait, now)
	}
	return wait, err
}

// limits is what an Auth and those that In makes of it know of limits.
type limits struct {
	buckets  limit.Buckets
	refusals limit.Refusals
}

// countMail counts a mail, in the transaction that decides to send it.
func (a *Auth) countMail(ctx context.Context, tx Tx) error {
	return a.count(ctx, tx, "mails", a.cfg.Limits.Mails, a.cfg.Email.Autoconfirm,
		tooMany(ErrOverEmailSendRateLimit, "email rate limit exceeded", 0))
}

// countSMS is countMail for a text message to a number.
func (a *Auth) countSMS(ctx context.Context, tx Tx, phone string) error {
	if _, test := a.testCode(phone); test {
		return nil
	}
	return a.count(ctx, tx, "text messages", a.cfg.Limits.SMS, a.cfg.Phone.Autoconfirm,
		tooMany(ErrOverSMSSendRateLimit, "SMS rate limit exceeded", 0))
}

// count counts a message against a quota. What nothing depends on, since addresses
// need no proof, is not counted.
func (a *Auth) count(ctx context.Context, tx Tx, key string, q Quota, unneeded bool, refusal *Error) (err error) {
	now := a.now()
	switch {
	case a.cfg.Limits.Off:
		return nil
	case q.N < 0:
		return refusal
	case unneeded:
		return nil
	case q.Refill:
		refusal.RetryAfter, err = tx.Spend(ctx, Bucket{Key: key, Every: q.Per, Size: q.N}, now)
	default:
		window := now.Truncate(q.Per)
		var n int
		if n, err = tx.Count(ctx, key+" "+window.Format(time.RFC3339), window, window); n > q.N {
			refusal.RetryAfter = window.Add(q.Per).Sub(now)
		}
	}
	switch {
	case err != nil:
		return err
	case refusal.RetryAfter > 0:
		a.cfg.Logger.WarnContext(ctx, "the quota of "+key+" is used up (Config.Limits)", "quota", q.N, "per", q.Per)
		return refusal
	}
	return nil
}

// tooMany refuses what comes too often, and says after how long it may come again.
func tooMany(code Code, message string, wait time.Duration) *Error {
	e := fail(KindTooMany, code, "%s", message)
	e.RetryAfter = wait
	return e
}
