package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// askTimeout bounds one query.
const askTimeout = 10 * time.Second

// source answers queries.
type source struct{ api promv1.API }

func newSource(address string) (*source, error) {
	c, err := api.NewClient(api.Config{Address: address})
	if err != nil {
		return nil, err
	}
	return &source{promv1.NewAPI(c)}, nil
}

// read asks one query now. The reading is not known when nothing matches, or when the value is not a number (0/0).
// Errors: the query cannot be asked, or has more than one answer.
func (s *source) read(ctx context.Context, query string) (reading, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, _, _, err := s.api.Query(ctx, query, time.Now())
	if err != nil {
		return reading{}, fmt.Errorf("%w: %s", err, query)
	}
	vector, ok := answer.(model.Vector)
	if !ok || len(vector) > 1 {
		return reading{}, fmt.Errorf("it has more than one answer, or none of the right kind: %s", query)
	}
	if len(vector) == 0 || math.IsNaN(float64(vector[0].Value)) {
		return reading{}, nil
	}
	return reading{float64(vector[0].Value), true}, nil
}

// ask makes one round. What cannot be asked is not known; the errors say why.
func (s *source) ask(ctx context.Context, a *analysis, o *options) (*round, error) {
	var errs []error
	read := func(query, revision string) reading {
		r, err := s.read(ctx, expand(query, revision, o.window))
		errs = append(errs, err)
		return r
	}
	r := &round{
		canarySamples: read(a.Samples.Query, o.canary),
		stableSamples: read(a.Samples.Query, o.stable),
	}
	for i := range a.Checks {
		c := &a.Checks[i]
		var stable reading
		if c.compared() {
			stable = read(c.Query, o.stable)
		}
		r.results = append(r.results, judge(c, read(c.Query, o.canary), stable))
	}
	return r, errors.Join(errs...)
}
