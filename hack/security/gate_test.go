package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const checkout = "../.."

// today is the day of these tests; only the database of vulnerabilities is held to the real one.
var today = time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)

// planted returns options for a checkout that has these files, tracked by git, and nothing else.
func planted(t *testing.T, only string, files map[string]string) options {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	for _, args := range [][]string{{"git", "init", "-q"}, {"git", "add", "-A"}} {
		do(t, root, args...)
	}
	golangci, err := filepath.Glob(filepath.Join(checkout, ".dev", "bin", "golangci-lint-*"))
	require.NoError(t, err)
	require.NotEmpty(t, golangci, "make golangci")
	program, err := filepath.Abs(golangci[0])
	require.NoError(t, err)
	o := options{root: root, golangci: program, vulndb: "latest", date: today, notes: map[string]string{}}
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	return o
}

func do(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, environment()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// leak has what AWS' access keys look like; in pieces, so that nobody finds one here.
var leak = map[string]string{"notes.txt": "aws_access_key_id = " + "AKIA" + "Z7QXKJ5MWN2RTPVB" + "\n"}

const (
	goMod     = "module example.com/planted\n\ngo 1.26.0\n"
	noLicence = goMod + "\nrequire example.com/other v0.0.0\n\nreplace example.com/other => ./other\n"
	wtfpl     = `            DO WHAT THE FUCK YOU WANT TO PUBLIC LICENSE
                    Version 2, December 2004

 Copyright (C) 2004 Sam Hocevar <sam@hocevar.net>

 Everyone is permitted to copy and distribute verbatim or modified
 copies of this license document, and changing it is allowed as long
 as the name is changed.

            DO WHAT THE FUCK YOU WANT TO PUBLIC LICENSE
   TERMS AND CONDITIONS FOR COPYING, DISTRIBUTION AND MODIFICATION

  0. You just DO WHAT THE FUCK YOU WANT TO.
`
	privileged = `apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: planted, namespace: homing}
spec:
  template:
    spec:
      containers:
        - image: example.com/planted@sha256:0
          securityContext: {privileged: true}
`
	open = `variable "from" { type = string }
resource "aws_security_group" "planted" {
  description = "planted"
  vpc_id      = "vpc-1"
}
resource "aws_vpc_security_group_ingress_rule" "planted" {
  security_group_id = aws_security_group.planted.id
  description       = "planted"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = var.from
}
`
	calls   = "module \"planted\" {\n  source = \"../../modules/planted\"\n  from   = \"0.0.0.0/0\"\n}\n"
	scanned = `{"ArtifactName": "planted", "Results": [{"Vulnerabilities": [
	  {"VulnerabilityID": "CVE-2026-0001", "PkgName": "libplanted", "Severity": "CRITICAL", "Title": "planted"}]}]}`
	insecure = `package main

import "crypto/tls"

func main() { _ = tls.Config{InsecureSkipVerify: true} }
`
	uses = "package main\n\nimport _ \"example.com/other\"\n\nfunc main() {}\n"
	text = "package main\n\nimport \"golang.org/x/text/language\"\n\nfunc main() { _, _, _ = language.ParseAcceptLanguage(\"de\") }\n"
)

func TestAPlantedWeaknessClosesTheGate(t *testing.T) {
	config, err := os.ReadFile(filepath.Join(checkout, ".golangci.yml"))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		only, want string
		files      map[string]string
	}{
		"code": {"code", "G402", map[string]string{"go.mod": goMod, "main.go": insecure, ".golangci.yml": string(config)}},
		"a licence that is not allowed": {"licences", "WTFPL", map[string]string{
			"go.mod": noLicence, "main.go": uses, "other/go.mod": "module example.com/other\n", "other/other.go": "package other\n",
			"other/LICENSE": wtfpl,
		}},
		"no licence": {"licences", "no-licence", map[string]string{
			"go.mod": noLicence, "main.go": uses, "other/go.mod": "module example.com/other\n", "other/other.go": "package other\n",
		}},
		"a secret": {"secrets", "aws-access-token", leak},
		"a manifest": {"manifests", "KSV-0017", map[string]string{
			"knative/overlays/dev/kustomization.yaml": "resources: [service.yaml]\n", "knative/overlays/dev/service.yaml": privileged,
		}},
		"Terraform": {"terraform", "AWS-0107", map[string]string{
			"terraform/environments/dev/main.tf": calls, "terraform/modules/planted/main.tf": open,
		}},
		"Terraform that cannot be read": {"terraform", "terraform/environments/dev", map[string]string{
			"terraform/environments/dev/main.tf": "resource {",
		}},
		"no Terraform": {"terraform", "no Terraform", map[string]string{"README.md": ""}},
		"no overlays":  {"manifests", "no overlays", map[string]string{"README.md": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			o := planted(t, c.only, c.files)
			err := gate(t.Context(), o)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "AKIA", "what is secret is not said again")
		})
	}
}

