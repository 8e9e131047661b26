package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
)

// recovered turns a panic of a handler into a log message and an answer 500, if no answer has begun.
func recovered(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := &answerWatch{ResponseWriter: w}
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint // this very value, by net/http's own contract
				panic(v)
			}
			// The value may hold a payload, so its type has to do; the stack says where to look.
			log.LogAttrs(r.Context(), slog.LevelError, "a handler panicked",
				slog.String("method", r.Method), slog.String("path", r.URL.Path),
				slog.String("value", fmt.Sprintf("%T", v)), slog.String("stack", string(debug.Stack())))
			if watched.begun {
				panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
			}
			WriteProblem(w, Problem{Kind: KindInternal})
		}()
		next.ServeHTTP(watched, r)
	})
}

// answerWatch notes whether an answer has begun.
type answerWatch struct {
	http.ResponseWriter
	begun bool
}

func (w *answerWatch) WriteHeader(status int) {
	w.begun = w.begun || status >= http.StatusOK
	w.ResponseWriter.WriteHeader(status)
}

func (w *answerWatch) Write(b []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *answerWatch) Unwrap() http.ResponseWriter { return w.ResponseWriter }
