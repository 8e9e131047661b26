package postgres

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// array is an array parameter in Postgres' binary format, built element by element while the caller walks its structs.
// The hot statements take some twenty arrays; through pgx's own slices each element would be boxed and planned apart.
type array struct {
	count   int
	hasNull bool
	body    []byte
}

// next begins an element of a fixed size.
func (a *array) next(size int) {
	a.count++
	a.body = binary.BigEndian.AppendUint32(a.body, uint32(size))
}

// null appends a NULL.
func (a *array) null() {
	a.hasNull = true
	a.next(-1)
}

// uuid appends 16 bytes, also zeros: width_bucket refuses an array with a NULL.
func (a *array) uuid(v [16]byte) {
	a.next(len(v))
	a.body = append(a.body, v[:]...)
}

// text appends a text, also an empty one.
func (a *array) text(v string) {
	a.next(len(v))
	a.body = append(a.body, v...)
}

// optional appends a text; an empty one is NULL.
func (a *array) optional(v string) {
	if v == "" {
		a.null()
		return
	}
	a.text(v)
}

// bytes appends bytes; nil is NULL.
func (a *array) bytes(v []byte) {
	if v == nil {
		a.null()
		return
	}
	a.next(len(v))
	a.body = append(a.body, v...)
}

// jsonb appends a JSON document; nil is NULL.
func (a *array) jsonb(v []byte) {
	if v == nil {
		a.null()
		return
	}
	const version = 1 // of the binary format of jsonb
	a.next(len(v) + 1)
	a.body = append(append(a.body, version), v...)
}

func (a *array) int64(v int64) {
	a.next(8)
	a.body = binary.BigEndian.AppendUint64(a.body, uint64(v))
}

// micros appends a duration as a bigint of microseconds; 0 is NULL.
func (a *array) micros(v time.Duration) {
	if v == 0 {
		a.null()
		return
	}
	a.int64(v.Microseconds())
}

func (a *array) int32(v int) {
	a.next(4)
	a.body = binary.BigEndian.AppendUint32(a.body, uint32(v))
}

// truth appends 1 for true and 0 for false.
func (a *array) truth(v bool) {
	if v {
		a.int32(1)
	} else {
		a.int32(0)
	}
}

// postgresEpoch is where Postgres counts its microseconds from.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// time appends a moment; the zero time is NULL.
func (a *array) time(v time.Time) {
	if v.IsZero() {
		a.null()
		return
	}
	a.int64(v.UnixMicro() - postgresEpoch)
}

// interval appends a duration, to the microsecond.
func (a *array) interval(v time.Duration) {
	a.next(16)
	a.body = binary.BigEndian.AppendUint64(a.body, uint64(v.Microseconds()))
	a.body = append(a.body, 0, 0, 0, 0, 0, 0, 0, 0) // no days, no months
}

// uuids builds a uuid[] of ids.
func uuids(list []webhook.ID) *array {
	a := new(array)
	for _, id := range list {
		a.uuid(id)
	}
	return a
}

// arrayCodec sends an [array] as the array type that it is registered for, and leaves everything else to pgx.
type arrayCodec struct {
	*pgtype.ArrayCodec
}

