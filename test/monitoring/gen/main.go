// Command gen writes what of monitoring/ is made from tables: the rules of the objectives, the rules as an object of
// Kubernetes, and the dashboards; and docs/alerts.md, from the rules and the runbooks. With -check it only says what is not as it would be written.
//
// It is run in test/monitoring: go run ./gen
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ruleFiles are the files of rules, in the order in which Prometheus has them.
var ruleFiles = []string{"recording.yaml", "slo.yaml", "alerts.yaml"}

func main() {
	root := flag.String("root", "../../monitoring", "where to write")
	check := flag.Bool("check", false, "write nothing, and fail if something is not current")
	flag.Parse()
	if err := run(*root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run writes each file, or compares it. The rules go first: the object of Kubernetes is made from them.
func run(root string, check bool) error {
	put := write
	if check {
		put = compare
	}
	if err := put(filepath.Join(root, "prometheus/rules/slo.yaml"), []byte(rules())); err != nil {
		return err
	}
	object, err := ruleObject(filepath.Join(root, "prometheus/rules"))
	if err != nil {
		return err
	}
	errs := []error{put(filepath.Join(root, "kubernetes/prometheusrule.yaml"), object)}
	docs := filepath.Join(root, "../docs")
	list, err := alerts(filepath.Join(root, "prometheus/rules"), filepath.Join(docs, "runbooks"))
	if err != nil {
		return err
	}
	errs = append(errs, put(filepath.Join(docs, "alerts.md"), list))
	for _, d := range dashboards() {
		errs = append(errs, put(filepath.Join(root, "grafana/dashboards", d.UID+".json"), d.json()))
	}
	return errors.Join(errs...)
}

func write(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

func compare(file string, text []byte) error {
	have, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, text) {
		return fmt.Errorf("%s is not current: go run ./gen in test/monitoring", file)
	}
	return nil
}

// ruleObject wraps the groups of all rule files into one PrometheusRule.
func ruleObject(dir string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`# Made by "go run ./gen" in test/monitoring from prometheus/rules.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: homing
  labels: {app.kubernetes.io/part-of: homing}
spec:
  groups:
`)
	for _, name := range ruleFiles {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		_, groups, found := strings.Cut(string(text), "\ngroups:\n")
		if !found {
			return nil, fmt.Errorf("%s has no groups", name)
		}
		for line := range strings.Lines(groups) {
			if strings.TrimSpace(line) != "" {
				b.WriteString("  ")
			}
			b.WriteString(line)
		}
	}
	return b.Bytes(), nil
}
