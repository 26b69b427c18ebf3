package wire_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postern-auth/postern/internal/wire"
)

// text is a JSON text that is empty as {}, like postern.Metadata.
type text json.RawMessage

func (t text) MarshalJSON() ([]byte, error) {
	if len(t) == 0 {
		return []byte("{}"), nil
	}
	return t, nil
}

type inner struct {
	Name string     `json:"name,omitempty"`
	At   *time.Time `json:"at"`
}

type everything struct {
	Hidden   string         `json:"-"`
	First    *inner         `json:"first,omitempty"`
	ID       uuid.UUID      `json:"id"`
	IDs      []uuid.UUID    `json:"ids"`
	Text     string         `json:"text"`
	Optional string         `json:"optional,omitempty"`
	Flag     bool           `json:"flag"`
	Off      bool           `json:"off,omitempty"`
	At       time.Time      `json:"at"`
	Ever     time.Time      `json:"ever,omitempty"` // never left out
	Later    *time.Time     `json:"later,omitempty"`
	Raw      text           `json:"raw"`
	Rare     text           `json:"rare,omitempty"`
	Inner    inner          `json:"inner"`
	Inners   []inner        `json:"inners"`
	Number   float64        `json:"number"`
	Count    int            `json:"count,omitempty"`
	Bytes    []byte         `json:"bytes"`
	Map      map[string]any `json:"map"`
	Odd      struct {
		Zero time.Time `json:"zero,omitzero"`
	} `json:"odd"`
}

var encoder = wire.For[everything]()

func same(t *testing.T, v *everything) {
	t.Helper()
	want, wantErr := json.Marshal(v)
	got, err := encoder.Append([]byte("x"), v)
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("%+v: got error %v, want %v", v, err, wantErr)
	}
	if err == nil && string(got) != "x"+string(want) {
		t.Errorf("got\n%s, want\nx%s", got, want)
	}
}

func TestWritesWhatEncodingJSONDoes(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 5, 17, 10, 20, 30, 123450000, time.UTC)
	same(t, &everything{})
	full := everything{
		Hidden: "x", First: &inner{Name: "first"}, ID: uuid.New(), IDs: []uuid.UUID{uuid.New(), uuid.Nil}, Text: "a", Optional: "b", Flag: true, Off: true,
		At: at, Ever: at, Later: &at, Raw: text(` { "a" : [ 1 , "b c\" \\" ] , "d":"\u003c" } `), Rare: text(`1`), Inner: inner{At: &at},
		Inners: []inner{{}, {Name: "x", At: &at}}, Number: 1.5, Count: 3, Bytes: []byte("abc"), Map: map[string]any{"a": 1},
	}
	full.Odd.Zero = at
	same(t, &full)
	same(t, &everything{IDs: []uuid.UUID{}, Inners: []inner{}, Map: map[string]any{}, Raw: text{}, Rare: text{}})
	for _, s := range []string{`"`, `\`, "<script>&", "\n\x00\x7f", "\u2028é…世", "\xff", "ä"} {
		quoted, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		same(t, &everything{Text: s, Inner: inner{Name: s}, Raw: quoted})
		same(t, &everything{Raw: text(`{"` + "<&>\u2028é" + `": [ ] }`)})
	}
	for _, at := range []time.Time{
		at.Truncate(time.Second), at.In(time.FixedZone("", 3600)), at.Local(), time.Unix(math.MinInt32, 1).UTC(),
		time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		same(t, &everything{At: at})
	}
	same(t, &everything{Number: math.NaN()})
}

func FuzzWritesWhatEncodingJSONDoes(f *testing.F) {
	f.Add("a", []byte(`{"a": 1}`), int64(0))
	f.Add("<\u2028\xff", []byte(`[ "\"\\", "é< " ]`), int64(1715941230123456000))
	f.Fuzz(func(t *testing.T, s string, raw []byte, ns int64) {
		if !json.Valid(raw) {
			raw = nil
		}
		at := time.Unix(0, ns).UTC()
		same(t, &everything{Text: s, Optional: s, Raw: raw, Rare: raw, At: at, Later: &at, Inners: []inner{{Name: s}}})
	})
}
