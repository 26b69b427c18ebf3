package fill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/postern-auth/postern/store/postgres"
)

type postgresBulk struct{ conn *pgx.Conn }

func openPostgres(ctx context.Context, dsn string) (bulk, error) {
	st, err := postgres.Open(ctx, dsn)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(st.Migrate(ctx), st.Close()); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, dsn)
	return &postgresBulk{conn}, err
}

func (p *postgresBulk) count(ctx context.Context, query string) (n int, err error) {
	return n, p.conn.QueryRow(ctx, query).Scan(&n)
}

func (p *postgresBulk) add(ctx context.Context, members []*member) error {
	return pgx.BeginFunc(ctx, p.conn, func(tx pgx.Tx) error {
		for _, t := range tables {
			statement := fmt.Sprintf("COPY auth.%s (%s) FROM STDIN", t.name, strings.Join(t.columns, ", "))
			if _, err := tx.Conn().PgConn().CopyFrom(ctx, copyText(t, members), statement); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
		return nil
	})
}

// settle leaves autovacuum and the checkpointer nothing to do. They are what a server
// has done by the time that it holds as much.
func (p *postgresBulk) settle(ctx context.Context) error {
	for _, statement := range []string{"VACUUM ANALYZE", "CHECKPOINT"} {
		if _, err := p.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

func (p *postgresBulk) close(ctx context.Context) error { return p.conn.Close(ctx) }

// copyEscaper is for values in COPY's text format.
var copyEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

// copyText writes rows in COPY's text format.
func copyText(t table, members []*member) *bytes.Buffer {
	var text bytes.Buffer
	for _, m := range members {
		for _, row := range t.rows(m) {
			for i, value := range row {
				if i > 0 {
					text.WriteByte('\t')
				}
				if value == nil {
					text.WriteString(`\N`)
				} else {
					copyEscaper.WriteString(&text, fmt.Sprint(value))
				}
			}
			text.WriteByte('\n')
		}
	}
	return &text
}
