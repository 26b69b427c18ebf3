package postgres

import (
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The types whose values are more than text to database/sql, by their numbers in
// pg_type, which never change.
const (
	typeBool        = 16
	typeBytea       = 17
	typeInt8        = 20
	typeInt2        = 21
	typeInt4        = 23
	typeOID         = 26
	typeXID         = 28
	typeCID         = 29
	typeJSON        = 114
	typeXML         = 142
	typeFloat4      = 700
	typeFloat8      = 701
	typeDate        = 1082
	typeTimestamp   = 1114
	typeTimestamptz = 1184
	typeJSONB       = 3802
)

// value reads what the server wrote, nil for NULL. The text is only lent.
func value(kind uint32, text []byte) (driver.Value, error) {
	if text == nil {
		return nil, nil
	}
	switch kind {
	case typeBool:
		return string(text) == "t", nil
	case typeBytea:
		return readBytes(text)
	case typeInt2, typeInt4, typeInt8, typeOID, typeXID, typeCID:
		return strconv.ParseInt(string(text), 10, 64)
	case typeFloat4, typeFloat8:
		return strconv.ParseFloat(string(text), 64)
	case typeDate, typeTimestamp, typeTimestamptz:
		return readTime(string(text)), nil
	case typeJSON, typeJSONB, typeXML:
		return slices.Clone(text), nil
	}
	return string(text), nil
}

func readBytes(text []byte) (driver.Value, error) {
	digits, ok := strings.CutPrefix(string(text), `\x`)
	if !ok {
		return nil, errors.New("bytes are not in hexadecimal; bytea_output has to be hex")
	}
	return hex.DecodeString(digits)
}

// Times as the server writes them, which has no more of an offset than it needs.
// Fractions of seconds are read without being named.
var timeLayouts = []string{
	"2006-01-02 15:04:05Z07", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07:00:00",
	"2006-01-02 15:04:05", time.DateOnly,
}

// readTime reads a time, in UTC. What Go has none for, as infinity, stays text.
func readTime(text string) driver.Value {
	// Sessions are in UTC, and then RFC 3339, which Go reads fastest, is not far.
	if local, ok := strings.CutSuffix(text, "+00"); ok && len(local) > len(time.DateOnly) {
		day, clock := local[:len(time.DateOnly)], local[len(time.DateOnly)+1:]
		if t, err := time.Parse(time.RFC3339, day+"T"+clock+"Z"); err == nil {
			return t
		}
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return text
}

// parameters writes arguments as the server reads them. Which types they have, it
// finds out from the statement.
func parameters(args []driver.NamedValue) [][]byte {
	texts := make([][]byte, len(args))
	for i, arg := range args {
		texts[i] = parameter(arg.Value)
	}
	return texts
}

// parameter writes one of driver.Value's types, as nil for NULL.
func parameter(v driver.Value) []byte {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return []byte(v)
	case []byte:
		if v == nil {
			return nil
		}
		return hex.AppendEncode([]byte(`\x`), v)
	case bool:
		return strconv.AppendBool(nil, v)
	case int64:
		return strconv.AppendInt(nil, v, 10)
	case float64:
		return strconv.AppendFloat(nil, v, 'g', -1, 64)
	case time.Time:
		return v.UTC().AppendFormat(nil, "2006-01-02 15:04:05.999999Z07:00")
	}
	panic(fmt.Sprintf("postgres: database/sql has handed over a %T", v)) // it converts what is none of these
}
