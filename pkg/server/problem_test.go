package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/gate"
	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/timer"
)

// want is the table once more, as clients know it: a change here breaks them.
var want = []struct {
	err    error
	kind   server.Kind
	status int
}{
	{server.ErrBadRequest, "bad-request", 400},
	{server.ErrUnauthenticated, "unauthenticated", 401},
	{server.ErrForbidden, "forbidden", 403},
	{store.ErrNotFound, "not-found", 404},
	{server.ErrMethod, "method-not-allowed", 405},
	{store.ErrConflict, "conflict", 409},
	{server.ErrTooLarge, "too-large", 413},
	{server.ErrMediaType, "unsupported-media-type", 415},
	{store.ErrInvalid, "invalid", 422},
	{server.ErrTooMany, "too-many-requests", 429},
	{server.ErrInternal, "internal", 500},
	{store.ErrUnavailable, "unavailable", 503},
}

func TestErrorsGoThereAndBack(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "problems.md"))
	require.NoError(t, err)
	for _, row := range want {
		t.Run(string(row.kind), func(t *testing.T) {
			t.Parallel()
			wrapped := fmt.Errorf("step: %w", row.err)
			w := httptest.NewRecorder()
			internal := server.WriteError(w, wrapped)
			require.Equal(t, row.kind == "internal", internal)
			r := w.Result()
			require.Equal(t, row.status, r.StatusCode)
			require.Equal(t, row.status, row.kind.Status())
			require.Equal(t, "application/problem+json", r.Header.Get("Content-Type"))
			require.ErrorIs(t, server.ReadError(r), row.err, "by the type of the document")

			for _, other := range want {
				require.Equal(t, other.kind == row.kind, errors.Is(row.kind.Err(), other.err))
			}
			bare := &http.Response{StatusCode: row.status, Body: http.NoBody}
			require.ErrorIs(t, server.ReadError(bare), row.err, "by the status alone")
			require.Contains(t, string(docs), fmt.Sprintf("\n## %s\n\n%d. ", row.kind, row.status))
		})
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	for _, err := range []error{bus.ErrUnavailable, timer.ErrUnavailable, gate.ErrUnavailable, context.DeadlineExceeded} {
		require.Equal(t, server.KindUnavailable, server.KindOf(fmt.Errorf("x: %w", err)))
	}
	require.Equal(t, server.KindTooLarge, server.KindOf(fmt.Errorf("x: %w", &http.MaxBytesError{Limit: 1})))
	require.Equal(t, server.KindInternal, server.KindOf(io.ErrUnexpectedEOF))
	require.Equal(t, 500, server.Kind("new").Status())
	require.ErrorIs(t, server.Kind("new").Err(), server.ErrInternal)
}

func TestWhatAClientSees(t *testing.T) {
	t.Parallel()

	t.Run("TheExplanationAndNotTheText", func(t *testing.T) {
		t.Parallel()
		err := server.Explain(fmt.Errorf("select from secrets: %w", store.ErrInvalid), server.Problem{
			Detail: "<two> values are wrong", Faults: []server.Fault{{Field: "url", Detail: "has a fragment"}},
		})
		w := httptest.NewRecorder()
		server.WriteError(w, fmt.Errorf("api: %w", err))
		require.Equal(t, `{"type":"https://github.com/homing-hooks/homing/blob/main/docs/problems.md#invalid",`+
			`"title":"A value is not valid","status":422,"detail":"<two> values are wrong",`+
			`"errors":[{"field":"url","detail":"has a fragment"}]}`+"\n", w.Body.String())
		back := server.ProblemOf(server.ReadError(w.Result()))
		require.Equal(t, server.Problem{
			Kind: "invalid", Detail: "<two> values are wrong",
			Faults: []server.Fault{{Field: "url", Detail: "has a fragment"}},
		}, back)
	})

	t.Run("NothingOfAnInternalError", func(t *testing.T) {
		t.Parallel()
		w := httptest.NewRecorder()
		require.True(t, server.WriteError(w, server.Explain(errors.New("pq: password"), server.Problem{Detail: "secret"})))
		require.NotContains(t, w.Body.String(), "password")
		require.NotContains(t, w.Body.String(), "secret")
	})

	t.Run("WhenToTryAgain", func(t *testing.T) {
		t.Parallel()
		for _, tc := range []struct {
			err  error
			want string
		}{
			{store.ErrUnavailable, "5"},
			{server.Explain(server.ErrTooMany, server.Problem{RetryAfter: 1500 * time.Millisecond}), "2"},
			{store.ErrConflict, ""},
		} {
			w := httptest.NewRecorder()
			server.WriteError(w, tc.err)
			require.Equal(t, tc.want, w.Header().Get("Retry-After"))
		}
		w := httptest.NewRecorder()
		server.WriteError(w, server.ErrTooMany)
		require.Equal(t, 5*time.Second, server.ProblemOf(server.ReadError(w.Result())).RetryAfter)
	})

	t.Run("HowToAuthenticate", func(t *testing.T) {
		t.Parallel()
		w := httptest.NewRecorder()
		server.WriteError(w, server.ErrUnauthenticated)
		require.Equal(t, `Bearer realm="homing"`, w.Header().Get("WWW-Authenticate"))
	})

	t.Run("AnUnknownKindIsInternal", func(t *testing.T) {
		t.Parallel()
		w := httptest.NewRecorder()
		server.WriteProblem(w, server.Problem{Kind: "new", Detail: "x"})
		require.Equal(t, 500, w.Code)
	})
}

// An answer of something in between, a proxy say, is an error too, whatever it is.
func FuzzReadError(f *testing.F) {
	f.Add(502, "text/html", "<html>", "soon")
	f.Add(503, "application/problem+json; charset=utf-8", `{"type":"x","detail":"y"}`, "99999999999")
	f.Add(404, "application/problem+json", `{"type":`, "-1")
	f.Fuzz(func(t *testing.T, status int, media, body, retry string) {
		w := httptest.NewRecorder()
		_, _ = io.WriteString(w.Body, body)
		err := server.ReadError(&http.Response{
			StatusCode: status, Body: io.NopCloser(w.Body), Status: "x",
			Header: http.Header{"Content-Type": {media}, "Retry-After": {retry}},
		})
		require.Error(t, err)
		require.GreaterOrEqual(t, server.ProblemOf(err).RetryAfter, time.Duration(0))
	})
}
