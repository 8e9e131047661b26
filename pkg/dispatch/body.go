package dispatch

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/homing-hooks/homing/pkg/outcome"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// The content types that Homing gives bodies of its own making, and bodies whose type nobody named.
const (
	typeStructured = "application/cloudevents+json"
	typeStandard   = "application/json"
	typeUnknown    = "application/octet-stream"
)

// errEvent says that an event cannot be written in the endpoint's body format. Acceptance keeps such events out.
var errEvent error = &outcome.Error{
	Outcome: webhook.OutcomeConfig, Text: "the event cannot be sent in the endpoint's body format", Err: outcome.ErrConfig,
}

// payload is what a POST carries: the bytes that are signed, and what they are.
type payload struct {
	body        []byte
	contentType string // "" for an event without data and type
	binary      bool   // the event's attributes go into ce- headers
}

// encode writes an event in a body format. In the binary format the body is the event's own bytes, not a copy.
//
// Where the binary format is asked for and the content type would say something wrong, the event is sent structured:
// data that is itself a CloudEvent, which receivers would take for the event, since they tell the modes apart by the
// content type (HTTP binding 1.0.2, section 3); and a datacontenttype that no header can hold.
func encode(e *webhook.Event, f webhook.BodyFormat) (payload, error) {
	contentType := strings.TrimSpace(e.DataType)
	if contentType == "" && len(e.Data) > 0 {
		contentType = typeUnknown
	}
	switch {
	case f == webhook.FormatStandard:
		return payload{body: encodeStandard(e), contentType: typeStandard}, nil
	case f == webhook.FormatBinary && !hasPrefixFold(contentType, "application/cloudevents") &&
		validHeaderValue(contentType):
		return payload{body: e.Data, contentType: contentType, binary: true}, nil
	case f == webhook.FormatBinary || f == webhook.FormatStructured:
		body, err := encodeStructured(e)
		return payload{body: body, contentType: typeStructured}, err
	default:
		return payload{}, errEvent
	}
}

// encodeStructured writes an event in the JSON format of CloudEvents 1.0.2. Data that is declared to be JSON and is,
// is put in as it came; text becomes a string; everything else, JSON that is none included, becomes data_base64. Each
// comes out byte for byte at the receiver (see dataKind for what is text). Extensions keep their types and are
// sorted.
//
// JSON of other types than application/json and text/json ("+json") becomes data_base64 as well, which the format
// leaves to us (section 3.1.1): the Go SDK refuses to read it as data, and every SDK reads data_base64.
func encodeStructured(e *webhook.Event) ([]byte, error) {
	kind := kindOf(e)
	if kind == dataJSON && !plainJSON(e.DataType) {
		kind = dataBinary
	}
	b := make([]byte, 0, 512+encodedSize(kind, len(e.Data)))
	b = appendMember(append(b, `{"specversion":"1.0"`...), "id", e.CEID)
	b = appendMember(b, "source", e.Source)
	b = appendMember(b, "type", e.Type)
	b = appendOptional(b, "subject", e.Subject)
	b = appendOptional(b, "datacontenttype", e.DataType)
	b = appendOptional(b, "dataschema", e.DataSchema)
	if !e.Time.IsZero() {
		b = append(appendTime(append(b, `,"time":"`...), e.Time), '"')
	}
	if len(e.Extensions) > 0 {
		for _, name := range slices.Sorted(maps.Keys(e.Extensions)) {
			if !validExtension(name) {
				return nil, errEvent
			}
			b = append(append(append(b, `,"`...), name...), `":`...)
			var err error
			if b, err = appendValue(b, e.Extensions[name]); err != nil {
				return nil, err
			}
		}
	}
	switch kind {
	case dataNone:
	case dataBinary:
		b = append(b, `,"data_base64":`...)
		b = appendData(b, kind, e.Data)
	default:
		b = append(b, `,"data":`...)
		b = appendData(b, kind, e.Data)
	}
	return append(b, '}'), nil
}

