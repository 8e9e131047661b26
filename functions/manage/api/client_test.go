package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/client"
)

// recorded is the API as a client's transport; it keeps the last request and answer.
type recorded struct {
	api          http.Handler
	method, path string
	text         string
}

func (r *recorded) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	r.api.ServeHTTP(w, req)
	r.method, r.path, r.text = req.Method, req.URL.Path, w.Body.String()
	return w.Result(), nil
}

// TestTheClientLosesNothing calls every operation of the document by the method of pkg/client, and requires that what
// the method returns is all that was answered.
func TestTheClientLosesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for id, op := range b.operations() {
		b.tenant, b.key = b.newTenant()
		e := b.examples()[id]
		key := b.key
		if e.operator {
			key = b.operator
		}
		transport := &recorded{api: b.api}
		c, err := client.New("http://homing.test", key, client.WithHTTPClient(&http.Client{Transport: transport}))
		require.NoError(t, err)
		out := b.callMethod(c, id, op.Path, e)
		require.Equal(t, op.Method, transport.method, id)
		path, _, _ := strings.Cut(e.path, "?")
		require.Equal(t, path, transport.path, id)
		if out == nil {
			continue // an operation without an answer
		}
		text, err := json.Marshal(out)
		require.NoError(t, err)
		require.JSONEq(t, transport.text, string(text), id)
	}
}

// callMethod calls the method of an operation with an example's ids and body, and returns its answer; of a list, the
// first page.
func (b *bundle) callMethod(c *client.Client, id, pattern string, e example) any {
	b.Helper()
	name := strings.ToUpper(id[:1]) + id[1:]
	method := reflect.ValueOf(c).MethodByName(name + "Page")
	if !method.IsValid() {
		method = reflect.ValueOf(c).MethodByName(name)
	}
	require.True(b, method.IsValid(), "pkg/client has no method %s: run make generate", name)
	ids := idsOf(pattern, e.path)
	arguments := []reflect.Value{reflect.ValueOf(b.Context())}
	for i := 1; i < method.Type().NumIn()-1; i++ { // without the context and the options
		value := reflect.New(method.Type().In(i))
		switch kind := method.Type().In(i); {
		case kind.Kind() == reflect.String:
			value.Elem().SetString(ids[0])
			ids = ids[1:]
		case !strings.HasSuffix(kind.Name(), "Params") && e.body != nil:
			body, err := json.Marshal(e.body)
			require.NoError(b, err)
			strict := json.NewDecoder(bytes.NewReader(body))
			strict.DisallowUnknownFields()
			require.NoError(b, strict.Decode(value.Interface()), id)
		}
		arguments = append(arguments, value.Elem())
	}
	results := method.Call(arguments)
	err, _ := reflect.TypeAssert[error](results[len(results)-1])
	require.NoError(b, err, id)
	if len(results) == 1 {
		return nil
	}
	return results[0].Interface()
}

// idsOf are the parts of a path that stand for the {names} of its pattern.
func idsOf(pattern, path string) (ids []string) {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for i, part := range strings.Split(pattern, "/") {
		if strings.HasPrefix(part, "{") {
			ids = append(ids, parts[i])
		}
	}
	return ids
}
