package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// payloadSize is that of every event's data.
const payloadSize = 1024

// The payload tells which event it is, and when it was sent: {"n":<12 digits>,"t":<19 digits of ns>,"pad":"xxx"}. JSON
// allows no leading zeros, so both are strings.
const (
	bodyHead   = `{"n":"000000000000","t":"0000000000000000000","pad":"`
	bodyNumber = 6
	bodyTime   = 25
)

func newBody() []byte {
	b := bytes.Repeat([]byte("x"), payloadSize)
	copy(b, bodyHead)
	copy(b[payloadSize-2:], `"}`)
	return b
}

// putDigits writes v right-aligned into the digits of b.
func putDigits(b []byte, v int64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + v%10)
		v /= 10
	}
}

// digits reads what putDigits wrote; -1 when it is something else.
func digits(b []byte) (v int64) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		v = v*10 + int64(c-'0')
	}
	return v
}

// message is a request or an answer as far as it matters here.
type message struct {
	first   []byte // the first line; valid until the next read
	length  int
	attempt int
}

var errChunked = errors.New("a body without Content-Length")

// readHead reads the head of an HTTP/1.1 message.
func readHead(r *bufio.Reader, m *message) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	m.first = append(m.first[:0], bytes.TrimRight(line, "\r\n")...)
	m.length, m.attempt = -1, 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		switch name, value, _ := bytes.Cut(line, []byte(": ")); {
		case bytes.EqualFold(name, []byte("Content-Length")):
			m.length, err = strconv.Atoi(string(value))
		case bytes.EqualFold(name, []byte("Homing-Attempt")):
			m.attempt, err = strconv.Atoi(string(value))
		}
		if err != nil {
			return fmt.Errorf("header %q: %w", line, err)
		}
	}
	if m.length < 0 {
		return errChunked
	}
	return nil
}

// readBody reads the body of m into b, as far as it fits.
func readBody(r *bufio.Reader, m *message, b []byte) ([]byte, error) {
	n := min(m.length, len(b))
	if _, err := io.ReadFull(r, b[:n]); err != nil {
		return nil, err
	}
	_, err := r.Discard(m.length - n)
	return b[:n], err
}
