// Package parking is being written; this file keeps the rest compiling meanwhile.
package parking

import (
	"context"
	"errors"

	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
)

// Config is interim.
type Config struct{ Link link.Config }

// Parking is interim.
type Parking struct{}

// Parked is interim.
type Parked struct {
	Header map[string]string
	Body   []byte
}

// New is interim.
func New(Config) (*Parking, error) { return &Parking{}, nil }

// Park is interim.
func (*Parking) Park(context.Context, Parked) error { return errors.New("interim") }

// Drain is interim.
func (*Parking) Drain(context.Context, int, func(context.Context, Parked) error) (int, error) {
	return 0, nil
}

// Close is interim.
func (*Parking) Close(context.Context) error { return nil }
