package contract

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
	"github.com/homing-hooks/homing/pkg/parking"
	services "github.com/homing-hooks/homing/pkg/testenv" // testenv is a pattern in layers_test.go
)

// TestRabbitMQDefinitionsComeBack lets the code make its queue, exports the definitions with the script of the disaster
// plan, imports them into an empty virtual host, as after a loss, and uses them there.
func TestRabbitMQDefinitionsComeBack(t *testing.T) {
	t.Parallel()
	lost, fresh := services.RabbitMQ(t), services.RabbitMQ(t)
	park(t, lost)

	exported := definitions(t, nil, "export", vhostOf(t, lost))
	var content struct {
		Queues   []map[string]any `json:"queues"`
		Bindings []map[string]any `json:"bindings"`
	}
	require.NoError(t, json.Unmarshal(exported, &content))
	require.Len(t, content.Queues, 1)
	require.NotEmpty(t, content.Bindings)
	require.Equal(t, "quorum", content.Queues[0]["arguments"].(map[string]any)["x-queue-type"])

	definitions(t, exported, "import", vhostOf(t, fresh))
	require.JSONEq(t, string(withoutVersions(t, exported)),
		string(withoutVersions(t, definitions(t, nil, "export", vhostOf(t, fresh)))), "the import is not what was exported")
	definitions(t, exported, "import", vhostOf(t, fresh)) // again: nothing changes
	park(t, fresh)
	require.Equal(t, "quorum", queueType(t, fresh), "the queue came back as another kind")
}

// TestRabbitMQDefinitionsFailLoudly: a broken import must not look like a restore.
func TestRabbitMQDefinitionsFailLoudly(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"NoSuchVirtualHost": {"import", "there-is-none"},
		"NotDefinitions":    {"import", vhostOf(t, services.RabbitMQ(t))},
		"NoCommand":         {"restore"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Error(t, script(t, strings.NewReader("{not definitions"), args...).Run())
		})
	}
}

// park parks an event, which makes exchange and queue where they are not there.
func park(t *testing.T, amqpURL string) {
	t.Helper()
	p, err := parking.New(parking.Config{Link: link.Config{URL: amqpURL}})
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close(t.Context())) }()
	require.NoError(t, p.Park(t.Context(), parking.Parked{Body: []byte("{}")}))
}

// definitions runs the script and returns what it printed.
func definitions(t *testing.T, input []byte, args ...string) []byte {
	t.Helper()
	var printed, complaints bytes.Buffer
	command := script(t, bytes.NewReader(input), args...)
	command.Stdout, command.Stderr = &printed, &complaints
	require.NoError(t, command.Run(), "%s%s", printed.Bytes(), complaints.Bytes())
	return printed.Bytes()
}

func script(t *testing.T, input interface{ Read([]byte) (int, error) }, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), "../../hack/rabbitmq-definitions.sh", args...)
	command.Stdin = input
	command.Env = append(os.Environ(), "RABBITMQ_MANAGEMENT_URL="+services.RabbitMQManagement(t))
	return command
}

// withoutVersions returns definitions without what says who wrote them, and where they were.
func withoutVersions(t *testing.T, exported []byte) []byte {
	t.Helper()
	var content map[string]any
	require.NoError(t, json.Unmarshal(exported, &content))
	for _, key := range []string{"rabbit_version", "rabbitmq_version", "product_name", "product_version"} {
		delete(content, key)
	}
	kept, err := json.Marshal(content)
	require.NoError(t, err)
	return kept
}

func vhostOf(t *testing.T, amqpURL string) string {
	t.Helper()
	parsed, err := url.Parse(amqpURL)
	require.NoError(t, err)
	return strings.TrimPrefix(parsed.Path, "/")
}

// queueType asks RabbitMQ what the parking queue is.
func queueType(t *testing.T, amqpURL string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		services.RabbitMQManagement(t)+"/api/queues/"+vhostOf(t, amqpURL)+"/"+parking.QueueDefault, nil)
	require.NoError(t, err)
	client := http.Client{Timeout: time.Minute}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var queue struct {
		Type string `json:"type"`
	}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&queue))
	return queue.Type
}
