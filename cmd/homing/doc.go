// Command homing is Homing's command line: the server in one process, and the tools around it. `homing --help` lists
// them.
//
// The tools talk to a running Homing through pkg/client, with the rights of an API key, so that they work from anywhere
// and what they change is in the audit log. The database is opened directly only where nothing else can do it: serve,
// migrate, the first operator's key, and doctor.
package main
