package filter

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cesql "github.com/cloudevents/sdk-go/sql/v2"
	sqlerrors "github.com/cloudevents/sdk-go/sql/v2/errors"
	sdk "github.com/cloudevents/sdk-go/sql/v2/parser"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// conformanceCase is a test of the CESQL conformance kit, which comes with the SDK.
type conformanceCase struct {
	Name, Expression string
	Result           any
	Error            string
	Event            json.RawMessage
	EventOverrides   map[string]any
}

func TestReadsWhatTheConformanceKitAsksFor(t *testing.T) {
	t.Parallel()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/cloudevents/sdk-go/sql/v2").Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "test", "tck", "*.yaml"))
	require.NoError(t, err)
	count := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var suite struct{ Tests []conformanceCase }
		require.NoError(t, yaml.Unmarshal(text, &suite))
		for _, c := range suite.Tests {
			count++
			t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml")+"/"+c.Name, func(t *testing.T) {
				t.Parallel()
				c.check(t)
			})
		}
	}
	require.Greater(t, count, 150, "the kit has been found")
}

func (c *conformanceCase) check(t *testing.T) {
	expr, invalid := parse(c.Expression)
	if c.Error == "parse" || c.Error == "missingFunction" { // functions are looked up at once
		require.NotNil(t, invalid, c.Expression)
		return
	}
	require.Nil(t, invalid, c.Expression)
	value, err := expr.Evaluate(newView(c.event(t)))
	kinds := map[string]func(error) bool{
		"": func(err error) bool { return err == nil }, "math": sqlerrors.IsMathError, "cast": sqlerrors.IsCastError,
		"functionEvaluation": sqlerrors.IsFunctionEvaluationError, "missingAttribute": sqlerrors.IsMissingAttributeError,
	}
	require.Contains(t, kinds, c.Error)
	require.True(t, kinds[c.Error](err), "%s: %v", c.Expression, err)
	if number, ok := c.Result.(float64); ok {
		require.InDelta(t, number, value, 0, c.Expression)
		return
	}
	require.Equal(t, c.Result, value, c.Expression)
}

// event returns the event of the case, with the attributes that it overrides.
func (c *conformanceCase) event(t *testing.T) *webhook.Event {
	e := &webhook.Event{
		CEID: "full-event", Source: "http://example.com/source", Type: "com.example.FullEvent", Subject: "topic",
		Time: time.Date(2020, 3, 21, 12, 34, 56, 780_000_000, time.UTC), DataType: "text/json",
		DataSchema: "http://example.com/schema", Extensions: map[string]any{
			"exbool": true, "exint": int32(42), "exstring": "exstring",
		},
	}
	attributes := c.EventOverrides
	if c.Event != nil {
		e = &webhook.Event{Extensions: map[string]any{}}
		require.NoError(t, json.Unmarshal(c.Event, &attributes))
	}
	for name, value := range attributes {
		text := fmt.Sprint(value)
		switch name {
		case "specversion", "data":
		case "id":
			e.CEID = text
		case "source":
			e.Source = text
		case "type":
			e.Type = text
		case "subject":
			e.Subject = text
		case "datacontenttype":
			e.DataType = text
		case "dataschema":
			e.DataSchema = text
		case "time":
			at, err := time.Parse(time.RFC3339Nano, text)
			require.NoError(t, err)
			e.Time = at
		default:
			if number, ok := value.(float64); ok {
				value = int32(number)
			}
			e.Extensions[name] = value
		}
	}
	return e
}

// sdkParse is the SDK's parser, whose panics count as errors.
func sdkParse(text string) (expr cesql.Expression, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return sdk.Parse(text)
}

// sdkEvent is the event as the SDK itself would hold it.
func sdkEvent(t testing.TB, e *webhook.Event) event.Event {
	c := &event.EventContextV1{ID: e.CEID, Type: e.Type, Extensions: e.Extensions}
	require.NoError(t, c.SetSource(e.Source))
	require.NoError(t, c.SetSubject(e.Subject))
	require.NoError(t, c.SetDataContentType(e.DataType))
	require.NoError(t, c.SetDataSchema(e.DataSchema))
	require.NoError(t, c.SetTime(e.Time))
	return event.Event{Context: c}
}

