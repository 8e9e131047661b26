//go:build faults

package recovery_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/parking"
	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/test/homingtest"
)

// TestRabbitMQComesBackFromItsDefinitions wipes a RabbitMQ and imports what was exported of it: every queue is there
// again as the kind that it was, takes events before any Homing has come to declare it, and Homing delivers them.
func TestRabbitMQComesBackFromItsDefinitions(t *testing.T) {
	t.Parallel()
	own, database := testenv.OwnRabbitMQ(t), testenv.OwnPostgres(t)
	require.NoError(t, homingtest.Migrate(t.Context(), database.URL))
	h := homingtest.InstallOn(t, database.URL, homingtest.PostgresAlone, "RABBITMQ_URL="+own.URL)
	h.Subscribe("steady", nil)
	homing := h.Spawn("homing", "serve")
	h.WaitForQueues()
	tr := h.Produce(homing, 8, 8)
	tr.Work.Wait()
	h.Settle(tr.Producer)
	homing.Stop()
	was := queues(t, own)
	events := homingtest.QueueOf(h.Triggers(config.FunctionIngest)[0])
	require.Equal(t, "quorum", was[events])
	require.Equal(t, "quorum", was[parking.QueueDefault])

	exported := definitions(t, own, nil, "export")
	own.Wipe()
	require.Empty(t, queues(t, own), "the wipe left something")
	definitions(t, own, exported, "import")
	require.Equal(t, was, queues(t, own))

	h.More(tr, "while nobody is there", 0, 8)
	tr.Work.Wait()
	h.Spawn("homing", "serve")
	h.WaitForQueues()
	h.More(tr, "then", 0, 8)
	tr.Work.Wait()
	h.Settle(tr.Producer)
}

// definitions runs hack/rabbitmq-definitions.sh on the whole server and returns what it printed.
func definitions(t *testing.T, s *testenv.Server, input []byte, command string) []byte {
	t.Helper()
	var printed, complaints bytes.Buffer
	script := exec.CommandContext(t.Context(), filepath.Join(repository, "hack/rabbitmq-definitions.sh"), command)
	script.Env = append(os.Environ(), "RABBITMQ_MANAGEMENT_URL="+s.ManagementURL)
	script.Stdin, script.Stdout, script.Stderr = bytes.NewReader(input), &printed, &complaints
	require.NoError(t, script.Run(), "%s%s", printed.Bytes(), complaints.Bytes())
	return printed.Bytes()
}

// queues are the kinds of all durable queues, by name.
func queues(t *testing.T, s *testenv.Server) map[string]string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.ManagementURL+"/api/queues", nil)
	require.NoError(t, err)
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var all []struct {
		Name, Type string
		Durable    bool
	}
	require.NoError(t, json.Unmarshal(text, &all), "%s", text)
	kinds := make(map[string]string)
	for _, q := range all {
		if q.Durable {
			kinds[q.Name] = q.Type
		}
	}
	return kinds
}
