// Command ask puts every recorded metric and every query of a dashboard to a running Prometheus, as hack/verify-monitoring.sh
// has it run beside a real Homing. It fails when one is refused, or when one that a Homing with a delivery must answer has
// no answer.
//
// It is run in test/monitoring: go run ./ask http://127.0.0.1:9090
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// answered are the beginnings of titles and names that must have data when events have been accepted and delivered.
var answered = []string{
	"homing:events:", "homing:attempts:", "homing:ended:", "homing:delivery_seconds:", "homing:queue_age_seconds:",
	"homing:deliveries:live", "homing:deliveries:oldest", "homing:endpoints:", "homing:accept:error_ratio",
	"homing:latency:error_ratio", "homing:exhausted:error_ratio",
	"Homing / Business: Events", "Homing / Business: Delivered", "Homing / Business: Success rate",
	"Homing / Business: Time to deliver", "Homing / Business: Endpoints", "Homing / Business: Given up",
	"Homing / On call: Requests", "Homing / On call: Time", "Homing / On call: Attempts", "Homing / On call: Queue age",
	"Homing / On call: Ticks", "Homing / On call: Slots", "Homing / On call: Hints",
	"Homing / On call: Probes", "Homing / On call: Time of a probe", "Homing / On call: Since the last success",
	"Homing / Application: Processes", "Homing / Application: Claims", "Homing / Application: Deliveries a claim",
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "ask:", err)
		os.Exit(1)
	}
}

func run(base string) error {
	queries, err := all("../../monitoring")
	if err != nil {
		return err
	}
	var errs []error
	found := 0
	for _, q := range queries {
		n, err := ask(base, strings.ReplaceAll(q.expr, "$__rate_interval", "1m"))
		if err == nil && n == 0 && q.must() {
			err = errors.New("no data")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w: %s", q.name, err, q.expr))
		}
		if n > 0 {
			found++
		}
	}
	fmt.Printf("%d queries asked, %d with data\n", len(queries), found)
	return errors.Join(errs...)
}

type query struct{ name, expr string }

func (q *query) must() bool {
	for _, a := range answered {
		if strings.HasPrefix(q.name, a) {
			return true
		}
	}
	return false
}

// record matches the name of a recorded metric in a rule file.
var record = regexp.MustCompile(`(?m)^ +- record: (\S+)$`)

// all returns what is recorded, and what dashboards ask for.
func all(root string) ([]query, error) {
	var queries []query
	files, err := filepath.Glob(filepath.Join(root, "prometheus/rules/*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, m := range record.FindAllStringSubmatch(string(text), -1) {
			queries = append(queries, query{m[1], m[1]})
		}
	}
	files, err = filepath.Glob(filepath.Join(root, "grafana/dashboards/*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var board struct {
			Title  string
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(text, &board); err != nil {
			return nil, err
		}
		for _, p := range board.Panels {
			for _, t := range p.Targets {
				if t.Expr != "" {
					queries = append(queries, query{board.Title + ": " + p.Title, t.Expr})
				}
			}
		}
	}
	return queries, nil
}

// ask returns how many series answer.
func ask(base, expr string) (int, error) {
	res, err := http.PostForm(base+"/api/v1/query", url.Values{"query": {expr}})
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if answer.Status != "success" {
		return 0, errors.New(answer.Error)
	}
	return len(answer.Data.Result), nil
}
