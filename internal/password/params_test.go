package password_test

import (
	"strings"
	"testing"

	"github.com/postern-auth/postern/internal/password"
)

func TestCheckNamesEveryMistake(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		params password.Params
		want   []string
	}{
		{"defaults", password.Params{}, nil},
		{"defaults of argon2id", password.Params{Algorithm: password.Argon2id}, nil},
		{"lowest", password.Params{Cost: 4, Memory: 8, Passes: 1, Lanes: 1}, nil},
		{"highest", password.Params{Cost: 16, Memory: 1 << 20, Passes: 20, Lanes: 16}, nil},
		{"below", password.Params{Cost: 3, Memory: 7, Passes: -1, Lanes: -1}, []string{"bcrypt cost", "memory", "passes", "lanes"}},
		{"above", password.Params{Algorithm: "md5", Cost: 17, Memory: 1<<20 + 1, Passes: 21, Lanes: 17}, []string{`"md5"`, "bcrypt cost", "memory", "passes", "lanes"}},
		{"memory too small for its lanes", password.Params{Memory: 127, Lanes: 16}, []string{"memory"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := tt.params.Check()
			if (err != nil) != (tt.want != nil) {
				t.Fatalf("got %v, want mistakes %q", err, tt.want)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want it to name %q", err, want)
				}
			}
			if _, newErr := password.New(tt.params, password.Limit{}); (newErr != nil) != (err != nil) {
				t.Errorf("New: got %v, want %v", newErr, err)
			}
		})
	}
}

func TestNewRefusesANegativeNumberAtOnce(t *testing.T) {
	t.Parallel()
	if _, err := password.New(password.Params{}, password.Limit{Running: -1}); err == nil {
		t.Error("got nil, want an error")
	}
}
