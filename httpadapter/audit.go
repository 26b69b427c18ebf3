package httpadapter

import (
	"net/http"

	"github.com/postern-auth/postern"
)

// adminAuditLog serves GET /admin/audit.
func (s *server) adminAuditLog(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	search := postern.AuditQuery{Search: q.Get("query")}
	var err error
	if search.Page, search.PerPage, err = pageParams(q); err != nil {
		return err
	}
	page, err := s.auth.AdminAuditLog(r.Context(), search)
	if err != nil {
		return err
	}
	pageLinks{r.URL.Path, q}.setNumbers(w.Header(), page.Page, page.PerPage, page.Total)
	return respond(w, http.StatusOK, append([]postern.AuditEntry{}, page.Entries...)) // [] and not null
}
