//go:build e2e

package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// Load while something happens: so many events a second to each face.
const loadRate = 40

// testCanary gives new revisions a part of the traffic under load, promotes one, and rolls the other back.
func (c *cluster) testCanary() {
	for _, variable := range []string{"IMAGE_INGEST_NEXT", "IMAGE_DELIVER_NEXT"} {
		require.NotEmpty(c.t, os.Getenv(variable), "set %s to another image of the same program", variable)
	}
	const over = 150 * time.Second
	quick := c.subscribe("canary-quick", "canary", hook{})
	slow := c.subscribe("canary-slow", "canary", hook{Hold: "1s"})
	var said []string
	note := func(what, service string) { said = append(said, fmt.Sprintf("%s: %s", what, c.traffic(service))) }
	all := c.under(loadRate*int(over.Seconds()), over, "canary", "canary", func() {
		c.canary("deliver", "20", "IMAGE_DELIVER")
		note("`make canary SERVICE=deliver PERCENT=20`", "deliver")
		c.canary("ingest", "50", "IMAGE_INGEST")
		note("`make canary SERVICE=ingest PERCENT=50`", "ingest")
		c.make("promote", "SERVICE=deliver")
		note("`make promote SERVICE=deliver`", "deliver")
		c.make("rollback", "SERVICE=ingest")
		note("`make rollback SERVICE=ingest`", "ingest")
	})
	b := c.settle(patience, []endpoint{quick, slow}, all...)
	c.report.section("Canary, promotion and rollback under load")
	c.report.printf("%d events a second to each face, to an endpoint that answers at once and one that takes 1 s:\n\n"+
		"- %s\n\n%s\n", loadRate, strings.Join(said, "\n- "), b.sum())
	c.make("promote", "SERVICE=ingest") // and what was deployed before
	c.make("deploy")
}

// canary deploys the next image of a service beside the one that serves.
func (c *cluster) canary(service, percent, image string) {
	c.run([]string{image + "=" + os.Getenv(image+"_NEXT")},
		"make", "canary", "ENV=dev", "SERVICE="+service, "PERCENT="+percent)
}

// traffic is how a service's is split.
func (c *cluster) traffic(service string) string {
	return c.kubectl("get", "ksvc", service, "-n", namespace,
		"-o", `jsonpath={range .status.traffic[*]}{.revisionName} {.percent} %{.tag} {end}`)
}

// victims are whose pods die, by label.
var victims = []string{
	"serving.knative.dev/service=ingest", "serving.knative.dev/service=ingest-broker",
	"serving.knative.dev/service=deliver", "serving.knative.dev/service=retry",
	"eventing.knative.dev/brokerRole=dispatcher", "eventing.knative.dev/brokerRole=ingress",
}

// testKills kills pods without grace while events are under way.
func (c *cluster) testKills() {
	const over = 100 * time.Second
	quick := c.subscribe("kills-quick", "kills", hook{})
	flaky := c.subscribe("kills-flaky", "kills", hook{Fail: 1}, "0s", "2s", "2s", "2s", "5s", "5s")
	slow := c.subscribe("kills-slow", "kills", hook{Hold: "1s"})
	killed := make(map[string]int)
	all := c.under(loadRate*int(over.Seconds()), over, "kills", "kills", func() {
		for range 2 {
			for _, label := range victims {
				pods := strings.Fields(c.kubectl("get", "pods", "-n", namespace, "-l", label, "-o", "name"))
				if len(pods) > 0 {
					c.kubectl(append([]string{"delete", "-n", namespace, "--grace-period=0", "--force", "--wait=false",
						"--ignore-not-found"}, pods...)...)
					killed[label] += len(pods)
				}
				c.pause(5 * time.Second)
			}
		}
	})
	b := c.settle(5*time.Minute, []endpoint{quick, flaky, slow}, all...)
	refused := 0
	for _, s := range all {
		for _, n := range s.Refusals {
			refused += n
		}
	}
	c.report.section("Pods killed under load")
	c.report.printf("%d events a second to each face, to endpoints that answer at once, fail the first attempt, and take "+
		"1 s. Pods deleted by force, all that had the label:\n\n", loadRate)
	rows := [][]string{{"label", "pods"}}
	for _, label := range victims {
		rows = append(rows, []string{"`" + label + "`", fmt.Sprint(killed[label])})
	}
	c.report.table(rows...)
	c.report.printf("\n%s Producers were refused, or not answered, %d times, and sent the same again.\n", b.sum(), refused)
}
