package testenv

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// abandonedAfter is the age at which a room made on another machine counts as left behind: its process cannot be
// looked up from here, and no test run takes that long.
const abandonedAfter = 12 * time.Hour

// owner is the process that made a room, as written into the room's name. Pid and start time name a process exactly
// within one pid namespace of one boot, which is what host stands for.
type owner struct {
	host    string // 8 hex digits
	pid     int
	started string // of the process, in the kernel's ticks
	unix    int64  // when the name was made, in seconds
}

var (
	self      = sync.OnceValues(newOwner)
	roomCount atomic.Int64
)

func newOwner() (owner, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return owner{}, err
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return owner{}, err
	}
	sum := sha256.Sum256([]byte(string(boot) + namespace))
	started, err := startTime(os.Getpid())
	if err != nil {
		return owner{}, err
	}
	return owner{
		host: fmt.Sprintf("%x", sum[:4]), pid: os.Getpid(), started: started, unix: time.Now().Unix(),
	}, nil
}

// startTime returns when a process started, field 22 of its stat line (proc(5)).
func startTime(pid int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	stat := string(b)
	// The command in field 2 is in parentheses and may hold anything, also spaces and parentheses.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const field22 = 22 - 3
	if len(fields) <= field22 {
		return "", fmt.Errorf("testenv: stat line of %d is short", pid)
	}
	return fields[field22], nil
}

// newRoom returns a name that no other room has had: prefix, owner, number. The characters are legal in a Postgres
// identifier without quotes, in a Redis key and in a virtual host; at most 63 of them with a prefix of up to 12.
func newRoom(prefix string) (string, error) {
	o, err := self()
	if err != nil {
		return "", fmt.Errorf("testenv: name a room: %w", err)
	}
	return fmt.Sprintf("%s_%s_%d_%s_%d_%d", prefix, o.host, o.pid, o.started, o.unix, roomCount.Add(1)), nil
}

// abandoned reports whether a name is that of a room whose process is gone, so that the room can be removed.
// Names that newRoom did not make with this prefix are never abandoned.
func abandoned(name, prefix string, now time.Time) bool {
	rest, ok := strings.CutPrefix(name, prefix+"_")
	if !ok {
		return false
	}
	parts := strings.Split(rest, "_")
	if len(parts) != 5 {
		return false
	}
	pid, errPid := strconv.Atoi(parts[1])
	unix, errUnix := strconv.ParseInt(parts[3], 10, 64)
	me, errSelf := self()
	if errPid != nil || errUnix != nil || errSelf != nil {
		return false
	}
	if parts[0] != me.host {
		return now.Sub(time.Unix(unix, 0)) > abandonedAfter
	}
	started, err := startTime(pid)
	return err != nil || started != parts[2]
}
