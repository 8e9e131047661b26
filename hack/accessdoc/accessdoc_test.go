package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the repository's, seen from here.
const root = "../.."

func TestDocumentIsCurrent(t *testing.T) {
	t.Parallel()
	document, err := generate(filepath.Join(root, terraformDir))
	require.NoError(t, err)
	present, err := os.ReadFile(filepath.Join(root, documentPath))
	require.NoError(t, err)
	require.Equal(t, string(document), string(present), errStale.Error())
}

// TestDocumentIsWhole looks for what the code has by other means than the generator's parser.
func TestDocumentIsWhole(t *testing.T) {
	t.Parallel()
	present, err := os.ReadFile(filepath.Join(root, documentPath))
	require.NoError(t, err)
	named := regexp.MustCompile(`(?m)^resource "(aws_iam_role|aws_security_group)" "([a-z_0-9]+)"`)
	sid := regexp.MustCompile(`(?m)^\s*sid\s*=\s*"([A-Za-z0-9]+)"|^\s*Sid\s*=\s*"([A-Za-z0-9]+)"`)
	found := 0
	for path, src := range terraformFiles(t) {
		for _, match := range named.FindAllStringSubmatch(src, -1) {
			found++
			require.Contains(t, string(present), match[1]+"."+match[2], path)
		}
		for _, match := range sid.FindAllStringSubmatch(src, -1) {
			found++
			if match[2] == "" || strings.Contains(src, "guardrails =") && !isPerimeter(match[2]) {
				require.Contains(t, string(present), match[1]+match[2]+":", path)
			}
		}
	}
	require.Greater(t, found, 50, "the repository has roles, groups and statements")
}

// isPerimeter tells the statements of the resource control policy, which the page leaves to the module's README.
func isPerimeter(sid string) bool {
	return sid == "OnlyOurPrincipals" || sid == "OnlyTLS" || sid == "TLS12"
}

func terraformFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(filepath.Join(root, terraformDir), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".tf" {
			return err
		}
		src, err := os.ReadFile(path)
		files[path] = string(src)
		return err
	})
	require.NoError(t, err)
	return files
}

func TestRender(t *testing.T) {
	t.Parallel()
	const group = `resource "aws_security_group" "lb" {
  description = "The load balancer"
}
`
	tests := map[string]struct {
		src  string
		want string // in the document
		err  string // instead
	}{
		"RuleOfAGroup": {
			src: group + `resource "aws_vpc_security_group_ingress_rule" "https" {
  security_group_id = aws_security_group.lb.id
  description       = "Everybody"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}`,
			want: "| aws_security_group.lb.id | in | tcp 443 | 0.0.0.0/0 | Everybody |",
		},
		"SeveralPorts": {
			src: `resource "aws_vpc_security_group_egress_rule" "x" {
  security_group_id = var.group
  description       = "Some"
  ip_protocol       = "udp"
  from_port         = 1
  to_port           = 9
  referenced_security_group_id = var.other
}`,
			want: "| var.group | out | udp 1–9 | var.other | Some |",
		},
		"RuleWithoutReason": {
			src: `resource "aws_vpc_security_group_ingress_rule" "x" {
  ip_protocol = "tcp"
}`,
			err: "aws_vpc_security_group_ingress_rule.x does not say what it is for",
		},
		"RulesWithinAGroup": {
			src: `resource "aws_security_group" "x" {
  ingress {
    from_port = 22
  }
}`,
			err: "aws_security_group.x has rules of its own",
		},
		"RuleOfTheOldKind": {
			src: `resource "aws_security_group_rule" "x" {}`,
			err: "aws_security_group_rule.x is of the old kind",
		},
		"RoleAndPolicy": {
			src: `resource "aws_iam_role" "x" {
  assume_role_policy = data.aws_iam_policy_document.trust.json
}
resource "aws_iam_role_policy" "x" {
  role   = aws_iam_role.x.id
  policy = data.aws_iam_policy_document.may.json
}
data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}
data "aws_iam_policy_document" "may" {
  statement {
    sid       = "Read"
    actions   = ["s3:GetObject", "s3:ListBucket"] # both
    resources = ["*"]
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["true"]
    }
  }
}`,
			want: "- Whoever:\n  - Allow `sts:AssumeRole`, to Service `lambda.amazonaws.com`\n- May (aws_iam_role.x.id):\n" +
				"  - Read: allow `s3:GetObject, s3:ListBucket` on `*`, if `aws:SecureTransport` Bool `true`\n",
		},
		"DynamicStatement": {
			src: `resource "aws_kms_key" "x" {
  policy = data.aws_iam_policy_document.key.json
}
data "aws_iam_policy_document" "key" {
  dynamic "statement" {
    for_each = var.users
    content {
      sid       = "Use"
      actions   = ["kms:Decrypt"]
      resources = ["*"]
    }
  }
}`,
			want: "  - Use: allow `kms:Decrypt` on `*`\n",
		},
		"ServiceAccount": {
			src: `module "irsa" {
  source          = "../irsa"
  namespace       = "homing"
  service_account = "ingest"
  policies        = { read = data.aws_iam_policy_document.read.json }
}
data "aws_iam_policy_document" "read" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["*"]
  }
}`,
			want: "service account homing/ingest\n\n- May:\n  - Allow `s3:GetObject` on `*`\n",
		},
		"DocumentThatNobodyUses": {
			src: `data "aws_iam_policy_document" "lost" {
  statement {
    actions = ["s3:GetObject"]
  }
}`,
			err: "data.aws_iam_policy_document.lost is used by nothing that this page shows",
		},
		"GuardRail": {
			src: `locals {
  guardrails = {
    network = [
      { Sid = "NoPeering", Effect = "Deny", Action = ["ec2:CreateVpcPeeringConnection"], Resource = "*" },
    ]
  }
}`,
			want: "- network, NoPeering: `ec2:CreateVpcPeeringConnection`\n",
		},
		"NotHCL": {src: `resource {`, err: "main.tf"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "main.tf"), []byte(test.src+"\n"), 0o600))
			document, err := generate(dir)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Contains(t, string(document), test.want)
		})
	}
}
