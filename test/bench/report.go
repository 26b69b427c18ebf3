package main

import (
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

const explanation = `Processor time is that of the server and of all of the database's processes, for
one request. Only proportions of figures of this run hold. GoTrue's were taken
on another day, on a machine of the kind that docs/performance.md names; they
compare as far as this machine's floor is like that one's.
`

// table is a table of figures.
type table struct {
	variants string  // the heading of what distinguishes rows of the same name; "" without
	peers    bool    // GoTrue's figures are beside them
	mark     float64 // ratios above this are marked; 0 for none
	rows     []row
}

// row is a line of a table. It is compared with the first one of its name.
type row struct {
	name, variant string
	figures
	failure string // stands in place of the figures
	peer    peer
}

func (t table) print(w io.Writer) {
	head := []string{"scenario"}
	if t.variants != "" {
		head = append(head, t.variants)
	}
	head = append(head, "requests/s", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "server µs", "database µs", "sum µs")
	if t.variants != "" {
		head = append(head, "requests/s ÷ first", "sum ÷ first")
	}
	if t.peers {
		head = append(head, "requests/s ÷ GoTrue", "GoTrue µs", "GoTrue ÷ sum")
	}
	lines := [][]string{head, rule(len(head))}
	first := map[string]row{}
	for _, r := range t.rows {
		if _, ok := first[r.name]; !ok {
			first[r.name] = r
		}
		lines = append(lines, t.line(r, first[r.name], len(head)))
	}
	printAligned(w, lines)
}

// rule is the line of a table in Markdown that says that figures stand to the right.
func rule(columns int) []string {
	line := []string{"---"}
	for len(line) < columns {
		line = append(line, "---:")
	}
	return line
}

func (t table) line(r, first row, columns int) []string {
	line := []string{r.name}
	if t.variants != "" {
		line = append(line, r.variant)
	}
	if r.failure != "" {
		line = append(line, r.failure)
		return append(line, make([]string, columns-len(line))...)
	}
	line = append(line, fmt.Sprintf("%.0f", r.perSecond))
	for _, p := range []time.Duration{r.p50, r.p95, r.p99, r.p999} {
		line = append(line, fmt.Sprintf("%.2f", milliseconds(p)))
	}
	line = append(line, micros(r.server), micros(r.database), micros(r.cpu()))
	if t.variants != "" {
		cost := quotient(float64(r.cpu()), float64(first.cpu()))
		line = append(line, ratio(quotient(r.perSecond, first.perSecond)), ratio(cost)+t.marked(cost))
	}
	if t.peers {
		line = append(line, ratio(quotient(r.perSecond, r.peer.perSecond)), micros(r.peer.cpu), ratio(quotient(float64(r.peer.cpu), float64(r.cpu()))))
	}
	return line
}

// marked returns the mark of a ratio.
func (t table) marked(ratio float64) string {
	switch {
	case t.mark == 0:
		return ""
	case ratio > t.mark:
		return " !"
	}
	return "  "
}

// quotient is 0 where one of the two is not known.
func quotient(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// ratio prints a quotient, and nothing where there is none.
func ratio(q float64) string {
	if q == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", q)
}

// printAligned prints a table in Markdown that can be read as it is: names to the
// left, figures to the right.
func printAligned(w io.Writer, table [][]string) {
	widths := make([]int, len(table[0]))
	for _, line := range table {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range table {
		fmt.Fprintf(w, "| %-*s |", widths[0], line[0])
		for i, cell := range line[1:] {
			fmt.Fprintf(w, " %*s |", widths[i+1], cell)
		}
		fmt.Fprintln(w)
	}
}

// micros prints a time, and nothing where it is not known.
func micros(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", float64(d)/float64(time.Microsecond))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }
