package store

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/jsontext"
)

// storable returns ErrUnstorable when some text in the values, rows or strings, is
// not for a database: PostgreSQL takes neither NUL nor broken UTF-8, and bun, which
// writes values into the SQL text, would mend or mangle them silently. SQLite
// would take more, but what is stored has to fit both.
func storable(values ...any) error {
	for _, v := range values {
		if err := storableValue(reflect.ValueOf(v)); err != nil {
			return err
		}
	}
	return nil
}

func storableValue(v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		switch v := v.Interface().(type) {
		case document:
			return storableJSON(string(v))
		case binary:
			return nil
		}
		return storableText(v.String())
	case reflect.Pointer:
		return storableValue(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			if err := storableValue(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); !field.IsExported() && !field.Anonymous {
				continue // what is embedded has exported fields all the same
			}
			if err := storableValue(v.Field(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func storableText(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: text that is not UTF-8", postern.ErrUnstorable)
	}
	if strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("%w: text with NUL", postern.ErrUnstorable)
	}
	return nil
}

// storableJSON also looks into escapes, in which jsonb takes neither NUL nor half a
// surrogate pair.
func storableJSON(doc string) error {
	if doc == "" {
		return nil // NULL
	}
	if !json.Valid([]byte(doc)) {
		return fmt.Errorf("%w: metadata that is not JSON", postern.ErrUnstorable)
	}
	if err := jsontext.Check([]byte(doc)); err != nil {
		return fmt.Errorf("%w: %w", postern.ErrUnstorable, err)
	}
	return nil
}