var sample = &webhook.Event{
	CEID: "a1", Source: "/shop/1", Type: "order.created", Subject: "o-77", DataType: "application/json",
	DataSchema: "https://example.com/s?v=1", Time: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC),
	Extensions: map[string]any{"region": "eu", "priority": int32(7), "urgent": true, "a": "b", "x1": "12"},
}

// evaluated is what an expression says, panics included, as something to compare.
func evaluated(expr cesql.Expression, e event.Event) (value any, failure string) {
	defer func() {
		if p := recover(); p != nil {
			value, failure = nil, fmt.Sprint("panic: ", p)
		}
	}()
	value, err := expr.Evaluate(e)
	if err != nil {
		failure = err.Error()
	}
	return value, failure
}

// requireSame holds the reader of this package to the parser of the SDK on one text.
func requireSame(t *testing.T, text string) {
	ours, invalid := parse(text)
	if invalid != nil && !strings.Contains(invalid.Problem, " stands where ") {
		return // a bound, a function that does not exist, a character that the SDK passes over: on purpose
	}
	theirs, err := sdkParse(text)
	if invalid != nil {
		require.Error(t, err, "the SDK reads %q, and here %v", text, invalid)
		return
	}
	require.NoError(t, err, "the SDK does not read %q", text)
	ourValue, ourFailure := evaluated(ours, newView(sample))
	theirValue, theirFailure := evaluated(theirs, sdkEvent(t, sample))
	require.Equal(t, theirValue, ourValue, text)
	require.Equal(t, theirFailure, ourFailure, text)
}

// expressions are texts that are read in one way only, and some that cannot be read.
var expressions = []string{
	`type = 'order.created'`, `source LIKE '/shop/%' AND priority > 5`,
	`NOT EXISTS region OR region IN ('eu', "us")`, `1 + 2 * 3 = 7`, `2 * 3 + 1 = 7 AND 10 - 4 - 3 = 3`,
	`8 / 2 / 2 = 2`, `-priority + 8 = 1`, `NOT urgent XOR TRUE AND FALSE`, `true or false and false`,
	`(true or false) and false`, `false and false or true`, `NOT 'a' LIKE 'b'`, `a NOT LIKE 'b'`,
	`a NOT IN ('c')`, `2 * priority IN (14)`, `NOT a IN ('b')`, `1 < 2 = TRUE`, `1 = 1 = 1`, `- - 1 = 1`,
	`NOT NOT TRUE`, `-1 = - 1`, `+1 = 1`, `1+1`, `1 +1`, `a-1`, `x1 = 12`, `12a`, `1a = 1`, `is_int(x1)`,
	`IS_BOOL(a) = false`, `a_b`, `a_b()`, `LENGTH(CONCAT('a', "b", 3)) = 3`, `LEFT(type, 5) = 'order'`,
	`SUBSTRING(type, 2, -1)`, `SUBSTRING(type, 1, -5) = 'x'`, `CONCAT_WS(',', 'a', 'b') = 'a,b'`, `CONCAT()`,
	`'it\'s' = "it's"`, `'it''s'`, `"a\"b"`, `'\\'`, `'a' = 'a`, `'a' 'b'`, `type LIKE type`, `LIKE 'a'`,
	`a LIKE`, `a IN ()`, `a IN ('b',)`, `a IN 'b'`, `EXISTS 'a'`, `EXISTS type`, `EXISTS x1`, `()`, `(`, `)`,
	`((1))`, `a NOT`, `a NOT = b`, `NOT`, `AND`, `a AND`, `a b`, `TRUE()`, `lower(upper(a))`, `LOWER(a,)`,
	`LOWER(,a)`, ``, ` `, "a\n=\t'b'", `a <> 'c' AND a != 'c'`, `1 >= 1 AND 1 <= 1 AND 2 > 1`, `7 % 4 = 3`,
	`1 / 0`, `1 % 0`, `5 > 'x'`, `a = missing`, `ABS(-5) = 5`, `INT('9') + 1 = 10`, `BOOL('true')`,
	`STRING(5) = '5'`, `TRIM(' a ') = 'a'`, `RIGHT('abc', 2) = 'bc'`, `time = 'x'`, `2147483647 + 1`,
	`2147483648`, `1 = 1 AND`, `a LIKE 'b' LIKE 'true'`, `a IN ('b') IN (true)`, `a in (a in (a))`,
	`- a LIKE 'b'`, `NOT - 1`, `- NOT 1`, `EXISTS a AND EXISTS b`, `EXISTS a = true`, `1 - -1 = 2`, `1 - - 1 = 2`,
	`1--1`, `a.b`, `a=='b'`, `a=! 'b'`,
}

