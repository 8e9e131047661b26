// Package schema compiles the JSON Schemas (2020-12) that tenants give for their event types, and holds data to them.
//
// Whoever writes the schemas is not trusted with our memory and time, and neither is whoever sends the data. So a
// schema is bounded in size and depth, refers to nothing but its own parts, and is never fetched from anywhere; data
// are bounded in depth and in the size of their numbers; and a validation ends after a number of steps that grows with
// the size of the data, whatever the schema: there are schemas of a few lines that take longer than anybody lives.
//
// It owns the bounds and the words in which violations are told. It promises never to repeat a value of the data: a
// violation says where and which rule, and what is said may go into answers, logs and the store. It is pure: it does no
// I/O and knows nothing of events.
package schema
