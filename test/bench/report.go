package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// results are all figures of a run.
type results struct {
	options
	binary    int64 // bytes
	floor     []row
	databases []*databaseResults
}

// databaseResults are those on one database.
type databaseResults struct {
	name              string
	rows              []row
	firstStart, start time.Duration // to the first answer: on an empty database, and later
	idle, loaded      int64         // resident bytes
}

// row is a line of a table.
type row struct {
	name string
	figures
	peer peer
}

const explanation = `Processor time is that of the server and of all of the database's processes, for
one request. Only proportions of figures of this run hold. GoTrue's were taken
on another day, on a machine of the kind that docs/performance.md names; they
compare as far as this machine's floor is like that one's.
`

func (r *results) print(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%v a run after %v of warm-up, median of %d, %d connections, %d users. Binary %.1f MB.\n\n%s",
		r.meter.duration, r.meter.warmUp, r.runs, r.meter.connections, r.users, megabytes(r.binary), explanation)
	fmt.Fprint(&text, "\n### Floor\n\n")
	printTable(&text, r.floor)
	for _, d := range r.databases {
		fmt.Fprintf(&text, "\n### %s\n\n", d.name)
		printTable(&text, d.rows)
		fmt.Fprintf(&text, "\nResident memory %.0f MB idle, %.0f MB after the load. Start to first answer %.0f ms; %.0f ms on an empty database.\n",
			megabytes(d.idle), megabytes(d.loaded), milliseconds(d.start), milliseconds(d.firstStart))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func printTable(w io.Writer, rows []row) {
	table := [][]string{
		{"scenario", "requests/s", "p50 ms", "p99 ms", "server µs", "database µs", "sum µs", "GoTrue µs", "GoTrue ÷ this"},
		{"---", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:"},
	}
	for _, r := range rows {
		theirs, ratio := "", ""
		if sum := r.server + r.database; r.peer.cpu > 0 && sum > 0 {
			theirs, ratio = micros(r.peer.cpu), fmt.Sprintf("%.1f", float64(r.peer.cpu)/float64(sum))
		}
		table = append(table, []string{
			r.name, fmt.Sprintf("%.0f", r.perSecond), fmt.Sprintf("%.2f", milliseconds(r.p50)), fmt.Sprintf("%.2f", milliseconds(r.p99)),
			micros(r.server), micros(r.database), micros(r.server + r.database), theirs, ratio,
		})
	}
	printAligned(w, table)
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

func micros(d time.Duration) string { return fmt.Sprintf("%.0f", float64(d)/float64(time.Microsecond)) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }
