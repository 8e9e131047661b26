package accept_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/functions/ingest/accept"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// sample is an event with every attribute, and values that make encodings differ.
func sample(t *testing.T) event.Event {
	t.Helper()
	e := event.New()
	e.SetID("id-1")
	e.SetSource("/shop/%C3%A4?b=c")
	e.SetType("order.paid")
	e.SetSubject("größe 100%")
	e.SetTime(time.Date(2026, 11, 23, 10, 0, 0, 123, time.UTC))
	e.SetDataSchema("https://example.com/schema")
	e.SetExtension("region", "eu-1")
	e.SetExtension("urgent", true)
	e.SetExtension("prio", int32(5))
	require.NoError(t, e.SetData("application/json", json.RawMessage(`{"a": 1}`)))
	return e
}

// rawOf is a request as ingest reads it.
func rawOf(t *testing.T, r *http.Request) accept.Raw {
	t.Helper()
	raw, err := accept.ReadRaw(httptest.NewRecorder(), r, 1<<20)
	require.NoError(t, err)
	return raw
}

func TestDecode(t *testing.T) {
	t.Parallel()

	t.Run("BinaryAndStructuredGiveTheSameEvent", func(t *testing.T) {
		t.Parallel()
		ce := sample(t)
		for _, structured := range []bool{false, true} {
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			ctx := t.Context()
			if structured {
				ctx = binding.WithForceStructured(ctx)
			}
			require.NoError(t, cehttp.WriteRequest(ctx, binding.ToMessage(&ce), r))
			events, err := accept.Decode(t.Context(), rawOf(t, r), false)
			require.NoError(t, err)
			require.Len(t, events, 1)
			e := events[0]
			require.Equal(t, "id-1", e.CEID)
			require.Equal(t, "/shop/%C3%A4?b=c", e.Source)
			require.Equal(t, "order.paid", e.Type)
			require.Equal(t, "größe 100%", e.Subject)
			require.True(t, ce.Time().Equal(e.Time))
			require.Equal(t, "application/json", e.DataType)
			require.Equal(t, "https://example.com/schema", e.DataSchema)
			require.JSONEq(t, `{"a": 1}`, string(e.Data))
			require.Equal(t, "eu-1", e.Extensions["region"])
			if structured {
				require.Equal(t, true, e.Extensions["urgent"])
				require.Equal(t, int32(5), e.Extensions["prio"])
			}
		}
	})

	t.Run("BinaryPayloadBytesAreUntouched", func(t *testing.T) {
		t.Parallel()
		payload := []byte("\x00\xff{ not json")
		r := request(string(payload), "ce-datacontenttype", "")
		r.Header.Set("Content-Type", "application/octet-stream")
		events, err := accept.Decode(t.Context(), rawOf(t, r), false)
		require.NoError(t, err)
		require.Equal(t, payload, events[0].Data)
	})

	t.Run("PercentEncodedHeadersAreDecoded", func(t *testing.T) {
		t.Parallel()
		r := request("{}", "ce-subject", "gr%C3%B6%C3%9Fe%20100%25")
		events, err := accept.Decode(t.Context(), rawOf(t, r), false)
		require.NoError(t, err)
		require.Equal(t, "größe 100%", events[0].Subject)

		r = request("{}", "ce-subject", "100% sure")
		events, err = accept.Decode(t.Context(), rawOf(t, r), false)
		require.NoError(t, err)
		require.Equal(t, "100% sure", events[0].Subject, "what is not encoded is taken literally")
	})

	t.Run("ABatchIsTakenWhereAllowed", func(t *testing.T) {
		t.Parallel()
		body, err := json.Marshal([]event.Event{sample(t), sample(t)})
		require.NoError(t, err)
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/cloudevents-batch+json; charset=utf-8")
		raw := rawOf(t, r)
		events, err := accept.Decode(t.Context(), raw, true)
		require.NoError(t, err)
		require.Len(t, events, 2)
		_, err = accept.Decode(t.Context(), raw, false)
		require.ErrorIs(t, err, accept.ErrNotCloudEvents)
	})

	t.Run("TheTraceContextIsKept", func(t *testing.T) {
		t.Parallel()
		const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		r := request("{}", "traceparent", parent)
		r.Header.Set("Tracestate", "a=b")
		events, err := accept.Decode(t.Context(), rawOf(t, r), false)
		require.NoError(t, err)
		require.Equal(t, parent, events[0].Trace.Parent)
		require.Equal(t, "a=b", events[0].Trace.State)

		events, err = accept.Decode(t.Context(), rawOf(t, request("{}", "ce-traceparent", parent)), false)
		require.NoError(t, err)
		require.Equal(t, parent, events[0].Trace.Parent)
	})

	t.Run("NoCredentialIsKept", func(t *testing.T) {
		t.Parallel()
		r := request("{}", "Authorization", "Bearer very-secret")
		r.Header.Set("Cookie", "very-secret")
		raw := rawOf(t, r)
		kept, err := json.Marshal(raw)
		require.NoError(t, err)
		require.NotContains(t, string(kept), "very-secret")
	})

	attributes := func(name, value string) map[string]string {
		h := map[string]string{"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/", "Ce-Type": "t"}
		h[name] = value
		return h
	}
	contentType := func(value string) map[string]string { return map[string]string{"Content-Type": value} }
	for name, tc := range map[string]struct {
		header map[string]string
		body   string
		want   error
	}{
		"PlainJSON":      {contentType("application/json"), `{}`, accept.ErrNotCloudEvents},
		"NoContentType":  {nil, `{}`, accept.ErrNotCloudEvents},
		"BrokenJSON":     {contentType("application/cloudevents+json"), `{"specversion`, accept.ErrUndecodable},
		"OldVersion":     {attributes("Ce-Specversion", "0.3"), `{}`, accept.ErrUndecodable},
		"UnknownVersion": {attributes("Ce-Specversion", "9"), `{}`, accept.ErrUndecodable},
		"BadTime":        {attributes("Ce-Time", "yesterday"), `{}`, accept.ErrUndecodable},
		"BatchOfJunk":    {contentType("application/cloudevents-batch+json"), `[1]`, accept.ErrUndecodable},
	} {
		t.Run("Refuses"+name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tc.body))
			for k, v := range tc.header {
				r.Header.Set(k, v)
			}
			_, err := accept.Decode(t.Context(), rawOf(t, r), true)
			require.ErrorIs(t, err, tc.want)
		})
	}

	t.Run("ABodyOverTheLimitIsTooLarge", func(t *testing.T) {
		t.Parallel()
		for _, announced := range []int64{11, -1} {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("elevenbytes"))
			r.ContentLength = announced
			_, err := accept.ReadRaw(httptest.NewRecorder(), r, 10)
			require.ErrorIs(t, err, accept.ErrTooLarge)
		}
	})
}

