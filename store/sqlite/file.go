package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// prepareFile sees to it that there is a file, and returns its URI. Errors are the
// end of a sentence that starts with the path.
func prepareFile(path string) (url.URL, error) {
	if path == "" || path == ":memory:" || strings.HasPrefix(path, "file:") {
		return url.URL{}, errors.New("is not the path of a file; for a database in memory there is OpenMemory")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return url.URL{}, fmt.Errorf("cannot be found: %w", err)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = create(path)
	case err == nil && info.IsDir():
		return url.URL{}, errors.New("is a directory")
	}
	if err != nil {
		return url.URL{}, fmt.Errorf("cannot be opened or made: %w", err)
	}
	return fileURI(path), nil
}

// create makes an empty file that only its owner can read, since it will hold
// private keys and SQLite would let everybody. The name comes with a link, to a
// file that is closed already: on many systems closing a file ends the locks that
// the process, another Store in it for one, has on it.
func create(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".postern-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := f.Close(); err != nil {
		return err
	}
	// It fails when somebody else was first, or where there are no links; there
	// SQLite makes the file.
	_ = os.Link(f.Name(), path)
	return nil
}

// fileURI returns an absolute path as a URI that SQLite understands
// (https://sqlite.org/uri.html).
func fileURI(path string) url.URL {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	return url.URL{Scheme: "file", Path: path}
}
