package store

import (
	"reflect"
	"strings"
)

// The row types name their columns in bun tags. The functions here read the same
// tags for the hot statements, in the order of the fields, and to see what an
// update changed.

// column is a field of a row type.
type column struct {
	name  string // in the database
	field reflect.StructField
}

func columnsOf(row reflect.Type) []column {
	var all []column
	for i := range row.NumField() {
		field := row.Field(i)
		if field.Anonymous {
			continue // bun.BaseModel
		}
		name, _, _ := strings.Cut(field.Tag.Get("bun"), ",")
		all = append(all, column{name, field})
	}
	return all
}

// selectList returns a row type's columns for a SELECT from alias.
func selectList[Row any](alias string) string {
	var names []string
	for _, c := range columnsOf(reflect.TypeFor[Row]()) {
		names = append(names, alias+"."+c.name)
	}
	return strings.Join(names, ", ")
}

// jsonList returns a sub-select of a table's rows as a JSON array of objects that
// encoding/json decodes into a []Row; columns with the tag json:"-" stay out. The
// table's alias in where and order is l.
func jsonList[Row any](table, where, order string) string {
	var members []string
	for _, c := range columnsOf(reflect.TypeFor[Row]()) {
		if c.field.Tag.Get("json") != "-" {
			members = append(members, "'"+c.field.Name+"', l."+c.name)
		}
	}
	return "(SELECT json_agg(json_build_object(" + strings.Join(members, ", ") + ") ORDER BY " + order +
		") FROM " + table + " l WHERE " + where + ")"
}

// targets returns where to scan the columns of selectList.
func targets[Row any](row *Row) []any {
	v := reflect.ValueOf(row).Elem()
	var all []any
	for i := range v.NumField() {
		if !v.Type().Field(i).Anonymous {
			all = append(all, v.Field(i).Addr().Interface())
		}
	}
	return all
}

// changes returns the columns in which two rows differ.
func changes[Row any](before, after *Row) []string {
	b, a := reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem()
	var names []string
	for _, c := range columnsOf(b.Type()) {
		if !reflect.DeepEqual(b.FieldByIndex(c.field.Index).Interface(), a.FieldByIndex(c.field.Index).Interface()) {
			names = append(names, c.name)
		}
	}
	return names
}
