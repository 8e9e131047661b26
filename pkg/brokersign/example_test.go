package brokersign_test

import (
	"fmt"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/homing-hooks/homing/pkg/brokersign"
)

// A producer signs each event last, and sends it to the broker as it is.
func Example() {
	key, err := brokersign.ParseKey("hbk_qe4q6eg4yFCaF0R6b9AUaHhsyJzQ6KQ_2OQlP_qbS20") // homing key broker --tenant acme
	if err != nil {
		panic(err)
	}
	e := event.New()
	e.SetID("order-17-paid")
	e.SetSource("/shop")
	e.SetType("order.paid")
	if err := e.SetData(event.ApplicationJSON, map[string]int{"order": 17}); err != nil {
		panic(err)
	}
	if err := key.Sign(&e, "acme"); err != nil {
		panic(err)
	}
	fmt.Println(e.Extensions()["tenant"], len(e.Extensions()[brokersign.Attribute].(string)))
	// Output: acme 46
}
