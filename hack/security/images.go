package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// images reads the reports that Trivy made of images (`trivy image --format json`). Images are in a registry, and what
// is known of their packages changes by the hour: so Trivy itself looks, in the workflow that builds them.
func images(_ context.Context, o options) ([]Finding, error) {
	var out []Finding
	for _, file := range o.imageReports {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var report struct {
			ArtifactName string
			Results      []struct {
				Vulnerabilities []struct{ VulnerabilityID, PkgName, Severity, Title string }
				Secrets         []struct{ RuleID, Title, Severity string }
			}
		}
		if err := json.Unmarshal(text, &report); err != nil || report.ArtifactName == "" {
			return nil, fmt.Errorf("%s is no report of an image", file)
		}
		for _, r := range report.Results {
			for _, v := range r.Vulnerabilities {
				where := "image/" + v.PkgName
				out = append(out, Finding{v.VulnerabilityID, where, severity(v.Severity), v.Title})
			}
			for _, s := range r.Secrets {
				out = append(out, Finding{s.RuleID, "image/secret", Critical, s.Title})
			}
		}
	}
	return slices.Clip(out), nil
}
