// Command accessdoc writes docs/security/access.md: who may reach and do what in the cloud, read from the code that
// sets it up.
//
// It owns no facts: every line of the document is an argument of a resource in terraform/, as its author wrote it. It
// promises that each security group, rule, role and policy statement is in the document, and fails where it meets one
// that it cannot show (a policy document that nobody uses, say), so that the document is never less than the code. It
// never evaluates expressions: a variable is shown by its name.
//
//	go run ./hack/accessdoc          # write the document
//	go run ./hack/accessdoc -check   # exit 1 where it is not what the code says
package main