func TestReadsWhatTheSDKReads(t *testing.T) {
	t.Parallel()
	for _, text := range expressions {
		requireSame(t, text)
	}
}

func TestReadsRandomFiltersAsTheSDKDoes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields(`a type x1 region priority 'eu' "b" 7 -1 +2 ( ( ) ) , AND OR XOR NOT NOT LIKE IN EXISTS TRUE
		false 		= != <> < <= > >= + - * / % LOWER( CONCAT( LENGTH( 'a%' IS_INT( ('b','c')`)
	read := 0
	for range 1000 {
		var b strings.Builder
		for range 1 + random.IntN(9) {
			b.WriteString(words[random.IntN(len(words))])
			b.WriteByte(' ')
		}
		requireSame(t, b.String())
		if _, err := parse(b.String()); err == nil {
			read++
		}
	}
	for range 1000 {
		text := randomExpression(random, 4)
		_, err := parse(text)
		require.Nil(t, err, text)
		requireSame(t, text)
	}
	require.Greater(t, read, 10, "some of the random words make sense")
}

// randomExpression writes an expression that can be read, with and without brackets that say how.
func randomExpression(random *rand.Rand, depth int) string {
	leaves := []string{"a", "type", "x1", "priority", "urgent", "7", "-1", "'b'", `"eu"`, "TRUE", "false", "EXISTS region"}
	if depth == 0 || random.IntN(6) == 0 {
		return leaves[random.IntN(len(leaves))]
	}
	sub := func() string { return randomExpression(random, depth-1) }
	operators := strings.Fields("AND OR XOR = != <> < <= > >= + - * / %")
	switch random.IntN(8) {
	case 0:
		return "(" + sub() + ")"
	case 1:
		return "NOT " + sub()
	case 2:
		return "- " + sub()
	case 3:
		return sub() + " NOT LIKE '%b_'"
	case 4:
		return sub() + " IN (" + sub() + ", " + sub() + ")"
	case 5:
		return "CONCAT(" + sub() + ", " + sub() + ")"
	default:
		return sub() + " " + operators[random.IntN(len(operators))] + " " + sub()
	}
}

// TestTextsAreNoLongerThanTheirCost lets separators repeat separators, which is how a short filter makes a long text.
func TestTextsAreNoLongerThanTheirCost(t *testing.T) {
	t.Parallel()
	e := newView(&webhook.Event{Extensions: map[string]any{"a": "12345678"}})
	for parts := 2; parts < 12; parts++ {
		text, read := "a", 0
		for range MaxDepth {
			text = "CONCAT_WS(" + text + strings.Repeat(",''", parts) + ")"
			if expr, err := parse(text); err == nil {
				read++
				value, failure := evaluated(expr, e)
				require.Empty(t, failure)
				require.LessOrEqual(t, len(value.(string)), MaxCost*8)
			}
		}
		require.NotZero(t, read, parts)
	}
}

func FuzzReadsAsTheSDK(f *testing.F) {
	for _, text := range expressions {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) < 200 { // the SDK's parser takes time in the square of the length for some texts
			requireSame(t, text)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	const text = `type = 'order.created' AND source LIKE '/shop/%' AND (priority > 5 OR region IN ('eu', 'us'))`
	b.Run("here", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := parse(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("SDK", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := sdk.Parse(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}
