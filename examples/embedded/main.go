// Embedded is a small web application with Postern in it: everybody has notes and
// sees their own. Accounts, sessions and notes are in one SQLite file, and the
// official clients' API is served by the same process.
//
//	go run ./examples/embedded
//
// then open http://127.0.0.1:8080.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/httpadapter"
	"github.com/postern-auth/postern/store"
	"github.com/postern-auth/postern/store/sqlite"
)

func main() {
	address := flag.String("address", "127.0.0.1:8080", "where to listen")
	file := flag.String("file", "notes.db", "the SQLite file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *address, *file); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address, file string) error {
	app, err := open(ctx, file)
	if err != nil {
		return err
	}
	defer app.store.Close()
	go app.auth.Run(ctx) // removes what has expired

	server := &http.Server{Addr: address, Handler: app.routes(), ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	})
	log.Printf("open http://%s", address)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// app is the application: its own part of the database, and the accounts.
type app struct {
	store *store.Store
	auth  *postern.Auth
}

// The application's table stands beside Postern's. A user who is deleted takes
// the notes along.
const schema = `CREATE TABLE IF NOT EXISTS notes (
	id      INTEGER PRIMARY KEY,
	user_id TEXT NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE,
	text    TEXT NOT NULL CHECK (length(text) BETWEEN 1 AND 1000)
)`

// note is a row of that table.
type note struct {
	bun.BaseModel `bun:"table:notes"`

	ID     int64     `bun:",pk,autoincrement" json:"id"`
	UserID uuid.UUID `json:"-"`
	Text   string    `json:"text"`
}

func open(ctx context.Context, file string) (*app, error) {
	st, err := sqlite.Open(ctx, file)
	if err != nil {
		return nil, err
	}
	auth, err := prepare(ctx, st)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return &app{store: st, auth: auth}, nil
}

func prepare(ctx context.Context, st *store.Store) (*postern.Auth, error) {
	if err := st.Migrate(ctx); err != nil {
		return nil, err
	}
	if _, err := st.DB().ExecContext(ctx, schema); err != nil {
		return nil, err
	}
	return postern.New(st, postern.Config{
		Email: postern.EmailConfig{Autoconfirm: true}, // nobody has to prove an address here
	})
}

//go:embed page.html
var page []byte

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(page)
	})
	mux.HandleFunc("POST /join", a.join)

	// The whole of the API, for the page's own fetch and for every official client.
	mux.Handle("/auth/v1/", http.StripPrefix("/auth/v1", httpadapter.New(a.auth, httpadapter.Options{})))

	// Whoever gets past RequireUser is in the context.
	signedIn := httpadapter.RequireUser(a.auth)
	mux.Handle("GET /notes", signedIn(http.HandlerFunc(a.listNotes)))
	mux.Handle("POST /notes", signedIn(http.HandlerFunc(a.addNote)))
	return mux
}

func (a *app) listNotes(w http.ResponseWriter, r *http.Request) {
	notes := []note{}
	err := a.store.DB().NewSelect().Model(&notes).
		Where("user_id = ?", postern.UserFromContext(r.Context()).ID).Order("id").Scan(r.Context())
	if err != nil {
		fail(w, err)
		return
	}
	respond(w, http.StatusOK, notes)
}

func (a *app) addNote(w http.ResponseWriter, r *http.Request) {
	var n note
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10)).Decode(&n); err != nil {
		http.Error(w, "that is no note", http.StatusBadRequest)
		return
	}
	n.ID, n.UserID = 0, postern.UserFromContext(r.Context()).ID
	if err := n.insert(r.Context(), a.store.DB()); err != nil {
		fail(w, err)
		return
	}
	respond(w, http.StatusCreated, n)
}

var errBadNote = errors.New("a note has between 1 and 1000 characters")

func (n *note) insert(ctx context.Context, db bun.IDB) error {
	if length := len([]rune(n.Text)); length < 1 || length > 1000 {
		return errBadNote
	}
	_, err := db.NewInsert().Model(n).Exec(ctx)
	return err
}

// join takes the page's form, for which the browser needs no JavaScript: a new
// account, and its first note.
func (a *app) join(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	who := postern.SignUpParams{Email: r.PostFormValue("email"), Password: r.PostFormValue("password")}
	if err := a.signUpWithNote(r.Context(), who, r.PostFormValue("note")); err != nil {
		fail(w, err)
		return
	}
	http.Redirect(w, r, "/#joined", http.StatusSeeOther)
}

// signUpWithNote makes both or neither: an account without its note is as
// impossible as a note without its account. The *Auth that In returns writes into
// the transaction, and only there.
func (a *app) signUpWithNote(ctx context.Context, who postern.SignUpParams, text string) error {
	return a.store.DB().RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		account, err := a.auth.In(a.store.Join(tx)).SignUp(ctx, who)
		if err != nil {
			return err
		}
		first := note{UserID: account.Session.User.ID, Text: text}
		return first.insert(ctx, tx)
	})
}

// fail shows what the user can do something about, and logs the rest.
func fail(w http.ResponseWriter, err error) {
	var refusal *postern.Error
	switch {
	case errors.Is(err, errBadNote):
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	case errors.As(err, &refusal) && refusal.Kind != postern.KindInternal:
		http.Error(w, refusal.Message, http.StatusUnprocessableEntity)
	default:
		log.Print(err)
		http.Error(w, "something went wrong", http.StatusInternalServerError)
	}
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who has hung up misses nothing
}
