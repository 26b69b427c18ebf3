// Package pgbouncer starts PgBouncer before a PostgreSQL database, as an operator with
// many processes does.
package pgbouncer

import "errors"

// ErrNone says that there is no pgbouncer to start.
var ErrNone = errors.New("there is no pgbouncer")
