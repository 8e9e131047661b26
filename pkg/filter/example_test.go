package filter_test

import (
	"fmt"

	"github.com/homing-hooks/homing/pkg/filter"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func ExampleMatcher_Match() {
	m, _ := filter.Compile([]webhook.Endpoint{
		{Types: []string{"order.*"}},
		{Types: []string{"order.created"}, Filter: "region IN ('eu', 'uk') AND priority >= 5"},
		{Filter: "tier = 'gold'"},
	})
	matched, failed := m.Match(nil, &webhook.Event{
		Type: "order.created", Extensions: map[string]any{"region": "eu", "priority": int32(7)},
	})
	fmt.Println(matched, failed)
	// Output: [0 1] [{2 missing_attribute}]
}

func ExampleValidate() {
	fmt.Println(filter.Validate([]string{"order.*"}, "region = 'eu"))
	// Output: filter: at character 10: this text has no end; close it with the quote that it began with
}