// request is a minimal event in binary mode, with one more header.
func request(body, name, value string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/events", strings.NewReader(body))
	for k, v := range map[string]string{
		"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/s", "Ce-Type": "t", "Content-Type": "application/json",
	} {
		r.Header.Set(k, v)
	}
	if value != "" {
		r.Header.Set(name, value)
	}
	return r
}

func TestValidate(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2000)
	for name, tc := range map[string]struct {
		change    func(*webhook.Event)
		attribute string
	}{
		"NoID":            {func(e *webhook.Event) { e.CEID = "" }, "id"},
		"LongID":          {func(e *webhook.Event) { e.CEID = long }, "id"},
		"NoSource":        {func(e *webhook.Event) { e.Source = "" }, "source"},
		"LongType":        {func(e *webhook.Event) { e.Type = long }, "type"},
		"ControlInType":   {func(e *webhook.Event) { e.Type = "a\nb" }, "type"},
		"NULInSubject":    {func(e *webhook.Event) { e.Subject = "a\x00b" }, "subject"},
		"NotUTF8":         {func(e *webhook.Event) { e.Subject = "\xff\xfe" }, "subject"},
		"LongContentType": {func(e *webhook.Event) { e.DataType = long }, "datacontenttype"},
		"LongSchema":      {func(e *webhook.Event) { e.DataSchema = long }, "dataschema"},
		"LongExtension":   {func(e *webhook.Event) { e.Extensions["a"] = long }, "a"},
		"NULInExtension":  {func(e *webhook.Event) { e.Extensions["a"] = "\x00" }, "a"},
		"BadName":         {func(e *webhook.Event) { e.Extensions["A-b"] = "c" }, "extensions"},
		"DataAsAttribute": {func(e *webhook.Event) { e.Extensions["data"] = "c" }, "data"},
		"ManyExtensions":  {func(e *webhook.Event) { extend(e, 33) }, "extensions"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ce := sample(t)
			e, err := accept.FromCloudEvent(&ce)
			require.NoError(t, err)
			tc.change(&e)
			err = accept.Validate(&e, 7)
			require.ErrorIs(t, err, accept.ErrInvalid)
			var invalid *accept.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, tc.attribute, invalid.Attribute)
			require.Equal(t, 7, invalid.Index)
			require.NotContains(t, err.Error(), "xxxx", "the value is not repeated")
		})
	}
	ce := sample(t)
	e, err := accept.FromCloudEvent(&ce)
	require.NoError(t, err)
	require.NoError(t, accept.Validate(&e, 0))
}

func extend(e *webhook.Event, n int) {
	for i := range n {
		e.Extensions["x"+strings.Repeat("y", i)] = "v"
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("application/cloudevents+json", "1.0", `{"specversion":"1.0","id":"1","source":"/","type":"t","data":{}}`)
	f.Add("application/cloudevents-batch+json", "", `[{"specversion":"1.0","id":"1","source":"/","type":"t"}]`)
	f.Add("application/json", "1.0", `{}`)
	f.Fuzz(func(t *testing.T, contentType, version, body string) {
		raw := accept.Raw{Header: map[string]string{"content-type": contentType}, Body: []byte(body)}
		if version != "" {
			raw.Header["ce-specversion"] = version
			raw.Header["ce-id"], raw.Header["ce-source"], raw.Header["ce-type"] = body, contentType, version
		}
		events, err := accept.Decode(t.Context(), raw, true)
		if err != nil {
			if !errors.Is(err, accept.ErrUndecodable) && !errors.Is(err, accept.ErrNotCloudEvents) {
				t.Fatalf("an error that no face knows how to answer: %v", err)
			}
			return
		}
		for i := range events {
			_ = accept.Validate(&events[i], i)
		}
	})
}
