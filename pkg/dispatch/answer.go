package dispatch

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// keepHeaders returns the headers of an answer that go into its record: in the order of their names, as many as fit.
// Those that set cookies, which are credentials of a kind, are left out. Values are valid UTF-8 without control
// characters.
func keepHeaders(h http.Header) map[string]string {
	if len(h) == 0 {
		return nil
	}
	names := make([]string, 0, len(h))
	for name := range h {
		if name != "Set-Cookie" && name != "Set-Cookie2" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	kept := make(map[string]string, min(len(names), maxKeptHeaders))
	left := maxKeptHeaderBytes
	for _, name := range names {
		if len(kept) == maxKeptHeaders || len(name) >= left {
			break
		}
		left -= len(name)
		value := h[name][0]
		if len(h[name]) > 1 {
			value = strings.Join(h[name], ", ")
		}
		value = clean(value, left)
		left -= len(value)
		kept[name] = value
	}
	return kept
}

// clean returns the beginning of a header's value, at most n bytes, in a form that every store and terminal takes.
func clean(value string, n int) string {
	if len(value) > n {
		value = value[:n]
	}
	printable := true
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' {
			printable = false
			break
		}
	}
	if printable {
		return value
	}
	value = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, value)
	return value
}

// keepBody reads an answer's body up to the bound and returns its beginning. A body that ends in time leaves the
// connection for the next attempt; any other is closed by the caller, and with it the connection (HTTP/2: the
// stream).
func (d *Dispatcher) keepBody(res *http.Response) []byte {
	// After 101 the body is the connection itself, and would be read for ever.
	if res.StatusCode == http.StatusSwitchingProtocols || res.Body == http.NoBody {
		return nil
	}
	pooled := d.buffers.Get().(*[]byte)
	defer d.buffers.Put(pooled)
	buffer := *pooled
	n, err := readFull(res.Body, buffer[:d.keepUpTo])
	kept := append([]byte(nil), buffer[:n]...) // nil when there is none
	// One byte more than is allowed tells a body that is exactly as long from a longer one.
	for left := d.readUpTo + 1 - n; err == nil && left > 0; left -= n {
		n, err = res.Body.Read(buffer[:min(left, len(buffer))])
	}
	return kept
}

// readFull reads until the buffer is full or there is an error, which is io.EOF at the end.
func readFull(r io.Reader, buffer []byte) (int, error) {
	n := 0
	for n < len(buffer) {
		m, err := r.Read(buffer[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