// PlanEncode implements [pgtype.Codec].
func (c arrayCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(*array); ok && format == pgtype.BinaryFormatCode {
		return arrayPlan{element: c.ElementType.OID}
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

type arrayPlan struct{ element uint32 }

// Encode implements [pgtype.EncodePlan]: the layout is that of array_recv in Postgres' arrayfuncs.c.
func (p arrayPlan) Encode(value any, buf []byte) ([]byte, error) {
	a := value.(*array)
	flags, dimensions := uint32(0), uint32(1)
	if a.hasNull {
		flags = 1
	}
	if a.count == 0 {
		dimensions = 0
	}
	const header = 5 * 4
	buf = slices.Grow(buf, header+len(a.body)) // payloads are large: growing bit by bit would copy them again and again
	buf = binary.BigEndian.AppendUint32(buf, dimensions)
	buf = binary.BigEndian.AppendUint32(buf, flags)
	buf = binary.BigEndian.AppendUint32(buf, p.element)
	if a.count == 0 {
		return buf, nil
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(a.count))
	buf = binary.BigEndian.AppendUint32(buf, 1) // lower bound
	return append(buf, a.body...), nil
}

// zeroCodec reads NULL as the zero value, so that no field of a domain type needs a pointer, and times as UTC. Ids and
// times are written as they are read: the zero one as NULL.
type zeroCodec struct {
	pgtype.Codec
}

// PlanEncode implements [pgtype.Codec].
func (c zeroCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	switch value.(type) {
	case webhook.ID:
		if format == pgtype.BinaryFormatCode {
			return idPlan{}
		}
	case time.Time:
		if format == pgtype.BinaryFormatCode {
			return utcPlan{}
		}
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

type idPlan struct{}

// Encode implements [pgtype.EncodePlan].
func (idPlan) Encode(value any, buf []byte) ([]byte, error) {
	id := value.(webhook.ID)
	if id.IsZero() {
		return nil, nil
	}
	return append(buf, id[:]...), nil
}

// PlanScan implements [pgtype.Codec].
func (c zeroCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	switch target.(type) {
	case *webhook.ID:
		if format == pgtype.BinaryFormatCode {
			return idPlan{}
		}
		return nil
	case *int, *int64, *time.Duration, *bool:
		return zeroPlan{c.plan(m, oid, format, target)}
	case *time.Time:
		return utcPlan{c.plan(m, oid, format, target)}
	}
	return c.Codec.PlanScan(m, oid, format, target)
}

// plan returns the plan of the wrapped codec, for a target that pgx may have to wrap first.
func (c zeroCodec) plan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if plan := c.Codec.PlanScan(m, oid, format, target); plan != nil {
		return plan
	}
	if wrapper, next, ok := pgtype.TryWrapBuiltinTypeScanPlan(target); ok {
		if plan := c.Codec.PlanScan(m, oid, format, next); plan != nil {
			wrapper.SetNext(plan)
			return wrapper
		}
	}
	return nil
}

// Scan implements [pgtype.ScanPlan].
func (idPlan) Scan(src []byte, target any) error {
	id := target.(*webhook.ID)
	*id = webhook.ID{}
	if src != nil && copy(id[:], src) != len(id) {
		return webhook.ErrBadID
	}
	return nil
}

type zeroPlan struct{ pgtype.ScanPlan }

// Scan implements [pgtype.ScanPlan].
func (p zeroPlan) Scan(src []byte, target any) error {
	if src != nil {
		return p.ScanPlan.Scan(src, target)
	}
	switch t := target.(type) {
	case *int:
		*t = 0
	case *int64:
		*t = 0
	case *time.Duration:
		*t = 0
	case *bool:
		*t = false
	}
	return nil
}

type utcPlan struct{ pgtype.ScanPlan }

// Encode implements [pgtype.EncodePlan].
func (utcPlan) Encode(value any, buf []byte) ([]byte, error) {
	t := value.(time.Time)
	if t.IsZero() {
		return nil, nil
	}
	return binary.BigEndian.AppendUint64(buf, uint64(t.UnixMicro()-postgresEpoch)), nil
}

// Scan implements [pgtype.ScanPlan].
func (p utcPlan) Scan(src []byte, target any) error {
	t := target.(*time.Time)
	if src == nil {
		*t = time.Time{}
		return nil
	}
	if err := p.ScanPlan.Scan(src, target); err != nil {
		return err
	}
	*t = t.UTC()
	return nil
}

// nullText is a scan target for a text that may be NULL, read as "". (pgx reads texts past the codec, so that zeroCodec
// cannot do it.)
type nullText string

// ScanText implements [pgtype.TextScanner].
func (t *nullText) ScanText(v pgtype.Text) error {
	*t = nullText(v.String)
	return nil
}

// registerTypes teaches a connection the codecs of this file.
func registerTypes(m *pgtype.Map) {
	for _, name := range []string{"uuid", "timestamptz", "interval", "int4", "int8", "bool"} {
		t, _ := m.TypeForName(name)
		m.RegisterType(&pgtype.Type{Name: t.Name, OID: t.OID, Codec: zeroCodec{t.Codec}})
	}
	arrays := []string{
		"_uuid", "_text", "_timestamptz", "_interval", "_int4", "_int8", "_bool", "_bytea", "_jsonb",
	}
	for _, name := range arrays {
		t, _ := m.TypeForName(name)
		element, _ := m.TypeForName(strings.TrimPrefix(name, "_"))
		codec := arrayCodec{&pgtype.ArrayCodec{ElementType: element}}
		m.RegisterType(&pgtype.Type{Name: t.Name, OID: t.OID, Codec: codec})
	}
}
