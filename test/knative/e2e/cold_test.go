//go:build e2e

package e2e_test

import (
	"net/http"
	"time"

	"github.com/stretchr/testify/require"
)

// coldRounds is how often each function is started from zero.
const coldRounds = 3

// testCold waits until nothing runs, then asks each function for an answer, and once more while it is warm.
func (c *cluster) testCold() {
	type times map[string][]time.Duration
	cold, warm, idle := make(times), make(times), make(times)
	for range coldRounds {
		asked := make(map[string]time.Time)
		for _, service := range services {
			c.zero(5*time.Minute, service)
			cold[service] = append(cold[service], c.answer(service))
			warm[service] = append(warm[service], c.answer(service))
			asked[service] = time.Now()
		}
		for service, at := range c.zero(5*time.Minute, services...) {
			idle[service] = append(idle[service], at.Sub(asked[service]))
		}
	}
	c.report.section("From zero, and back")
	c.report.printf("A request to each function while it has no pod, as it is seen from a pod in the cluster: the "+
		"answer is the function's own, through gateway and activator (%d times each). And how long after its last request "+
		"it had no pod any more that was to live on; one that ends stays for the 30 s of Knative's drain.\n\n", coldRounds)
	rows := [][]string{{"service", "answer from zero: least, most", "answer when warm", "to zero: least, most"}}
	for _, s := range services {
		rows = append(rows, []string{
			"`" + s + "`", seconds(quantile(cold[s], 0)) + ", " + seconds(quantile(cold[s], 1)), seconds(quantile(warm[s], 0.5)),
			seconds(quantile(idle[s], 0)) + ", " + seconds(quantile(idle[s], 1)),
		})
	}
	c.report.table(rows...)
	c.report.printf("\nretry is woken by each tick besides, so it is at zero between ticks only.\n")
}

// answer asks a service whether it is ready, and returns how long it took to say so.
func (c *cluster) answer(service string) time.Duration {
	c.t.Helper()
	began := time.Now()
	res, err := c.agent.proxied(time.Minute).Get("http://" + service + "." + namespace + ".svc.cluster.local/readyz")
	require.NoError(c.t, err)
	defer res.Body.Close()
	require.Equal(c.t, http.StatusOK, res.StatusCode, service)
	return time.Since(began)
}
