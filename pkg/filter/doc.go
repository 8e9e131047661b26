// Package filter finds the endpoints that an event is for: those whose types and whose filter it satisfies.
//
// It owns the meaning of webhook.Endpoint.Types and webhook.Endpoint.Filter. A type is matched exactly, or "*" in it
// stands for any run of characters, the empty one included; no types at all stand for every type. A filter is an
// expression in the CloudEvents SQL Expression Language (CESQL 1.0) over the event's attributes, never its data.
//
// It promises that
//
//   - exact types are looked up in a map and wildcards by their literal beginning before any expression runs;
//   - whatever the text of a filter, reading it takes time linear in its length, evaluating it takes a number of
//     passes over the event's attributes that [MaxCost] bounds, and neither lets a panic out;
//   - a filter that goes wrong on an event does not match it and is reported, and so is an endpoint whose stored
//     filter cannot be read: it never just falls silent;
//   - a [Matcher] is safe for concurrent use, and the event is wrapped for the expressions at most once.
//
// # Why the expressions are read here
//
// Evaluation is that of cloudevents/sdk-go/sql, whose expressions are immutable and may run concurrently. Its parser
// is not used: it drops characters that it does not know and says so on stderr only, panics on some inputs, and takes
// most of a second for 2,000 open brackets and 30 times as long as the reader here for an ordinary filter. The reader
// here takes the same language from the same grammar and makes the same expressions, checks the functions' names and
// arguments at once, and says where a mistake is. Tests hold it to the SDK's parser and to the CESQL conformance kit.
//
// It never reads an event's data, stores, logs, or decides whether an endpoint may be sent to.
package filter
