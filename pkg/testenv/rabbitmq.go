package testenv

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"
)

// vhostPrefix begins the name of every virtual host that this package makes.
const vhostPrefix = "homing_t"

var sweepRabbitMQ sync.Once

// RabbitMQ returns the AMQP URL of a new, empty virtual host, deleted with its queues when the test ends (its
// connections are closed by that). The user may configure, write and read everything in it.
func RabbitMQ(t testing.TB) string {
	t.Helper()
	sweepRabbitMQ.Do(func() { deleteAbandoned(t) })
	amqp, err := url.Parse(setting(t, envRabbitMQ))
	if err != nil {
		t.Fatalf("testenv: %s is not a URL", envRabbitMQ) // not the cause: it would quote the password
	}
	user := "guest"
	if amqp.User != nil {
		user = amqp.User.Username()
	}
	name, err := newRoom(vhostPrefix)
	if err != nil {
		t.Fatal(err)
	}
	manage(t, http.MethodPut, "/api/vhosts/"+name, map[string]string{"description": t.Name()}, nil)
	t.Cleanup(func() { manage(t, http.MethodDelete, "/api/vhosts/"+name, nil, nil) })
	manage(t, http.MethodPut, "/api/permissions/"+name+"/"+url.PathEscape(user),
		map[string]string{"configure": ".*", "write": ".*", "read": ".*"}, nil)
	amqp.Path = "/" + name
	return amqp.String()
}

// RabbitMQManagement returns the base URL of the shared RabbitMQ's management API, with user and password in it. A test
// uses it to look at its own virtual host (the path of the URL that [RabbitMQ] gave it), never to change the server.
func RabbitMQManagement(t testing.TB) string {
	t.Helper()
	return setting(t, envManagement)
}

// deleteAbandoned removes the virtual hosts of processes that are gone.
func deleteAbandoned(t testing.TB) {
	t.Helper()
	var hosts []struct {
		Name string `json:"name"`
	}
	manage(t, http.MethodGet, "/api/vhosts", nil, &hosts)
	for _, host := range hosts {
		if abandoned(host.Name, vhostPrefix, time.Now()) {
			manage(t, http.MethodDelete, "/api/vhosts/"+url.PathEscape(host.Name), nil, nil)
		}
	}
}

// manage makes one call of the management API and fails the test when it is refused. A body and an answer of nil are
// none. What is already gone (404 to a DELETE) is fine: another process may sweep at the same time.
func manage(t testing.TB, method, path string, body, answer any) {
	t.Helper()
	ctx, cancel := callContext()
	defer cancel()
	sent, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(ctx, method, setting(t, envManagement)+path, bytes.NewReader(sent))
	if err != nil {
		t.Fatalf("testenv: %s is not a URL", envManagement) // not the cause: it would quote the password
	}
	request.Header.Set("Content-Type", "application/json")
	if err := call(request, answer); err != nil {
		t.Fatalf("testenv: RabbitMQ management API: %v: %s", err, howTo)
	}
}

func call(request *http.Request, answer any) error {
	// A connection kept for later would be a goroutine that goleak finds in the test.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound && request.Method == http.MethodDelete {
		return nil
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s", request.Method, request.URL.Path, response.Status)
	}
	if answer == nil {
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
