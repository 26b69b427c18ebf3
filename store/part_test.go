package store

import (
	"encoding/json"
	"reflect"
	"testing"
)

// decodedBy reads a user's row in both ways.
func decodedBy(array string) (own, theirs userRow, ownErr, theirErr error) {
	fields := pointers(&theirs)
	return own, theirs, decodeInto(&own, array), json.Unmarshal([]byte(array), &fields)
}

func decodeInto(row *userRow, array string) error { return decodePart([]byte(array), pointers(row)) }

// FuzzDecodePart compares with encoding/json what comes of arrays that it reads.
func FuzzDecodePart(f *testing.F) {
	f.Add("0", `"a@example.com"`, `"2026-01-02T03:04:05.000006+00:00"`, `{"a": "}\"]", "b": [1, {"c": null}]}`, "true")
	f.Add("0", `"\u00e9\ud83d\ude00\n\\"`, `"2026-01-02T03:04:05"`, `"{\"a\": \"]\"}"`, "1")
	f.Add("0", "null", "null", "null", "null")
	f.Add("0", "\"\xff\"", `"2026"`, `[`, "0")
	f.Fuzz(func(t *testing.T, kind, email, at, metadata, flag string) {
		array := `[` + kind + `, "6f9619ff-8b86-d011-b42d-00cf4fc964ff", null, null, ` + email + `, null, ` + at + `, null, null, null, null, null, null, null, null,
			2, null, null, null, null, ` + metadata + `,null,` + at + `, null, null, null, ` + flag + `, null, null, null, null, null, null, null]`
		if !json.Valid([]byte(array)) || kind != "0" {
			t.Skip("databases write JSON")
		}
		own, theirs, ownErr, theirErr := decodedBy(array)
		if (ownErr == nil) != (theirErr == nil) {
			t.Fatalf("%s: got error %v, want %v", array, ownErr, theirErr)
		}
		if ownErr == nil && !reflect.DeepEqual(own, theirs) {
			t.Errorf("%s: got\n%+v, want\n%+v", array, own, theirs)
		}
	})
}

func TestPartsThatAreTooShortAreRefused(t *testing.T) {
	t.Parallel()
	for _, array := range []string{``, `[`, `[0`, `[0]`, `[0, "6f9619ff-8b86-d011-b42d-00cf4fc964ff"`, `0`, `[,]`} {
		if err := decodeInto(new(userRow), array); err == nil {
			t.Errorf("%q: got no error", array)
		}
	}
}
