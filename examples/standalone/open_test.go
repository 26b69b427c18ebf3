package main

import (
	"testing"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/goenv"
	"github.com/postern-auth/postern/internal/pgtest"
	"github.com/postern-auth/postern/store"
)

func TestConnectionsAreBoundedByAShareOfTheServers(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	for percentage, want := range map[int]func(most int) int{
		0:   func(int) int { return 7 },
		1:   func(most int) int { return max(1, most/100) },
		50:  func(most int) int { return most / 2 },
		100: func(most int) int { return most },
	} {
		st, _, err := open(t.Context(), &goenv.Settings{
			DatabaseURL: postern.Secret(dsn), Pool: goenv.Pool{MaxOpen: 7, Percentage: percentage},
		}, func(st *store.Store) postern.Store { return st })
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		var most int
		if err := st.DB().QueryRowContext(t.Context(), "SELECT current_setting('max_connections')::int").Scan(&most); err != nil {
			t.Fatal(err)
		}
		if got := st.DB().Stats().MaxOpenConnections; got != want(most) {
			t.Errorf("%d per cent: got %d connections of %d, want %d", percentage, got, most, want(most))
		}
	}
}
