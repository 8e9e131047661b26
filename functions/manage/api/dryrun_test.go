package api_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestDryRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	paid := b.send()
	b.send(func(e *webhook.Event) { e.Type = "order.sent" })
	bare := b.send(func(e *webhook.Event) { e.Extensions = nil })
	try := func(body map[string]any) (matched, failed []any, examined any) {
		got := b.ok("POST", "/v1/subscriptions/dry-run", body)
		for _, e := range got.body["matched"].([]any) {
			matched = append(matched, e.(map[string]any)["id"])
		}
		for _, e := range got.body["failed"].([]any) {
			failed = append(failed, e.(map[string]any)["event"], e.(map[string]any)["reason"])
		}
		return matched, failed, got.body["examined"]
	}
	matched, failed, examined := try(map[string]any{"types": []string{"order.p*"}, "filter": "region = 'eu'"})
	require.Equal(t, []any{paid.event.String()}, matched)
	require.Equal(t, []any{bare.event.String(), "missing_attribute"}, failed)
	require.EqualValues(t, 3, examined)
	matched, _, examined = try(map[string]any{"last": 1})
	require.Equal(t, []any{bare.event.String()}, matched, "no types and no filter match everything")
	require.EqualValues(t, 1, examined)
	for field, body := range map[string]map[string]any{
		"filter": {"filter": "type ="}, "types[0]": {"types": []string{""}}, "last": {"last": 1001},
	} {
		b.do(call{method: "POST", path: "/v1/subscriptions/dry-run", body: body}).
			refused(http.StatusUnprocessableEntity, "invalid", field)
	}
	_, b.key = b.newTenant()
	matched, _, examined = try(map[string]any{})
	require.Empty(t, matched, "another tenant's events")
	require.EqualValues(t, 0, examined)
}
