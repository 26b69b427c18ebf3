package store

import (
	"bytes"
	"database/sql/driver"
	"fmt"
	"time"
)

// instantLayout is how an instant is written, in both databases: SQLite compares
// times as text, so each has the same length and zone, and PostgreSQL reads
// the same text for columns with and without a zone (whose times are UTC).
const instantLayout = "2006-01-02T15:04:05.000000Z"

// instant is a time column: UTC in whole microseconds. The zero instant is NULL.
type instant struct{ time.Time }

func newInstant(t time.Time) instant {
	return instant{t.UTC().Truncate(time.Microsecond)}
}

func optionalInstant(t *time.Time) instant {
	if t == nil {
		return instant{}
	}
	return newInstant(*t)
}

// pointer returns the time, nil for NULL.
func (i instant) pointer() *time.Time {
	if i.IsZero() {
		return nil
	}
	return &i.Time
}

// Value returns the text that is stored.
func (i instant) Value() (driver.Value, error) {
	if i.IsZero() {
		return nil, nil
	}
	return i.Format(instantLayout), nil
}

// Scan reads a column.
func (i *instant) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		*i = instant{}
	case time.Time:
		*i = newInstant(src)
	case string:
		return i.parse(src)
	case []byte:
		return i.parse(string(src))
	default:
		return fmt.Errorf("a time column holds %T", src)
	}
	return nil
}

// UnmarshalJSON reads what the databases' JSON functions make of a column.
func (i *instant) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*i = instant{}
		return nil
	}
	return i.parse(string(bytes.Trim(b, `"`)))
}

// parse reads the text of an instant. PostgreSQL's JSON functions leave out the
// zone where the column has none.
func (i *instant) parse(text string) error {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05", text)
	}
	if err != nil {
		return fmt.Errorf("a time column holds %q", text)
	}
	*i = newInstant(t)
	return nil
}