// encodeStandard writes the plain body of Standard Webhooks 1.0.0 ("Payload structure"): the type, when the event
// happened (or was accepted, where the producer did not say) and the data. Data that is no JSON becomes a string:
// text as it is, anything else in base64 (RFC 4648, section 4); no data becomes null. Which of the two a string is
// does not show, so endpoints that want bytes should choose another format.
func encodeStandard(e *webhook.Event) []byte {
	kind := kindOf(e)
	happened := e.Time
	if happened.IsZero() {
		happened = e.AcceptedAt
	}
	b := make([]byte, 0, 128+encodedSize(kind, len(e.Data)))
	b = appendString(append(b, `{"type":`...), e.Type)
	b = appendTime(append(b, `,"timestamp":"`...), happened)
	b = append(b, `","data":`...)
	if kind == dataNone {
		return append(b, `null}`...)
	}
	return append(appendData(b, kind, e.Data), '}')
}

// dataKind says how data is put into a JSON document.
type dataKind int

const (
	dataNone dataKind = iota
	dataJSON
	dataText
	dataBinary
)

// kindOf looks at the declared type and at the bytes: nothing may be put in that would break the document or come out
// different. No type means JSON (JSON format 1.0.2, section 3.1.1).
func kindOf(e *webhook.Event) dataKind {
	if len(e.Data) == 0 {
		return dataNone
	}
	media, _, _ := strings.Cut(e.DataType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	switch {
	case !utf8.Valid(e.Data):
		return dataBinary
	case media == "" || strings.HasSuffix(media, "/json") || strings.HasSuffix(media, "+json"):
		if json.Valid(e.Data) {
			return dataJSON
		}
		return dataBinary
	case strings.HasPrefix(media, "text/"), strings.HasSuffix(media, "/xml"), strings.HasSuffix(media, "+xml"),
		media == "application/x-www-form-urlencoded", strings.HasSuffix(media, "/yaml"),
		strings.HasSuffix(media, "+yaml"):
		return dataText
	default:
		return dataBinary
	}
}

// plainJSON reports whether the Go SDK takes data of a type for JSON: it is particular about case and white space.
func plainJSON(dataType string) bool {
	media, _, parameters := strings.Cut(dataType, ";")
	if parameters {
		media = strings.TrimSpace(media)
	}
	return media == "" || media == "application/json" || media == "text/json"
}

// encodedSize guesses generously how long data becomes, so that the body is allocated once.
func encodedSize(kind dataKind, n int) int {
	switch kind {
	case dataBinary:
		return base64.StdEncoding.EncodedLen(n) + 2
	case dataText:
		return n + n/8 + 2
	default:
		return n
	}
}

func appendData(b []byte, kind dataKind, data []byte) []byte {
	switch kind {
	case dataText:
		return appendString(b, string(data))
	case dataBinary:
		return append(base64.StdEncoding.AppendEncode(append(b, '"'), data), '"')
	default:
		return append(b, data...)
	}
}

// appendMember appends a member whose name needs no escapes.
func appendMember(b []byte, name, value string) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	return appendString(b, value)
}

func appendOptional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendMember(b, name, value)
}

// appendValue appends the value of an extension.
func appendValue(b []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case string:
		return appendString(b, v), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int32:
		return strconv.AppendInt(b, int64(v), 10), nil
	default:
		return nil, errEvent
	}
}

// appendTime appends a time as CloudEvents' canonical string: RFC 3339, in UTC.
func appendTime(b []byte, t time.Time) []byte { return t.UTC().AppendFormat(b, time.RFC3339Nano) }

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string (RFC 8259, section 7). Only what must be escaped is; bytes that are no UTF-8
// become U+FFFD, and U+2028 and U+2029 are escaped for receivers that run the document as JavaScript.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = appendEscape(append(b, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			b = append(append(b, s[start:i]...), `\u202`...)
			b = append(b, hexDigits[r&0xf])
			start = i + size
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	default:
		return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
	}
}

// validExtension reports whether a name may be one of an extension (CloudEvents 1.0.2, "Naming conventions"): not
// that of another member, which the document would then have twice.
func validExtension(name string) bool {
	switch name {
	case "", "specversion", "id", "source", "type", "subject", "datacontenttype", "dataschema", "time", "data":
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
