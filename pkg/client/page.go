package client

import (
	"fmt"
	"iter"
	"reflect"
	"strings"
	"time"
)

// Page is a part of a list.
type Page[T any] struct {
	// Data is what was found.
	Data []T `json:"data"`
	// NextCursor is where the next page begins; "" on the last one. It is opaque, and good for the same list only.
	NextCursor string `json:"next_cursor,omitzero"`
}

// pages goes through the pages of a list, from one cursor to the next. After an error nothing more comes.
func pages[T any](cursor string, get func(cursor string) (*Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for at := cursor; ; {
			page, err := get(at)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Data {
				if !yield(item, nil) {
					return
				}
			}
			if page.NextCursor == "" {
				return
			}
			at = page.NextCursor
		}
	}
}

// Collect reads a list into a slice, at most so many items (0: all), for those who need no iterator.
func Collect[T any](list iter.Seq2[T, error], most int) ([]T, error) {
	items := []T{}
	for item, err := range list {
		if err != nil {
			return items, err
		}
		items = append(items, item)
		if len(items) == most {
			break
		}
	}
	return items, nil
}

// put adds a parameter to a query or a header, unless it is zero. A list is written with commas.
func put[M ~map[string][]string, T any](to M, name string, value T) {
	v := reflect.ValueOf(value)
	if v.IsZero() {
		return
	}
	text := fmt.Sprint(value)
	switch value := any(value).(type) {
	case time.Time:
		text = value.Format(time.RFC3339Nano)
	case []string:
		text = strings.Join(value, ",")
	}
	to[name] = []string{text}
}
