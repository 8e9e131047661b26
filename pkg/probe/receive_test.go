package probe

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// hook is a webhook of an event, signed by the reference library.
type hook struct{ path, event, id, body, secret string }

// posts answers webhooks with the statuses returned.
func posts(t *testing.T, r *receiver, hooks ...hook) []int {
	t.Helper()
	statuses := make([]int, len(hooks))
	for i, h := range hooks {
		signer, err := standardwebhooks.NewWebhook(h.secret)
		require.NoError(t, err)
		now := time.Now()
		signed, err := signer.Sign(h.id, now, []byte(h.body))
		require.NoError(t, err)
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, h.path, strings.NewReader(h.body))
		for name, value := range map[string]string{
			"ce-id": h.event, signature.HeaderID: h.id, signature.HeaderTimestamp: signature.Timestamp(now),
			signature.HeaderSignature: signed,
		} {
			req.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		statuses[i] = w.Code
	}
	return statuses
}

func newSecret(t *testing.T) string {
	t.Helper()
	s, err := signature.NewSecret(webhook.SecretHMAC)
	require.NoError(t, err)
	text, err := signature.Format(s)
	require.NoError(t, err)
	return text
}

// TestTheReceiverJudges: what ends a probe, with which outcome, and what does not touch it.
func TestTheReceiverJudges(t *testing.T) {
	t.Parallel()
	steady, faltering, stranger := newSecret(t), newSecret(t), newSecret(t)
	const none = Outcome("")
	for name, tc := range map[string]struct {
		hooks    []hook
		tries    int
		statuses []int
		want     Outcome
	}{
		"WhatWasSent": {
			hooks: []hook{{pathSteady, "e", "m", "sent", steady}}, statuses: []int{200}, want: Success,
		},
		"ForgedWithTheRightID": {
			hooks: []hook{{pathSteady, "e", "m", "sent", stranger}}, statuses: []int{401}, want: Corrupt,
		},
		"AnotherBody": {
			hooks: []hook{{pathSteady, "e", "m", "changed", steady}}, statuses: []int{200}, want: Corrupt,
		},
		"AStrangersPost": {
			hooks: []hook{{pathSteady, "x", "m", "sent", stranger}}, statuses: []int{401}, want: none,
		},
		"OfAnEarlierRound": {
			hooks: []hook{{pathSteady, "x", "m", "old", steady}}, statuses: []int{200}, want: none,
		},
		"AtTheOtherEndpoint": {
			hooks: []hook{{pathFaltering, "e", "m", "sent", faltering}}, statuses: []int{200}, want: none,
		},
		"AtNoEndpoint": {
			hooks: []hook{{"/", "e", "m", "sent", steady}}, statuses: []int{404}, want: none,
		},
		"TheFirstOfTwo": {
			hooks: []hook{{pathSteady, "e", "m", "sent", steady}}, tries: 1, statuses: []int{503}, want: none,
		},
		"BothOfTwo": {
			hooks: []hook{{pathSteady, "e", "m", "sent", steady}, {pathSteady, "e", "m", "sent", steady}}, tries: 1,
			statuses: []int{503, 200}, want: Success,
		},
		"TheSecondWithAnotherID": {
			hooks: []hook{{pathSteady, "e", "m", "sent", steady}, {pathSteady, "e", "n", "sent", steady}}, tries: 1,
			statuses: []int{503, 200}, want: Corrupt,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r receiver
			for path, key := range map[string]string{pathSteady: steady, pathFaltering: faltering} {
				v, err := signature.NewVerifier(key)
				require.NoError(t, err)
				r.trust(path, v)
			}
			e := &expected{path: pathSteady, body: []byte("sent"), tries: tc.tries}
			r.expect("e", e)
			require.Equal(t, tc.statuses, posts(t, &r, tc.hooks...))
			got := none
			select {
			case got = <-e.ended:
			default:
			}
			require.Equal(t, tc.want, got)
		})
	}
}

// TestTheReceiverTrustsNobodyAtFirst: before the secrets are known, and for what is no webhook.
func TestTheReceiverTrustsNobodyAtFirst(t *testing.T) {
	t.Parallel()
	var r receiver
	require.Equal(t, []int{404}, posts(t, &r, hook{pathSteady, "e", "m", "sent", newSecret(t)}))
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, pathSteady, http.NoBody))
	require.Equal(t, http.StatusBadRequest, w.Code)
}
