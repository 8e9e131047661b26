package redis

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/homing-hooks/homing/pkg/timer"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// member is an entry as it is kept in a sorted set: endpoint, delivery, attempt, of fixed width, so that every entry
// has exactly one encoding. The time is the score.
type member [memberSize]byte

const memberSize = 16 + 16 + 8

func encode(e *timer.Entry) member {
	var m member
	copy(m[:16], e.Endpoint[:])
	copy(m[16:32], e.Delivery[:])
	binary.BigEndian.PutUint64(m[32:], uint64(e.Attempt))
	return m
}

// decode reads what encode wrote; ok is false when s is something else.
func decode(s string) (e timer.Entry, ok bool) {
	if len(s) != memberSize {
		return timer.Entry{}, false
	}
	copy(e.Endpoint[:], s[:16])
	copy(e.Delivery[:], s[16:32])
	e.Attempt = int(binary.BigEndian.Uint64([]byte(s[32:])))
	return e, true
}

// shardOf returns the shard of an entry, by its delivery so that the many of one endpoint spread over all shards.
func (t *Timer) shardOf(e *timer.Entry) int {
	id := e.Delivery
	if id == (webhook.ID{}) {
		id = e.Endpoint
	}
	return int(crc32.ChecksumIEEE(id[:]) % uint32(len(t.keys)))
}
