package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/brokersign"
)

// TestKeyBroker: the key of a tenant's producers follows from the first secret, and nobody needs to be asked.
func TestKeyBroker(t *testing.T) {
	t.Parallel()
	const one, two = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
	env := environ("HOMING_BROKER_SIGNING_KEYS=b:" + one + ",a:" + two)
	got := must(t, env, "key", "broker", "--tenant", "acme")
	key, err := brokersign.ParseKey(got)
	require.NoError(t, err)
	secret := make([]byte, 32)
	for i := range secret {
		secret[i] = 1
	}
	require.Equal(t, brokersign.DeriveKey(secret, "acme").Reveal(), key.Reveal())
	require.Contains(t, must(t, env, "key", "broker", "--tenant", "acme", "-o", "json"), `"tenant": "acme"`)
	for name, c := range map[string]struct {
		env  []string
		args []string
		says string
	}{
		"NoTenant": {env, nil, "--tenant"},
		"NoSecret": {environ(), []string{"--tenant", "acme"}, "is not set"},
		"BadSecret": {
			environ("HOMING_BROKER_SIGNING_KEYS=hunter2"), []string{"--tenant", "acme"}, "HOMING_BROKER_SIGNING_KEYS has no id",
		},
	} {
		got := exits(t, c.env, "", append([]string{"key", "broker"}, c.args...)...)
		require.Equal(t, 2, got.code, name)
		require.Contains(t, got.err, c.says, name)
		require.NotContains(t, got.err, "hunter2", name)
	}
}
