package store

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/uptrace/bun"
)

// The row types name their columns in bun tags. The functions here read the same
// tags for the hot statements, in the order of the fields, and to see what an
// update changed.

// column is a field of a row type.
type column struct {
	name     string // in the database
	index    []int  // of the field, for reflect's FieldByIndex
	nullZero bool   // what is zero is stored as NULL
}

// knownColumns are those of the types that columnsOf was asked for.
var knownColumns sync.Map // reflect.Type to []column

// columnsOf includes the columns of rows that are embedded in one. What it returns is
// everybody's, and not to be changed.
func columnsOf(row reflect.Type) []column {
	if all, ok := knownColumns.Load(row); ok {
		return all.([]column)
	}
	var all []column
	for _, field := range reflect.VisibleFields(row) {
		if !field.Anonymous { // bun.BaseModel, or a row whose fields follow
			name, options, _ := strings.Cut(field.Tag.Get("bun"), ",")
			all = append(all, column{name, field.Index, strings.Contains(options, "nullzero")})
		}
	}
	knownColumns.Store(row, all)
	return all
}

// columnList returns a row type's columns, of a table with an alias.
func columnList[Row any](alias string) string {
	var names []string
	for _, c := range columnsOf(reflect.TypeFor[Row]()) {
		names = append(names, alias+"."+c.name)
	}
	return strings.Join(names, ", ")
}

// insertion inserts a row whose values are parameters from $first on, in the order of
// arguments.
func insertion[Row any](table string, first int) string {
	var names, params []string
	for i, c := range columnsOf(reflect.TypeFor[Row]()) {
		names, params = append(names, c.name), append(params, fmt.Sprintf("$%d", first+i))
	}
	return fmt.Sprintf("INSERT INTO auth.%s (%s) VALUES (%s)", table, strings.Join(names, ", "), strings.Join(params, ", "))
}

// arguments returns the values of a row as a hot statement takes them.
func arguments[Row any](row *Row) (all []any) {
	v := reflect.ValueOf(row).Elem()
	for _, c := range columnsOf(v.Type()) {
		field := v.FieldByIndex(c.index)
		switch {
		case c.nullZero && field.IsZero(), field.Kind() == reflect.Pointer && field.IsNil():
			all = append(all, nil)
		case field.Kind() == reflect.Pointer:
			all = append(all, field.Elem().Interface())
		case field.Kind() == reflect.String:
			all = append(all, field.String())
		default:
			all = append(all, field.Interface())
		}
	}
	return all
}

// pointers returns where a partKind and the values of columnList belong, in a row that
// embeds no other.
func pointers[Row any](row *Row) []any {
	v := reflect.ValueOf(row).Elem()
	all := append(make([]any, 0, 1+v.NumField()), new(partKind))
	for i := range v.NumField() {
		field := v.Field(i).Addr().Interface()
		if _, ok := field.(*bun.BaseModel); !ok {
			all = append(all, field)
		}
	}
	return all
}

// changes returns the columns in which two rows differ, and their new values. The
// rows' type must not have pointers.
func changes[Row any](before, after *Row) (names []string, values []any) {
	b, a := reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem()
	for _, c := range columnsOf(b.Type()) {
		if v := a.FieldByIndex(c.index).Interface(); v != b.FieldByIndex(c.index).Interface() {
			names, values = append(names, c.name), append(values, v)
		}
	}
	return names, values
}
