package host

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUntidyPathsAreNotRedirected(t *testing.T) {
	t.Parallel()
	r := routes{"/": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })}
	for path, want := range map[string]int{
		"/": http.StatusAccepted, "//": http.StatusNotFound, "/x/..": http.StatusNotFound, "/events": http.StatusNotFound,
	} {
		w := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodPost, "/", nil)
		req.URL.Path = path
		r.ServeHTTP(w, req)
		require.Equal(t, want, w.Code, "%s: a broker would take a redirect for success", path)
	}
}
