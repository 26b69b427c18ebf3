package main

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/goenv"
)

// openLog returns the log, and what closes it. Unless the settings say which, it is
// for a person on a terminal and for programs anywhere else.
func openLog(l goenv.Log, stderr io.Writer) (*slog.Logger, func() error, error) {
	w, closeFile := stderr, func() error { return nil }
	if l.File != "" {
		file, err := os.OpenFile(l.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
		if err != nil {
			return nil, nil, mistake{fmt.Errorf("GOTRUE_LOG_FILE: %w", err)}
		}
		w, closeFile = file, file.Close
	}
	var h slog.Handler
	if options := (&slog.HandlerOptions{Level: l.Level}); l.Format == "text" || l.Format == "" && isTerminal(w) {
		h = slog.NewTextHandler(w, options)
	} else {
		h = slog.NewJSONHandler(w, options)
	}
	logger := slog.New(postern.LogRequestID(h))
	for _, name := range slices.Sorted(maps.Keys(l.Fields)) {
		logger = logger.With(name, l.Fields[name])
	}
	return logger, closeFile, nil
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
