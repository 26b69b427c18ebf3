// Package wire writes answers as encoding/json does, to the byte, in a third of
// the time. Most of that goes into checking what the types of the answer have written
// themselves: times, ids, and JSON texts out of a database that has checked them.
package wire

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Encoder writes values of one type. Make it once: it knows what there is to know of
// the type.
type Encoder[T any] struct{ write writer }

// For returns the Encoder of a type. What it has no way of its own for is left to
// encoding/json.
func For[T any]() Encoder[T] { return Encoder[T]{writerOf(reflect.TypeFor[T]())} }

// Append appends v to b. A JSON text in v, a slice of bytes that marshals itself, has
// to be one: it is not checked.
func (e Encoder[T]) Append(b []byte, v *T) ([]byte, error) {
	return e.write(b, reflect.ValueOf(v).Elem())
}

// writer appends a value, which is addressable.
type writer func(b []byte, v reflect.Value) ([]byte, error)

var (
	marshaler     = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

func writerOf(t reflect.Type) writer {
	switch p := reflect.PointerTo(t); {
	case t == reflect.TypeFor[time.Time]():
		return writeTime
	case t == reflect.TypeFor[uuid.UUID]():
		return writeUUID
	case t.Implements(marshaler) && isBytes(t):
		return writeText
	case p.Implements(marshaler) || p.Implements(textMarshaler):
		return writeAny
	}
	switch t.Kind() {
	case reflect.String:
		return writeString
	case reflect.Bool:
		return func(b []byte, v reflect.Value) ([]byte, error) { return strconv.AppendBool(b, v.Bool()), nil }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(b []byte, v reflect.Value) ([]byte, error) { return strconv.AppendInt(b, v.Int(), 10), nil }
	case reflect.Pointer:
		return pointerWriter(t)
	case reflect.Slice:
		if !isBytes(t) {
			return sliceWriter(t)
		}
	case reflect.Struct:
		if write, ok := structWriter(t); ok {
			return write
		}
	}
	return writeAny
}

func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// writeAny is encoding/json's way.
func writeAny(b []byte, v reflect.Value) ([]byte, error) {
	text, err := json.Marshal(v.Addr().Interface())
	return append(b, text...), err
}

func writeTime(b []byte, v reflect.Value) ([]byte, error) {
	t := v.Addr().Interface().(*time.Time)
	if year := t.Year(); t.Location() != time.UTC || year < 0 || year > 9999 {
		return writeAny(b, v)
	}
	b = t.AppendFormat(append(b, '"'), time.RFC3339Nano)
	return append(b, '"'), nil
}

func writeUUID(b []byte, v reflect.Value) ([]byte, error) {
	text, err := v.Addr().Interface().(*uuid.UUID).MarshalText()
	return append(append(append(b, '"'), text...), '"'), err
}

func writeString(b []byte, v reflect.Value) ([]byte, error) {
	s := v.String()
	for i := range len(s) {
		if c := s[i]; special(c) || c == '"' || c == '\\' || c < ' ' {
			return writeAny(b, v)
		}
	}
	if !utf8.ValidString(s) {
		return writeAny(b, v)
	}
	return append(append(append(b, '"'), s...), '"'), nil
}

// special reports whether a byte is, or may begin, what encoding/json escapes: what a
// browser takes for markup, and what a script takes for the end of a line, U+2028 and
// U+2029.
func special(c byte) bool { return c == '<' || c == '>' || c == '&' || c == 0xe2 }

// writeText writes a JSON text without its blanks.
func writeText(b []byte, v reflect.Value) ([]byte, error) {
	text, err := v.Addr().Interface().(json.Marshaler).MarshalJSON()
	if err != nil {
		return nil, err
	}
	before, quoted, escaped := len(b), false, false
	for _, c := range text {
		switch {
		case special(c):
			return writeAny(b[:before], v)
		case escaped:
			escaped = false
		case c == '"':
			quoted = !quoted
		case quoted:
			escaped = c == '\\'
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			continue
		}
		b = append(b, c)
	}
	return b, nil
}

func pointerWriter(t reflect.Type) writer {
	write := writerOf(t.Elem())
	return func(b []byte, v reflect.Value) ([]byte, error) {
		if v.IsNil() {
			return append(b, "null"...), nil
		}
		return write(b, v.Elem())
	}
}

func sliceWriter(t reflect.Type) writer {
	write := writerOf(t.Elem())
	return func(b []byte, v reflect.Value) (_ []byte, err error) {
		if v.IsNil() {
			return append(b, "null"...), nil
		}
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = write(b, v.Index(i)); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	}
}

// member is a field of a struct, with the name that its tag gives it.
type member struct {
	name      string // "name":
	index     int
	omitEmpty bool
	write     writer
}

// structWriter returns false for a struct that asks for more than names and omitempty.
func structWriter(t reflect.Type) (writer, bool) {
	var members []member
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" && options == "":
			continue
		case !field.IsExported(), field.Anonymous, name == "", options != "" && options != "omitempty":
			return nil, false
		}
		members = append(members, member{strconv.Quote(name) + ":", field.Index[0], options != "", writerOf(field.Type)})
	}
	return func(b []byte, v reflect.Value) (_ []byte, err error) {
		b = append(b, '{')
		for _, m := range members {
			field := v.Field(m.index)
			if m.omitEmpty && isEmpty(field) {
				continue
			}
			if b[len(b)-1] != '{' {
				b = append(b, ',')
			}
			if b, err = m.write(append(b, m.name...), field); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	}, true
}

// isEmpty reports whether omitempty leaves a value out.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}
