package httpadapter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
	"github.com/postern-auth/postern/internal/jsontext"
)

// maxBody is the largest body of a request in bytes.
const maxBody = 1 << 20

// decode reads the JSON body of a request into v, which points to a struct.
// Unknown members are ignored, and numbers in metadata keep all their digits.
//
// The structs are declared in the handlers under GoTrue's names for them, which
// are part of the wire: encoding/json puts them into its errors.
func decode(r *http.Request, v any) error {
	body, err := readBody(r)
	if err != nil {
		return err
	}
	return parse(body, v)
}

// decodeOptional is decode for a body that may be left out.
func decodeOptional(r *http.Request, v any) error {
	body, err := readBody(r)
	if err != nil || len(body) == 0 {
		return err
	}
	return parse(body, v)
}

// readBody returns what limitBody lets through. A form leaves nothing: GoTrue
// looks for parameters in it first, which uses it up.
func readBody(r *http.Request) ([]byte, error) {
	_ = r.ParseForm() // what is wrong with a form does not matter, it is no JSON
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, &tooLarge):
		return nil, &postern.Error{
			Kind: postern.KindTooLarge, Code: postern.ErrRequestTooLarge,
			Message: fmt.Sprintf("Request body too large (max %d bytes)", tooLarge.Limit), Err: err,
		}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("the request body did not arrive: %w", err)
	}
	return nil, &postern.Error{
		Kind: postern.KindInvalid, Code: postern.ErrBadJSON, Message: "Could not read request body", Err: err,
	}
}

func parse(body []byte, v any) error {
	if err := unmarshal(body, v); err != nil {
		return &postern.Error{
			Kind: postern.KindInvalid, Code: postern.ErrBadJSON,
			Message: "Could not parse request body as JSON: " + err.Error(),
		}
	}
	return nil
}

var errNull = errors.New("null is no object")

// unmarshal is json.Unmarshal, to the wording of its errors, with three
// differences: it refuses null and what no database stores, and takes numbers as
// they are written.
func unmarshal(body []byte, v any) error {
	if err := jsontext.Check(body); err != nil {
		return err
	}
	var whole json.RawMessage // a Decoder would not look beyond the first value
	if err := json.Unmarshal(body, &whole); err != nil {
		return err
	}
	if bytes.Equal(whole, []byte("null")) {
		return errNull
	}
	if err := jsontext.CheckNumbers(whole); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(whole))
	d.UseNumber()
	return d.Decode(v)
}

// parseUUID accepts a UUID as RFC 9562 §4 writes it, not its other spellings.
func parseUUID(s string) (uuid.UUID, bool) {
	id, err := uuid.Parse(s)
	return id, err == nil && len(s) == len(uuid.Nil.String())
}

// pathUUID reads a parameter of the path.
func pathUUID(r *http.Request, name string) (uuid.UUID, error) {
	id, ok := parseUUID(r.PathValue(name))
	if !ok {
		return uuid.Nil, &postern.Error{
			Kind: postern.KindNotFound, Code: postern.ErrValidationFailed, Message: name + " must be an UUID",
		}
	}
	return id, nil
}

// wireUUID is a member of a body that holds a UUID.
type wireUUID uuid.UUID

// UnmarshalText is parseUUID, with GoTrue's words for what is none.
func (u *wireUUID) UnmarshalText(text []byte) error {
	id, ok := parseUUID(string(text))
	switch {
	case ok:
		*u = wireUUID(id)
	case len(text) != len(uuid.Nil.String()):
		return fmt.Errorf("uuid: incorrect UUID length %d in string %q", len(text), text)
	default:
		return fmt.Errorf("uuid: incorrect UUID format in string %q", text)
	}
	return nil
}
