package store

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/postern-auth/postern"
)

// text is a text column. NULL reads as "", since rows that others wrote have
// NULL wherever the schema allows it.
type text string

// Scan reads a column.
func (t *text) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		*t = ""
	case string:
		*t = text(src)
	case []byte:
		*t = text(src)
	default:
		*t = text(fmt.Sprint(src))
	}
	return nil
}

// binary is a column of bytes, as a string so that rows can be compared.
type binary string

// Scan reads a column. What the driver gives is copied, as it may use it again.
func (b *binary) Scan(src any) error { return (*text)(b).Scan(src) }

// Value returns the bytes that are stored, which are not NULL even if there are none.
func (b binary) Value() (driver.Value, error) { return []byte(b), nil }

// number is a column of integers. NULL reads as 0.
type number int64

// Scan reads a column.
func (n *number) Scan(src any) error {
	var v sql.Null[int64]
	err := v.Scan(src)
	*n = number(v.V)
	return err
}

// flag is a column of booleans, which SQLite keeps as 0 and 1.
type flag bool

// Scan reads a column.
func (f *flag) Scan(src any) error {
	var v sql.Null[bool]
	err := v.Scan(src)
	*f = flag(v.V)
	return err
}

// UnmarshalJSON reads a column in a JSON text.
func (f *flag) UnmarshalJSON(b []byte) error {
	*f = string(b) == "true" || string(b) == "1"
	return nil
}

// document is a JSON column: the text as it was stored, so that no number loses
// digits. "" is NULL.
type document text

func newDocument(m postern.Metadata) document {
	b, _ := m.MarshalJSON() // never fails: what is no object is {}
	return document(b)
}

// optionalDocument is newDocument for a column that is NULL where there is none.
func optionalDocument(m postern.Metadata) document {
	if m == nil {
		return ""
	}
	return newDocument(m)
}

func (d document) metadata() postern.Metadata {
	if d == "" {
		return nil
	}
	return postern.Metadata(d)
}

// Scan reads a column.
func (d *document) Scan(src any) error { return (*text)(d).Scan(src) }

// UnmarshalJSON reads a document inside another: as it is from PostgreSQL, and
// as a string from SQLite, which keeps JSON as text.
func (d *document) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		*d = ""
	case bytes.HasPrefix(b, []byte{'"'}):
		return json.Unmarshal(b, (*string)(d))
	default:
		*d = document(b)
	}
	return nil
}

// newTexts writes texts as a JSON array. It hides what is not UTF-8 in them.
func newTexts(texts []string) document {
	b, _ := json.Marshal(list(texts)) // never fails: they are strings
	return document(b)
}

// texts reads a JSON array of texts. What is none reads as no texts.
func (d document) texts() []string {
	var texts []string
	if json.Unmarshal([]byte(d), &texts) != nil || len(texts) == 0 {
		return nil
	}
	return texts
}

// address is an IP address column. The zero Addr is NULL.
type address struct{ netip.Addr }

// Value returns the text that is stored, without a zone: inet has none.
func (a address) Value() (driver.Value, error) {
	if !a.IsValid() {
		return nil, nil
	}
	return a.WithZone("").String(), nil
}

// Scan reads a column. What is no address reads as none, and of a network, which
// inet can hold as well, its address counts.
func (a *address) Scan(src any) error {
	var s text
	if err := s.Scan(src); err != nil {
		return err
	}
	if prefix, err := netip.ParsePrefix(string(s)); err == nil {
		a.Addr = prefix.Addr()
		return nil
	}
	a.Addr, _ = netip.ParseAddr(string(s))
	return nil
}

// UnmarshalJSON reads a column in a JSON text.
func (a *address) UnmarshalJSON(b []byte) error {
	return a.Scan(bytes.Trim(b, `"`))
}
