package webhook

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"sync"
	"time"
)

// ID is a UUIDv7 (RFC 9562, section 5.7): its first 48 bits are the Unix time in milliseconds, so that ids sort by the
// time they were made and the store can partition by them. The zero ID means "none".
type ID [16]byte

// ErrBadID says that a text is not an id: not 32 hexadecimal digits in the 8-4-4-4-12 form of RFC 9562, section 4.
var ErrBadID = errors.New("webhook: an id has the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")

// IDSource makes ids. Ids from one source strictly increase, also within a millisecond and when the clock steps back
// by less than the source has run ahead. The zero value is ready for use, and safe for concurrent use.
type IDSource struct {
	mu   sync.Mutex
	last uint64 // milliseconds << 12 | sub-millisecond counter: the 60 bits that order ids
}

// New returns an id of the time now, which is the database's time as well as this process knows it.
func (s *IDSource) New(now time.Time) ID {
	var id ID
	// The random tail makes ids of different processes differ: crypto/rand never fails (since Go 1.24 it aborts).
	_, _ = rand.Read(id[8:])
	s.mu.Lock()
	at := uint64(now.UnixMilli())<<12 | uint64(now.Nanosecond()%1_000_000)*4096/1_000_000
	if at <= s.last {
		at = s.last + 1
	}
	s.last = at
	s.mu.Unlock()
	binary.BigEndian.PutUint64(id[:8], at>>12<<16|at&0xfff)
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// Sibling returns a new id of exactly the same moment: a delivery's from its event's, so that what bounds one in the
// store bounds the other.
func (id ID) Sibling() ID {
	_, _ = rand.Read(id[8:])
	id[8] = id[8]&0x3f | 0x80
	return id
}

// FirstID returns the smallest id of the millisecond of t. Together with [LastID] it bounds what was made in a span of
// time, so that the store's plans can prune partitions.
func FirstID(t time.Time) ID {
	var id ID
	binary.BigEndian.PutUint64(id[:8], uint64(t.UnixMilli())<<16)
	return id
}

// LastID returns the largest id of the millisecond of t.
func LastID(t time.Time) ID {
	id := FirstID(t)
	for i := 6; i < len(id); i++ {
		id[i] = 0xff
	}
	return id
}

// ParseID reads the text form of an id. Errors: [ErrBadID].
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ID{}, ErrBadID
	}
	for i, at := range [16]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		if _, err := hex.Decode(id[i:i+1], []byte(s[at:at+2])); err != nil {
			return ID{}, ErrBadID
		}
	}
	return id, nil
}

// Time returns the moment the id was made, to the millisecond.
func (id ID) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16)).UTC()
}

// IsZero reports whether the id is "none".
func (id ID) IsZero() bool { return id == ID{} }

// String returns the text form, 36 lower-case characters.
func (id ID) String() string { return string(id.AppendText36(make([]byte, 0, 36))) }

// AppendText36 appends the text form to b.
func (id ID) AppendText36(b []byte) []byte {
	for i, part := range [5][]byte{id[0:4], id[4:6], id[6:8], id[8:10], id[10:16]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return b
}

// MarshalText implements [encoding.TextMarshaler].
func (id ID) MarshalText() ([]byte, error) { return id.AppendText36(make([]byte, 0, 36)), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. Errors: [ErrBadID].
func (id *ID) UnmarshalText(b []byte) error {
	parsed, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
