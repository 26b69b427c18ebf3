package store

import (
	"reflect"
	"strings"

	"github.com/uptrace/bun"
)

// The row types name their columns in bun tags. The functions here read the same
// tags for the hot statements, in the order of the fields, and to see what an
// update changed.

// column is a field of a row type.
type column struct {
	name  string // in the database
	index []int  // of the field, for reflect's FieldByIndex
}

// columnsOf includes the columns of rows that are embedded in one.
func columnsOf(row reflect.Type) []column {
	var all []column
	for _, field := range reflect.VisibleFields(row) {
		if !field.Anonymous { // bun.BaseModel, or a row whose fields follow
			name, _, _ := strings.Cut(field.Tag.Get("bun"), ",")
			all = append(all, column{name, field.Index})
		}
	}
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

// pointers returns where the values of columnList belong, in a row that embeds no
// other.
func pointers[Row any](row *Row) []any {
	v := reflect.ValueOf(row).Elem()
	all := make([]any, 0, v.NumField())
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
