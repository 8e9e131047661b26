package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const head = `<!-- Written by hack/accessdoc from terraform/; do not edit. -->

# Who may reach and do what

Every security group, role and policy statement of ` + "`terraform/`" + `, as the code has it. What is written as a
variable is set where the module is used. The database's own roles are in the migrations; what people may do by single
sign-on is in ` + "`terraform/modules/accounts/people.tf`" + `.
`

// page is the document while it is written, and what has been found that it cannot show.
type page struct {
	bytes.Buffer
	problems []string
}

func (p *page) line(format string, arguments ...any) { fmt.Fprintf(p, format+"\n", arguments...) }

func render(configurations []configuration) ([]byte, error) {
	p := &page{}
	p.WriteString(head)
	p.line("\n## Security groups\n\nAn entry without a peer's name is an address range.")
	for _, c := range configurations {
		p.securityGroups(c)
	}
	p.line("\n## Roles\n\n\"Whoever\" of a role is who may become it.")
	shown := map[string]bool{}
	for _, c := range configurations {
		p.roles(c, shown)
	}
	p.line("\n## Policies of resources\n\nThey bind whoever comes, whatever that role's own policies say.")
	for _, c := range configurations {
		p.resourcePolicies(c, shown)
	}
	p.line("\n## Guard rails\n\nNobody in any account may, not its administrators either:\n")
	for _, c := range configurations {
		p.guardrails(c)
	}
	for _, c := range configurations {
		p.unused(c, shown)
	}
	if len(p.problems) > 0 {
		return nil, fmt.Errorf("accessdoc: %s", strings.Join(p.problems, "; "))
	}
	return p.Bytes(), nil
}

// --- Security groups

const (
	ingressRule = "aws_vpc_security_group_ingress_rule"
	egressRule  = "aws_vpc_security_group_egress_rule"
)

func (p *page) securityGroups(c configuration) {
	var rows []string
	for _, i := range c.items {
		switch {
		case i.is("resource", "aws_security_group"):
			if len(i.children("ingress"))+len(i.children("egress")) > 0 {
				p.problems = append(p.problems, c.name+": "+i.name()+" has rules of its own: give each a resource")
			}
			rows = append(rows, fmt.Sprintf("| **%s** | | | | %s |", i.name(), cell(i.text("description"))))
		case i.is("resource", ingressRule):
			rows = append(rows, p.rule(c, i, "in"))
		case i.is("resource", egressRule):
			rows = append(rows, p.rule(c, i, "out"))
		case i.is("resource", "aws_security_group_rule"):
			p.problems = append(p.problems, c.name+": "+i.name()+" is of the old kind: use "+ingressRule)
		}
	}
	if len(rows) > 0 {
		p.line("\n### %s\n\n| group | | port | peer | for |\n|---|---|---|---|---|\n%s", c.name, strings.Join(rows, "\n"))
	}
}

func (p *page) rule(c configuration, i item, direction string) string {
	if i.text("description") == "" {
		p.problems = append(p.problems, c.name+": "+i.name()+" does not say what it is for")
	}
	port := i.text("from_port")
	switch last := i.text("to_port"); {
	case i.text("ip_protocol") == "-1":
		port = "all"
	case last != port:
		port += "–" + last
	}
	peer := i.first("referenced_security_group_id", "cidr_ipv4", "cidr_ipv6", "prefix_list_id")
	note := i.text("description")
	if each := i.text("for_each"); each != "" {
		note += " (for each of " + each + ")"
	}
	return fmt.Sprintf("| %s | %s | %s %s | %s | %s |", cell(i.text("security_group_id")), direction,
		i.text("ip_protocol"), cell(port), cell(peer), cell(note))
}

// --- Roles

func (p *page) roles(c configuration, shown map[string]bool) {
	for _, i := range c.items {
		switch {
		case i.is("resource", "aws_iam_role"):
			p.line("\n### %s: %s\n", c.name, i.name())
			if each := i.text("for_each"); each != "" {
				p.line("For each of %s.\n", code(each))
			}
			p.documents(c, i, "assume_role_policy", "Whoever", shown)
			p.attached(c, i.name(), shown)
		case i.kind == "module" && strings.HasSuffix(i.text("source"), "/irsa"):
			p.serviceAccount(c, i, shown)
		}
	}
}

