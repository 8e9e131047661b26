//go:build e2e

package e2e_test

import (
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// deploy deploys Homing, twice: the second time nothing may change. Then it makes a tenant.
func (c *cluster) deploy() {
	c.t.Helper()
	c.report.section("Deploying")
	began := time.Now()
	c.make("deploy")
	first := time.Since(began)
	revisions := c.revisions()
	began = time.Now()
	c.make("deploy")
	second := time.Since(began)
	require.Equal(c.t, revisions, c.revisions(), "the second deployment of the same made new revisions")
	status := c.make("status")
	c.report.printf("`make deploy ENV=dev` took %s; again, with nothing changed, %s, and made no revision. `make status` "+
		"says that all of these are ready:\n\n```\n%s```\n", seconds(first), seconds(second), trimmed(status))
	c.report.file(c.t, "1-deploying")
	c.agent = c.newAgent()
	c.newTenant()
}

// trimmed is what status said, without the lines' ends and without what make echoes.
func trimmed(status string) string {
	var b strings.Builder
	for line := range strings.Lines(status) {
		if !strings.HasPrefix(line, "hack/") {
			b.WriteString(strings.TrimRight(line, " \n") + "\n")
		}
	}
	return b.String()
}
