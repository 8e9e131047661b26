// Command agent is everybody around Homing for the test on a cluster (test/knative/e2e), in one pod: producers, who
// send events to the public face or to the broker; receivers, who verify, log and answer webhooks by script; and a way
// into the cluster for whoever drives the test.
//
// It owns no state but its log in memory, promises to note a POST before it answers it, and is never deployed with
// Homing.
//
//	PUT  /hooks/NAME   how the receiver NAME answers (hook), and the secret that it verifies with
//	POST /hooks/NAME   a webhook
//	GET  /posts?from=N the log, from its entry N on
//	POST /send         sends events (order), and answers once all are accepted (sent)
//	a proxy request    goes where it says
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"net/http/httputil"
	"time"
)

func main() {
	server := &http.Server{Addr: ":8080", Handler: newAgent(), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// newAgent is the handler of all requests.
func newAgent() http.Handler {
	r := &receiver{hooks: make(map[string]*hook)}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /hooks/{name}", r.change)
	mux.HandleFunc("POST /hooks/{name}", r.take)
	mux.HandleFunc("GET /posts", r.list)
	mux.HandleFunc("POST /send", send)
	proxy := &httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.IsAbs() {
			proxy.ServeHTTP(w, req)
			return
		}
		mux.ServeHTTP(w, req)
	})
}

// reply answers in JSON.
func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		log.Print(err) // the asker has gone
	}
}
