// Package outcome says how an attempt ended: it turns the status of an answer, or the error that came instead of one,
// into a webhook.Outcome and a few words for people.
//
// It owns the classification, and with it what the logs, the metrics' labels and the attempts' records say. It promises
// to be pure, to answer with one of webhook.Outcomes for every input, and to let nothing secret through: its texts come
// from a closed vocabulary, plus at most the name of a host. It classifies by type; only where the standard library
// reports with nothing but a text does it look at that. It never decides about retrying beyond [Retryable]: that is for
// package backoff.
package outcome