// attached shows what a role was given by resources of their own.
func (p *page) attached(c configuration, role string, shown map[string]bool) {
	for _, i := range c.items {
		switch {
		case i.is("resource", "aws_iam_role_policy") && i.refersTo("role", role):
			p.documents(c, i, "policy", "May ("+i.text("role")+")", shown)
		case i.is("resource", "aws_iam_role_policy_attachment") && i.refersTo("role", role):
			p.line("- May (%s): all of %s", code(i.text("role")), code(i.text("policy_arn")))
			for _, name := range i.documents("policy_arn") {
				p.statements(c, name, shown)
			}
		}
	}
}

// serviceAccount shows a role that is made by the module for service accounts.
func (p *page) serviceAccount(c configuration, i item, shown map[string]bool) {
	p.line("\n### %s: service account %s\n", c.name, i.text("namespace")+"/"+i.text("service_account"))
	if each := i.text("for_each"); each != "" {
		p.line("For each of %s.\n", code(each))
	}
	if managed := i.text("managed_policy_arn"); managed != "" {
		p.line("- May: all of %s", code(managed))
	}
	p.documents(c, i, "policies", "May", shown)
}

// documents shows the statements of the policy documents that an argument of i is made from.
func (p *page) documents(c configuration, i item, argument, what string, shown map[string]bool) {
	for _, name := range i.documents(argument) {
		p.line("- %s:", what)
		p.statements(c, name, shown)
	}
}

func (p *page) statements(c configuration, document string, shown map[string]bool) {
	shown[c.name+" "+document] = true
	for _, i := range c.items {
		if !i.is("data", policyDocument) || i.labels[1] != document {
			continue
		}
		for _, s := range i.children("statement") {
			p.line("  - %s", statement(s))
		}
	}
}

// statement says in one line what a statement says in a block.
func statement(s item) string {
	var b strings.Builder
	effect := s.text("effect")
	if effect == "" {
		effect = "Allow"
	}
	if sid := s.text("sid"); sid != "" {
		effect = sid + ": " + strings.ToLower(effect)
	}
	fmt.Fprintf(&b, "%s %s", effect, code(s.text("actions")))
	if except := s.text("not_actions"); except != "" {
		fmt.Fprintf(&b, "everything but %s", code(except))
	}
	if resources := s.text("resources"); resources != "" {
		fmt.Fprintf(&b, " on %s", code(resources))
	}
	if except := s.text("not_resources"); except != "" {
		fmt.Fprintf(&b, " on everything but %s", code(except))
	}
	for _, who := range s.children("principals") {
		fmt.Fprintf(&b, ", to %s %s", who.text("type"), code(who.text("identifiers")))
	}
	for n, c := range s.children("condition") {
		word := ", and "
		if n == 0 {
			word = ", if "
		}
		fmt.Fprintf(&b, "%s%s %s %s", word, code(c.text("variable")), c.text("test"), code(c.text("values")))
	}
	return b.String()
}

// --- Policies of resources

func (p *page) resourcePolicies(c configuration, shown map[string]bool) {
	for _, i := range c.items {
		if i.kind != "resource" || strings.HasPrefix(i.labels[0], "aws_iam_role") {
			continue
		}
		for _, argument := range slices.Sorted(maps.Keys(i.body.Attributes)) {
			names := i.documents(argument)
			if len(names) == 0 || argument == "depends_on" {
				continue
			}
			p.line("\n### %s: %s\n", c.name, i.name())
			for _, name := range names {
				p.statements(c, name, shown)
			}
		}
	}
}

// unused finds policy documents that the page has not shown: a reader would miss them, and so would a role.
func (p *page) unused(c configuration, shown map[string]bool) {
	for _, i := range c.items {
		if i.is("data", policyDocument) && !shown[c.name+" "+i.labels[1]] {
			p.problems = append(p.problems, c.name+": data."+i.name()+" is used by nothing that this page shows")
		}
	}
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }
