package dispatch

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	ce "github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/outcome"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestBodyFormatsGolden(t *testing.T) {
	t.Parallel()
	happened := time.Date(2026, 1, 2, 3, 4, 5, 600_000, time.FixedZone("", 3600))
	accepted := time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)
	for name, c := range map[string]struct {
		event                             webhook.Event
		contentType, structured, standard string
	}{
		"JSON": {
			webhook.Event{Time: happened, DataType: "application/json; charset=utf-8", Data: []byte(`{"b":1, "a":[1e400]}`),
				Subject: "s\"\\\n\u2028é", DataSchema: "https://schema.example/1",
				Extensions: map[string]any{"weight": int32(-7), "urgent": true, "region": "eu"}},
			"application/json; charset=utf-8",
			`{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"s\"\\\n\u2028é",` +
				`"datacontenttype":"application/json; charset=utf-8","dataschema":"https://schema.example/1",` +
				`"time":"2026-01-02T02:04:05.0006Z","region":"eu","urgent":true,"weight":-7,"data":{"b":1, "a":[1e400]}}`,
			`{"type":"t","timestamp":"2026-01-02T02:04:05.0006Z","data":{"b":1, "a":[1e400]}}`,
		},
		"NoType": {
			webhook.Event{Data: []byte(`"text"`)}, "application/octet-stream",
			`{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"text"}`,
			`{"type":"t","timestamp":"2026-01-02T03:04:06Z","data":"text"}`,
		},
		"NoTypeAndNoJSON": {
			webhook.Event{Data: []byte(`text`)}, "application/octet-stream",
			`{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"dGV4dA=="}`,
			`{"type":"t","timestamp":"2026-01-02T03:04:06Z","data":"dGV4dA=="}`,
		},
		"DeclaredJSONThatIsNone": {
			webhook.Event{DataType: "application/x+json", Data: []byte(`{},"id":"forged"`)}, "application/x+json",
			`{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/x+json",` +
				`"data_base64":"e30sImlkIjoiZm9yZ2VkIg=="}`,
			`{"type":"t","timestamp":"2026-01-02T03:04:06Z","data":"e30sImlkIjoiZm9yZ2VkIg=="}`,
		},
		"VendorJSON": {
			webhook.Event{DataType: "application/vnd.x+json", Data: []byte(`{"a":1}`)}, "application/vnd.x+json",
			`{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/vnd.x+json",` +
				`"data_base64":"eyJhIjoxfQ=="}`,
			`{"type":"t","timestamp":"2026-01-02T03:04:06Z","data":{"a":1}}`,
		},
		"Text": {
			webhook.Event{DataType: "Text/Plain", Data: []byte("a\x00\"b\"\r\n\tü")}, "Text/Plain",
			`{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"Text/Plain",` +
				`"data":"a\u0000\"b\"\r\n\tü"}`,
			`{"type":"t","timestamp":"2026-01-02T03:04:06Z","data":"a\u0000\"b\"\r\n\tü"}`,
		},
		"TextThatIsNotUTF8": {
			webhook.Event{DataType: "text/plain; charset=iso-8859-1", Data: []byte("\xfc")}, "text/plain; charset=iso-8859-1",
			`{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"text/plain; charset=iso-8859-1",` +
				`"data_base64":"/A=="}`,
			`{"type":"t","timestamp":"2026-01-02T03:04:06Z","data":"/A=="}`,
		},
		"Bytes": {
			webhook.Event{DataType: "image/png", Data: []byte("\x89PNG")}, "image/png",
			`{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"image/png","data_base64":"iVBORw=="}`,
			`{"type":"t","timestamp":"2026-01-02T03:04:06Z","data":"iVBORw=="}`,
		},
		"NoData": {
			webhook.Event{}, "",
			`{"specversion":"1.0","id":"1","source":"/s","type":"t"}`,
			`{"type":"t","timestamp":"2026-01-02T03:04:06Z","data":null}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := c.event
			e.CEID, e.Source, e.Type, e.AcceptedAt = "1", "/s", "t", accepted
			p, err := encode(&e, webhook.FormatBinary)
			require.NoError(t, err)
			require.Equal(t, payload{body: e.Data, contentType: c.contentType, binary: true}, p)
			p, err = encode(&e, webhook.FormatStructured)
			require.NoError(t, err)
			require.Equal(t, c.structured, string(p.body))
			require.Equal(t, "application/cloudevents+json", p.contentType)
			require.False(t, p.binary)
			p, err = encode(&e, webhook.FormatStandard)
			require.NoError(t, err)
			require.Equal(t, c.standard, string(p.body))
			require.Equal(t, "application/json", p.contentType)
			require.False(t, p.binary)
		})
	}
}

func TestEventWhoseTypeWouldMisleadIsSentStructured(t *testing.T) {
	t.Parallel()
	for _, dataType := range []string{"application/cloudevents+json", " Application/CloudEvents-batch+json; charset=utf-8",
		"a/b\r\nX-Evil: 1", "text/plain; name=\"\u00fc\""} {
		e := &webhook.Event{CEID: "1", Source: "/s", Type: "t", DataType: dataType, Data: []byte(`{"specversion":"1.0"}`)}
		p, err := encode(e, webhook.FormatBinary)
		require.NoError(t, err)
		require.Equal(t, typeStructured, p.contentType)
		require.False(t, p.binary)
		decoded := ce.New()
		require.NoError(t, ce.ReadJson(&decoded, bytes.NewReader(p.body)))
		require.Equal(t, "1", decoded.ID())
		require.Equal(t, dataType, decoded.DataContentType())
		require.Equal(t, `{"specversion":"1.0"}`, string(decoded.Data()))
	}
	p, err := encode(&webhook.Event{DataType: " text/plain ", Data: []byte("x")}, webhook.FormatBinary)
	require.NoError(t, err)
	require.Equal(t, payload{body: []byte("x"), contentType: "text/plain", binary: true}, p)
}

func TestEventThatCannotBeEncodedIsAConfigError(t *testing.T) {
	t.Parallel()
	good := webhook.Event{CEID: "1", Source: "/s", Type: "t"}
	for name, spoil := range map[string]func(e *webhook.Event, f *webhook.BodyFormat){
		"NameOfAMember": func(e *webhook.Event, _ *webhook.BodyFormat) { e.Extensions = map[string]any{"id": "2"} },
		"NameWithQuote": func(e *webhook.Event, _ *webhook.BodyFormat) { e.Extensions = map[string]any{`a":1,"b`: "2"} },
		"ValueOfNoType": func(e *webhook.Event, _ *webhook.BodyFormat) { e.Extensions = map[string]any{"a": 1.5} },
		"UnknownFormat": func(_ *webhook.Event, f *webhook.BodyFormat) { *f = "xml" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, f := good, webhook.FormatStructured
			spoil(&e, &f)
			_, err := encode(&e, f)
			require.ErrorIs(t, err, outcome.ErrConfig)
		})
	}
}

// FuzzStructuredAgainstSDK holds the encoder against the CloudEvents SDK, both ways: the SDK writes an equal document
// of the same event, and reads the event back from ours.
func FuzzStructuredAgainstSDK(f *testing.F) {
	f.Add("1", "/s", "t", "sub", "application/json", []byte(`{"a":[1,2.50,"x",null]}`), "eu", true, int32(7), int64(1e9))
	f.Add("é\u2028", "urn:x", "t<>&", "", "text/plain", []byte("hi\n\x00"), "\t\"\\", false, int32(-1), int64(0))
	f.Add("1", "https://a.example/b?c", "t", "", "", []byte("\xff\x00"), "", false, int32(0), int64(1))
	f.Add("1", "/s", "t", "", "a/b+json;x=y", []byte(" 123 "), "\U0001F600", false, int32(-1<<31), int64(1e9))
	f.Add("0", "0", "0", "", " ", []byte("0"), "0", false, int32(0), int64(1))
	f.Fuzz(func(t *testing.T, id, source, typ, subject, dataType string, data []byte, ext string, flag bool, n int32,
		at int64,
	) {
		for _, text := range []string{id, source, typ, subject, dataType, ext} {
			if !utf8.ValidString(text) {
				return // acceptance refuses it
			}
		}
		e := &webhook.Event{CEID: id, Source: source, Type: typ, Subject: subject, DataType: dataType, Data: data,
			Time: time.Unix(at%1e10, at%1e9).UTC(), Extensions: map[string]any{"text": ext, "flag": flag, "number": n}}
		ours, err := encodeStructured(e)
		require.NoError(t, err)
		require.True(t, json.Valid(ours), "%s", ours)

		theirs, ok := sdkEvent(e)
		if !ok {
			return
		}
		var written bytes.Buffer
		require.NoError(t, ce.WriteJson(theirs, &written))
		require.Equal(t, document(t, written.Bytes()), document(t, ours))

		read := ce.New()
		require.NoError(t, ce.ReadJson(&read, bytes.NewReader(ours)))
		require.Equal(t, id, read.ID())
		require.Equal(t, source, read.Source())
		require.Equal(t, typ, read.Type())
		require.Equal(t, subject, read.Subject())
		require.Equal(t, dataType, read.DataContentType())
		require.True(t, e.Time.Equal(read.Time()), "%s %s", e.Time, read.Time())
		require.Equal(t, flag, read.Extensions()["flag"])
		require.Equal(t, n, read.Extensions()["number"])
		require.Equal(t, ext, read.Extensions()["text"])
		if kindOf(e) == dataJSON {
			data = bytes.TrimSpace(data) // white space around a JSON value is not part of it
			require.Equal(t, string(data), string(bytes.TrimSpace(read.Data())))
		} else {
			require.Equal(t, string(data), string(read.Data()))
		}
	})
}

// sdkEvent makes an event of the SDK; ok is false for one that it would change.
func sdkEvent(e *webhook.Event) (*ce.Event, bool) {
	out := ce.New()
	source := types.ParseURIRef(e.Source)
	if source == nil || source.String() != e.Source || e.Time.Year() < 1 || e.Time.Year() > 9999 {
		return nil, false
	}
	context := &ce.EventContextV1{ID: e.CEID, Source: *source, Type: e.Type, Time: &types.Timestamp{Time: e.Time},
		Extensions: e.Extensions}
	if e.Subject != "" {
		context.Subject = &e.Subject
	}
	if e.DataType != "" {
		context.DataContentType = &e.DataType
	}
	out.Context = context
	if len(e.Data) > 0 {
		out.DataEncoded = e.Data
		media := out.DataMediaType()
		out.DataBase64 = kindOf(e) == dataBinary || kindOf(e) == dataJSON && !slices.Contains(sdkJSON, media)
	}
	return &out, true
}

// sdkJSON are the types that the SDK takes for JSON, as far as they are not events.
var sdkJSON = []string{"", "application/json", "text/json"}

// document reads a JSON document for comparison, with numbers as they are written.
func document(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var out map[string]any
	require.NoError(t, d.Decode(&out), "%s", raw)
	return out
}

func FuzzStandardIsJSON(f *testing.F) {
	f.Add("t", "application/json", []byte(`{}`))
	f.Add("\xff", "text/plain", []byte("\xff"))
	f.Fuzz(func(t *testing.T, typ, dataType string, data []byte) {
		e := &webhook.Event{Type: typ, DataType: dataType, Data: data}
		var out struct {
			Type string          `json:"type"`
			Data json.RawMessage `json:"data"`
		}
		require.NoError(t, json.Unmarshal(encodeStandard(e), &out))
		want := strings.ReplaceAll(strings.ToValidUTF8(typ, ""), "\ufffd", "")
		require.Equal(t, want, strings.ReplaceAll(out.Type, "\ufffd", ""), "but for U+FFFD")
		var text string
		switch kindOf(e) {
		case dataBinary:
			require.NoError(t, json.Unmarshal(out.Data, &text))
			require.Equal(t, base64.StdEncoding.EncodeToString(data), text)
		case dataText:
			require.NoError(t, json.Unmarshal(out.Data, &text))
			require.Equal(t, string(data), text)
		}
	})
}