func TestAnImagesReportClosesTheGate(t *testing.T) {
	o := planted(t, "images", map[string]string{"report.json": scanned, "other.json": "{}"})
	o.imageReports = []string{filepath.Join(o.root, "report.json")}
	require.ErrorContains(t, gate(t.Context(), o), "CVE-2026-0001")
	o.imageReports = []string{filepath.Join(o.root, "other.json")}
	require.ErrorContains(t, gate(t.Context(), o), "no report of an image")
}

func TestAVulnerableFunctionThatIsCalledClosesTheGate(t *testing.T) {
	mod := goMod + "\nrequire golang.org/x/text v0.3.5\n"
	o := planted(t, "dependencies", map[string]string{"go.mod": mod, "main.go": text})
	do(t, o.root, "go", "mod", "tidy")
	o.date = time.Now()
	require.ErrorContains(t, gate(t.Context(), o), "GO-2022-1059")
}

func TestWithoutADatabaseNothingIsSaidToBeChecked(t *testing.T) {
	o := planted(t, "dependencies", map[string]string{"go.mod": goMod, "main.go": "package main\n\nfunc main() {}\n"})
	o.vulndb = "v0.0.0-19700101000000-000000000000"
	require.ErrorIs(t, gate(t.Context(), o), errNoDatabase)
	o.withoutDatabase = true
	require.NoError(t, gate(t.Context(), o))
	o.vulndb, o.date = "latest", today.AddDate(1, 0, 0)
	o.withoutDatabase = false
	require.ErrorContains(t, gate(t.Context(), o), "the newest is of", "an old one is none")
}

func TestWaivers(t *testing.T) {
	waiver := func(id, where, expires string) string {
		return "- {id: " + id + ", where: " + where + ", why: because, owner: core, expires: \"" + expires + "\"}\n"
	}
	good := waiver("aws-access-token", "\"*.txt\"", "2027-01-31")
	for name, c := range map[string]struct{ waivers, want string }{
		"waived":        {good, ""},
		"another rule":  {waiver("private-key", "notes.txt", "2027-01-31"), "aws-access-token at notes.txt"},
		"another place": {waiver("aws-access-token", "other.txt", "2027-01-31"), "aws-access-token at notes.txt"},
		"expired":       {waiver("aws-access-token", "notes.txt", "2026-11-26"), "expired on 2026-11-26"},
		"too long":      {waiver("aws-access-token", "notes.txt", "2027-12-31"), "lasts for more than a year"},
		"unused":        {good + waiver("private-key", "notes.txt", "2027-01-31"), "waives nothing"},
		"no reason":     {"- {id: aws-access-token, where: notes.txt, owner: core, expires: \"2027-01-31\"}\n", "needs id, where, why"},
		"no day":        {waiver("aws-access-token", "notes.txt", "soon"), "soon"},
		"a typo":        {"- {id: a, were: b}\n", "were"},
	} {
		t.Run(name, func(t *testing.T) {
			o := planted(t, "", leak)
			file := filepath.Join(o.root, "waivers.yaml")
			require.NoError(t, os.WriteFile(file, []byte(c.waivers), 0o644))
			err := judge(t, o, file)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

// judge is what gate does, with the scanner of secrets alone.
func judge(t *testing.T, o options, file string) error {
	t.Helper()
	waivers, err := readWaivers(file)
	if err != nil {
		return err
	}
	_, err = o.look(t.Context(), kinds[3], waivers)
	return joined(err, faults(waivers, o.date))
}

func TestTheReportIsHeldToTheFindingsAndNotToTheDay(t *testing.T) {
	o := planted(t, "", map[string]string{"docs/security/report.md": ""})
	looks := []look{{scanner: kinds[3], found: []judged{{Finding{"a", "b", High, "c"}, &Waiver{Why: "d", Expires: "2027-01-31"}}}}}
	o.write = true
	require.NoError(t, o.report(looks))
	o.write, o.date = false, today.AddDate(0, 1, 0)
	require.NoError(t, o.report(looks))
	looks[0].found[0].Where = "elsewhere"
	require.ErrorContains(t, o.report(looks), "report.md is not of these findings")
}
