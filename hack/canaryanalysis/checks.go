package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"sigs.k8s.io/yaml"
)

// analysis is what the canaries of one service are judged by.
type analysis struct {
	Samples samples `json:"samples"`
	Checks  []check `json:"checks"`
}

// samples is how much there must be to judge by.
type samples struct {
	Query string  `json:"query"`
	Least float64 `json:"least"`
}

// check is one thing that must hold: at most Most, or, when Factor is set, at most the stable revision's value times
// Factor plus Plus.
type check struct {
	Name   string   `json:"name"`
	Query  string   `json:"query"`
	Most   *float64 `json:"most,omitempty"`
	Factor float64  `json:"factor,omitempty"`
	Plus   float64  `json:"plus,omitempty"`
}

// compared reports whether the check needs the stable revision's value.
func (c *check) compared() bool { return c.Factor > 0 }

// limit returns what the canary's value may be at most, and whether that is known.
func (c *check) limit(stable reading) (float64, bool) {
	if !c.compared() {
		return *c.Most, true
	}
	return stable.value*c.Factor + c.Plus, stable.known
}

// validate refuses what would hold always, or never.
func (c *check) validate() error {
	switch {
	case c.Name == "" || !strings.Contains(c.Query, "$pods") || !strings.Contains(c.Query, "$window"):
		return fmt.Errorf("check %q needs a name, and a query with $pods and $window", c.Name)
	case (c.Most == nil) == (c.Factor == 0):
		return fmt.Errorf("check %q needs either most or factor", c.Name)
	case c.Factor < 0 || c.Plus < 0 || c.Most != nil && (*c.Most < 0 || c.Plus != 0):
		return fmt.Errorf("check %q: most, factor and plus are not negative, and plus goes with factor", c.Name)
	}
	return nil
}

// load reads the analysis of a service.
func load(path, service string) (*analysis, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Services map[string]analysis `json:"services"`
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	a, ok := file.Services[service]
	if !ok {
		return nil, fmt.Errorf("%s says nothing about %s", path, service)
	}
	if !strings.Contains(a.Samples.Query, "$pods") || a.Samples.Least <= 0 || len(a.Checks) == 0 {
		return nil, fmt.Errorf("%s: %s needs samples with $pods and least, and checks", path, service)
	}
	var errs []error
	for i := range a.Checks {
		errs = append(errs, a.Checks[i].validate())
	}
	return &a, errors.Join(errs...)
}

// expand writes a query for the pods of one revision. Knative names pods after their revision's Deployment, and Homing
// names what it measures after its pod (service.instance.id).
func expand(query, revision string, window time.Duration) string {
	pods := fmt.Sprintf(`instance=~"%s-deployment-.*"`, strings.ReplaceAll(regexp.QuoteMeta(revision), `\`, `\\`))
	return strings.NewReplacer("$pods", pods, "$window", model.Duration(window).String()).Replace(query)
}
