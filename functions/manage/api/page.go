package api

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Paging are the parameters of a list.
type Paging struct {
	//nolint:lll // a tag cannot be broken
	Cursor string `query:"cursor" maxLength:"200" doc:"Where to go on: the next_cursor of the page before. Leave it out for the first page."`
	Limit  int    `query:"limit" minimum:"1" maximum:"250" default:"50" doc:"How many to list at most."`
}

// Page is a part of a list.
type Page[T any] struct {
	Data []T `json:"data" nullable:"false" doc:"What was found."`
	//nolint:lll // a tag cannot be broken
	NextCursor string `json:"next_cursor,omitempty" doc:"Where the next page begins; missing on the last one. A cursor is opaque, and good for the same list only."`
}

// listed is the answer with a page.
type listed[T any] struct{ Body Page[T] }

// paged makes the answer of a list that was read with one item more than asked for, which says that there is more.
func paged[S, T any](list []S, limit int, show func(S) T, position func(S) string) *listed[T] {
	out := &listed[T]{Body: Page[T]{Data: make([]T, 0, min(limit, len(list)))}}
	if len(list) > limit {
		list = list[:limit]
		out.Body.NextCursor = cursorOf(position(list[limit-1]))
	}
	for _, item := range list {
		out.Body.Data = append(out.Body.Data, show(item))
	}
	return out
}

// cursorOf is the cursor that stands for a position.
func cursorOf(position string) string { return base64.RawURLEncoding.EncodeToString([]byte(position)) }

// after is the position that a cursor stands for; "" at the beginning.
func (p Paging) after() (string, error) {
	text, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil {
		return "", badCursor()
	}
	return string(text), nil
}

// afterID is after for lists in the order of ids.
func (p Paging) afterID() (webhook.ID, error) {
	text, err := p.after()
	if err != nil || text == "" {
		return webhook.ID{}, err
	}
	id, err := webhook.ParseID(text)
	if err != nil {
		return webhook.ID{}, badCursor()
	}
	return id, nil
}

func badCursor() error {
	return invalid(server.Fault{Field: "cursor", Detail: "it is none that this list gave"})
}

// etag is the entity tag of a version (RFC 9110, section 8.8.3).
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// Changing is the header of requests that change something.
type Changing struct {
	//nolint:lll // a tag cannot be broken
	IfMatch string `header:"If-Match" maxLength:"200" doc:"The ETag of the version to change; when it is another one by now, the answer is 412. Without it, the change is made on any version."`
}

// check refuses to change a version that the request does not name (RFC 9110, section 13.1.1).
func (c Changing) check(version int64) error {
	if c.IfMatch == "" {
		return nil
	}
	for tag := range strings.SplitSeq(c.IfMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == etag(version) {
			return nil
		}
	}
	return because(server.ErrPrecondition, "it has version "+etag(version)+" now")
}

// version is what a change is bound to when the request says so: that which was read, and checked; 0 for any.
func (c Changing) version(read int64) int64 {
	if c.IfMatch == "" {
		return 0
	}
	return read
}

// maxTries bounds how often a change without If-Match is made anew because somebody else was faster.
const maxTries = 4

// update makes a change on the present version of something, anew when the version has changed meanwhile. With
// If-Match that is for the client to decide: once is tried once.
func (c Changing) update(try func() error) error {
	for range maxTries - 1 {
		if err := try(); !isConflict(err) {
			return err
		}
	}
	return try()
}

func isConflict(err error) bool { return server.KindOf(err) == server.KindConflict && err != nil }
