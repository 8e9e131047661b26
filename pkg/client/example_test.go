package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/homing-hooks/homing/pkg/client"
)

// exampleServer stands for a Homing: it gives the same answers to everybody.
func exampleServer() *httptest.Server {
	mux := http.NewServeMux()
	for pattern, text := range map[string]string{
		"POST /v1/endpoints":             `{"id": "0199-endpoint", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`,
		"GET /v1/endpoints/{id}":         `{"id": "0199-endpoint", "types": ["order.*"], "version": 3}`,
		"POST /v1/events":                `{"id": "0199-event", "deliveries": 1}`,
		"GET /v1/deliveries":             `{"data": [{"id": "0199-delivery", "state": "exhausted"}]}`,
		"POST /v1/deliveries/{id}/retry": `{"id": "0199-replay", "state": "scheduled"}`,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	}
	mux.HandleFunc("PATCH /v1/endpoints/{id}", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusPreconditionFailed)
	})
	return httptest.NewServer(mux)
}

// Make an endpoint, and send it an event.
func Example() {
	server := exampleServer() // yours is at https://homing.example.com, say
	defer server.Close()
	ctx := context.Background()

	homing, err := client.New(server.URL, "hmk_...")
	if err != nil {
		log.Panic(err)
	}
	endpoint, err := homing.CreateEndpoint(ctx, client.CreateEndpointInput{
		URL: "https://example.com/hooks", Types: []string{"order.*"},
	})
	if err != nil {
		log.Panic(err)
	}
	fmt.Println("the receiver verifies with", endpoint.Secret)

	receipt, err := homing.Send(ctx, client.CloudEvent{
		ID: "order-1-paid", Source: "/shop", Type: "order.paid", Data: []byte(`{"order": 1}`),
	})
	if err != nil {
		log.Panic(err)
	}
	fmt.Println("stored as", receipt.ID, "for", receipt.Deliveries, "endpoint")
	// Output:
	// the receiver verifies with whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
	// stored as 0199-event for 1 endpoint
}

// Send what was given up once more, after an outage of a receiver.
func ExampleClient_ListDeliveries() {
	server := exampleServer()
	defer server.Close()
	ctx := context.Background()

	homing, err := client.New(server.URL, "hmk_...")
	if err != nil {
		log.Panic(err)
	}
	exhausted := client.ListDeliveriesParams{State: "exhausted", Since: time.Now().Add(-24 * time.Hour)}
	for delivery, err := range homing.ListDeliveries(ctx, exhausted) {
		if err != nil {
			log.Panic(err)
		}
		replay, err := homing.RetryDelivery(ctx, delivery.ID)
		if err != nil {
			log.Panic(err)
		}
		fmt.Println(delivery.ID, "is replayed as", replay.ID)
	}
	// Output: 0199-delivery is replayed as 0199-replay
}

// Change an endpoint only if nobody else has changed it since it was looked at.
func ExampleIfMatch() {
	server := exampleServer()
	defer server.Close()
	ctx := context.Background()

	homing, err := client.New(server.URL, "hmk_...")
	if err != nil {
		log.Panic(err)
	}
	var etag string
	endpoint, err := homing.GetEndpoint(ctx, "0199-endpoint", client.StoreETag(&etag))
	if err != nil {
		log.Panic(err)
	}
	more := client.UpdateEndpointInput{Types: append(endpoint.Types, "invoice.*")}
	_, err = homing.UpdateEndpoint(ctx, endpoint.ID, more, client.IfMatch(etag))
	if client.IsPreconditionFailed(err) {
		fmt.Println("somebody was faster: look again")
	}
	// Output: somebody was faster: look again
}

// Say what is wrong with a request, field by field.
func ExampleProblem() {
	err := error(&client.Problem{
		Title: "A value is not valid", Status: 422,
		Errors: []client.Fault{{Field: "schedule[2]", Detail: "must not be negative"}},
	})
	if problem, ok := errors.AsType[*client.Problem](err); ok {
		for _, fault := range problem.Errors {
			fmt.Println(fault.Field, fault.Detail)
		}
	}
	// Output: schedule[2] must not be negative
}
