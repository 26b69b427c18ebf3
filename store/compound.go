package store

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// compound is several statements that change rows for one purpose. PostgreSQL runs
// them in one step, as a function; SQLite, which is not far away, one after the other,
// as PostgreSQL does where not each has to be run once.
type compound struct {
	steps   []statement
	decides bool   // if the first changes no row, the others are left out
	reads   string // a query with the parameters of the first; what PostgreSQL returns in place of how many rows that changed
}

var compounds = map[statement]compound{
	openSession:  {steps: []statement{stampSignIn, addAuditEntry, addSession, addMethod}, decides: true, reads: userParts(`$1`)},
	startSession: {steps: []statement{addSession, addMethod}},
	putToken:     {steps: []statement{putCode, putLink}, decides: true},
	takeToken:    {steps: []statement{takeCode, takeLink}, decides: true},
	dropTokens:   {steps: []statement{dropCodes, dropLinks}},
}

// function makes one of the steps' functions, with the parameters of all.
func (c compound) function(steps map[statement]function) function {
	f := function{returns: "bigint"}
	result, nothing := "n", "0"
	if c.reads != "" {
		f.returns, result, nothing = "text", parts(c.reads), "NULL"
	}
	var params, body []string
	for i, id := range c.steps {
		body = append(body, shift(steps[id].text, len(params)))
		params = append(params, strings.Split(steps[id].params, ", ")...)
		if i == 0 {
			body = append(body, "GET DIAGNOSTICS n = ROW_COUNT")
		}
		if i == 0 && c.decides {
			body = append(body, "IF n = 0 THEN RETURN "+nothing+"; END IF")
		}
	}
	f.params = strings.Join(params, ", ")
	f.definition = "DECLARE n bigint; BEGIN " + strings.Join(body, "; ") + "; RETURN " + result + "; END"
	return f
}

var parameter = regexp.MustCompile(`\$\d+`)

// shift raises the numbers of a statement's parameters.
func shift(statement string, by int) string {
	return parameter.ReplaceAllStringFunc(statement, func(p string) string {
		n, _ := strconv.Atoi(p[1:]) // they are digits
		return fmt.Sprintf("$%d", n+by)
	})
}

// inOneStep reports whether PostgreSQL's function does what is asked for: with arguments
// for each step.
func (d *database) inOneStep(id statement, args [][]any) bool {
	return !d.sqlite && len(args) == len(compounds[id].steps) && !slices.ContainsFunc(args, func(args []any) bool { return args == nil })
}

// changeAll runs a compound, with the arguments of each step, and says how many rows
// the first changed. A step without any is left out; the last is run for all that follow.
func (c conn) changeAll(ctx context.Context, id statement, args ...[]any) (int64, error) {
	if c.inOneStep(id, args) {
		return c.change(ctx, id, slices.Concat(args...)...)
	}
	all := compounds[id]
	var first int64
	for i := range args {
		if args[i] == nil {
			continue
		}
		n, err := c.change(ctx, all.steps[min(i, len(all.steps)-1)], args[i]...)
		if err != nil {
			return 0, err
		}
		if i == 0 {
			first = n
		}
		if first == 0 && all.decides {
			break
		}
	}
	return first, nil
}
