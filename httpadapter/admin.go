package httpadapter

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/postern-auth/postern"
)

// adminUserBody is what an operator says of a user.
type adminUserBody struct {
	ID           string         `json:"id"`
	Aud          string         `json:"aud"`
	Role         string         `json:"role"`
	Email        string         `json:"email"`
	Phone        string         `json:"phone"`
	Password     *string        `json:"password"`
	PasswordHash string         `json:"password_hash"`
	EmailConfirm bool           `json:"email_confirm"`
	PhoneConfirm bool           `json:"phone_confirm"`
	UserMetadata map[string]any `json:"user_metadata"`
	AppMetadata  map[string]any `json:"app_metadata"`
	BanDuration  string         `json:"ban_duration"`
}

func decodeAdminUser(r *http.Request) (adminUserBody, error) {
	type AdminUserParams adminUserBody
	var p AdminUserParams
	err := decode(r, &p)
	return adminUserBody(p), err
}

// adminCreateUser serves POST /admin/users.
func (s *server) adminCreateUser(w http.ResponseWriter, r *http.Request) error {
	p, err := decodeAdminUser(r)
	if err != nil {
		return err
	}
	id, err := chosenID(p.ID)
	if err != nil {
		return err
	}
	user, err := s.auth.AdminCreateUser(r.Context(), postern.AdminCreateUserParams{
		ID: id, Email: p.Email, Phone: p.Phone, Password: p.Password, PasswordHash: p.PasswordHash,
		EmailConfirm: p.EmailConfirm, PhoneConfirm: p.PhoneConfirm,
		UserMetadata: p.UserMetadata, AppMetadata: p.AppMetadata,
		Role: p.Role, Audience: cmp.Or(p.Aud, audienceOf(r)), BanDuration: p.BanDuration,
	})
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, user)
}

// chosenID is the id that an operator wants a user to have, uuid.Nil for any.
func chosenID(s string) (uuid.UUID, error) {
	if s == "" {
		return uuid.Nil, nil
	}
	id, ok := parseUUID(s)
	switch {
	case !ok:
		return uuid.Nil, invalid("ID must conform to the uuid v4 format")
	case id == uuid.Nil:
		return uuid.Nil, invalid("ID cannot be a nil uuid")
	}
	return id, nil
}

// adminUser serves GET /admin/users/{user_id}.
func (s *server) adminUser(w http.ResponseWriter, r *http.Request) error {
	id, err := pathUUID(r, "user_id")
	if err != nil {
		return err
	}
	user, err := s.auth.AdminUser(r.Context(), id)
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, user)
}

// adminUpdateUser serves PUT /admin/users/{user_id}.
func (s *server) adminUpdateUser(w http.ResponseWriter, r *http.Request) error {
	id, err := pathUUID(r, "user_id")
	if err != nil {
		return err
	}
	p, err := decodeAdminUser(r)
	if err != nil {
		return err
	}
	user, err := s.auth.AdminUpdateUser(r.Context(), id, postern.AdminUpdateUserParams{
		Email: p.Email, Phone: p.Phone, Password: p.Password,
		EmailConfirm: p.EmailConfirm, PhoneConfirm: p.PhoneConfirm,
		UserMetadata: p.UserMetadata, AppMetadata: p.AppMetadata,
		Role: p.Role, BanDuration: p.BanDuration,
	})
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, user)
}

type adminUserDeleteParams struct {
	ShouldSoftDelete bool `json:"should_soft_delete"`
}

// adminDeleteUser serves DELETE /admin/users/{user_id}, with or without a body.
func (s *server) adminDeleteUser(w http.ResponseWriter, r *http.Request) error {
	id, err := pathUUID(r, "user_id")
	if err != nil {
		return err
	}
	var p adminUserDeleteParams
	if err := decodeOptional(r, &p); err != nil {
		return err
	}
	if err := s.auth.AdminDeleteUser(r.Context(), id, p.ShouldSoftDelete); err != nil {
		return err
	}
	return respond(w, http.StatusOK, struct{}{})
}

// adminListUsers serves GET /admin/users, by page number or by cursor.
func (s *server) adminListUsers(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	byCursor := s.cursorPagination && q.Get("page") == "" && q.Get("per_page") == ""
	p, err := listParams(q, byCursor)
	if err != nil {
		return err
	}
	p.Audience = audienceOf(r)
	list, err := s.auth.AdminListUsers(r.Context(), p)
	if err != nil {
		return err
	}
	at := pageLinks{r.URL.Path, q}
	if p := list.Pagination; p == nil {
		at.setNumbers(w.Header(), list.Page, list.PerPage, list.Total)
	} else if p.HasMore {
		w.Header().Set("Link", at.link("cursor", p.NextCursor, "next"))
	}
	return respond(w, http.StatusOK, list)
}

func listParams(q url.Values, byCursor bool) (p postern.AdminListUsersParams, err error) {
	p.Filter = q.Get("filter")
	if byCursor {
		p.ByCursor, p.Cursor = true, q.Get("cursor")
		if p.PerPage, err = limitParam(q.Get("limit")); err != nil {
			return p, err
		}
	} else if p.Page, p.PerPage, err = pageParams(q); err != nil {
		return p, err
	}
	p.Ascending, err = ascending(q["sort"])
	return p, err
}

// pageParams reads which page is asked for, by number, and of which size.
func pageParams(q url.Values) (page, perPage int, err error) {
	if page, err = numberParam(q.Get("page")); err == nil {
		perPage, err = numberParam(q.Get("per_page"))
	}
	return page, perPage, err
}

// numberParam reads a parameter of pagination, 0 for none. No list is so long
// that what lies beyond MaxInt32 made a difference, and no sum overflows below.
func numberParam(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, invalid("Bad Pagination Parameters: %v", err)
	}
	return int(min(n, math.MaxInt32)), nil
}

func limitParam(s string) (int, error) {
	n, err := numberParam(s)
	if err == nil && s != "" && n == 0 {
		err = invalid("Bad Pagination Parameters: limit must be greater than 0")
	}
	return n, err
}

// ascending reads the sort parameters: a field and, after a space, a direction.
// There is one field to sort by, so what the first says stands.
func ascending(sort []string) (bool, error) {
	first := false
	for i, s := range sort {
		field, direction, directed := strings.Cut(s, " ")
		if field != "created_at" {
			return false, invalid("Bad Sort Parameters: bad field for sort '%s'", field)
		}
		up := strings.EqualFold(direction, "asc")
		if directed && !up && !strings.EqualFold(direction, "desc") {
			return false, invalid("Bad Sort Parameters: bad direction for sort '%s', only 'asc' and 'desc' allowed", direction)
		}
		if i == 0 {
			first = up
		}
	}
	return first, nil
}

// pageLinks are where the other pages of a list are (RFC 8288).
type pageLinks struct {
	path  string
	query url.Values
}

func (l pageLinks) link(name, value, relation string) string {
	l.query.Set(name, value)
	return fmt.Sprintf(`<%s?%s>; rel="%s"`, (&url.URL{Path: l.path}).EscapedPath(), l.query.Encode(), relation)
}

// setNumbers says how long a list is that is read by page numbers, and where it goes
// on.
func (l pageLinks) setNumbers(h http.Header, page, perPage, total int) {
	pages := (total + perPage - 1) / perPage
	var links []string
	if page < pages {
		links = append(links, l.link("page", strconv.Itoa(page+1), "next"))
	}
	links = append(links, l.link("page", strconv.Itoa(pages), "last"))
	h.Set("Link", strings.Join(links, ", "))
	h.Set("X-Total-Count", strconv.Itoa(total))
}
