package fill

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/refreshtoken"
)

// Password is everybody's, and PasswordHash its bcrypt hash of the usual cost.
const (
	Password     = "correct horse battery"
	PasswordHash = "$2a$10$0mmtDlr8xHUQgnN6OcPjU.IM0yHMz.wM1Mt9WVxbRUNFyTazF4vK2"
)

// Of the users, every tenth has a phone number and every fifth a session.
const PhoneEvery, sessionEvery = 10, 5

// The users signed up at any time in these three years.
var (
	firstSignUp = time.Date(2023, time.January, 1, 0, 0, 0, 0, time.UTC)
	lastSignUp  = firstSignUp.AddDate(3, 0, 0)
)

const domain = "people.example.com"

var (
	firstNames = []string{"Ada", "Alan", "Barbara", "Dennis", "Donald", "Edsger", "Frances", "Grace", "John", "Ken", "Margaret", "Radia", "Shafi", "Tony"}
	lastNames  = []string{"Allen", "Dijkstra", "Goldwasser", "Hamilton", "Hoare", "Hopper", "Kay", "Knuth", "Liskov", "Lovelace", "McCarthy", "Perlman", "Ritchie", "Thompson", "Turing"}
	plans      = []string{"free", "free", "free", "team", "enterprise"}
	locales    = []string{"de-DE", "en-GB", "en-US", "es-MX", "fr-FR", "ja-JP", "pt-BR"}
)

// pick takes one out of a list. The lists of names have no common factor.
func pick(list []string, n int) string { return list[n%len(list)] }

// ID returns the id of user n: of version 4, so in no order.
func ID(n int) uuid.UUID { return newID(numbers(n)) }

// Email returns the address of user n.
func Email(n int) string {
	return strings.ToLower(fmt.Sprintf("%s.%s.%d@%s", pick(firstNames, n), pick(lastNames, n), n, domain))
}

// Phone returns the number of user n as it is stored, "" if it has none.
func Phone(n int) string {
	if n%PhoneEvery != 0 {
		return ""
	}
	return fmt.Sprintf("1%010d", 2_000_000_000+n)
}

// Profile returns what user n said at sign-up.
func Profile(n int) map[string]any {
	return map[string]any{
		"full_name":  pick(firstNames, n) + " " + pick(lastNames, n),
		"avatar_url": fmt.Sprintf("https://images.example.com/avatars/%d.png", n),
		"locale":     pick(locales, n),
		"plan":       pick(plans, n),
		"settings":   map[string]any{"theme": "dark", "newsletter": n%2 == 0, "items_per_page": 25},
	}
}

// numbers are the random numbers of user n: the same ones each time.
func numbers(n int) *rand.Rand { return rand.New(rand.NewPCG(uint64(n), 2)) }

func newID(r *rand.Rand) uuid.UUID {
	return uuid.Must(uuid.NewRandomFromReader(reader{r})) // it reads without end
}

// reader reads random numbers as bytes.
type reader struct{ *rand.Rand }

func (r reader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return len(b), nil
}

// member is a user with what belongs to it.
type member struct {
	n       int
	id      uuid.UUID
	email   string
	phone   string // "" for none
	at      time.Time
	profile map[string]any

	emailIdentity, phoneIdentity uuid.UUID
	session                      uuid.UUID
	refreshKey                   string
}

func newMember(n int) *member {
	r := numbers(n)
	m := &member{n: n, id: newID(r), email: Email(n), phone: Phone(n), profile: Profile(n)}
	span := lastSignUp.Sub(firstSignUp) / time.Microsecond
	m.at = firstSignUp.Add(time.Duration(r.Int64N(int64(span))) * time.Microsecond)
	m.emailIdentity, m.phoneIdentity, m.session = newID(r), newID(r), newID(r)
	key, _ := refreshtoken.NewKey(reader{r}) // it reads without end
	m.refreshKey = refreshtoken.EncodeKey(key)
	return m
}

// userMetadata is what a sign-up whose address needs no confirmation leaves.
func (m *member) userMetadata() string {
	return m.claims(m.profile, map[string]any{"email": m.email, "email_verified": true, "phone_verified": false})
}

// emailData is the same in the identity, which says that the address is not verified
// (contract: user.md §6.1, "Autoconfirm sign-up wart").
func (m *member) emailData() string {
	return m.claims(m.profile, map[string]any{"email": m.email, "email_verified": false, "phone_verified": false})
}

// phoneData is what a number leaves that was added to an account.
func (m *member) phoneData() string {
	return m.claims(nil, map[string]any{"phone": m.phone, "email_verified": false, "phone_verified": true})
}

func (m *member) claims(profile, claims map[string]any) string {
	all := map[string]any{"sub": m.id.String()}
	maps.Copy(all, profile)
	maps.Copy(all, claims)
	text, _ := json.Marshal(all) // it always can
	return string(text)
}
