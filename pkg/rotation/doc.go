// Package rotation gives a function of Homing a new login to Postgres, in the four steps that AWS Secrets Manager asks
// for.
//
// Two logins of each function take turns, such as homing_ingest_a and homing_ingest_b, both members of the function's
// role. The one that is not in use gets a new password and becomes the current one; the other keeps its own until its
// next turn. So processes that run go on, and those that start take the new one.
//
// It promises: every step may be repeated, and a rotation that breaks off goes on where it was. The login that is in
// use is never changed. A password is sent to Postgres as a SCRAM verifier only, so that no log of statements holds
// one. Errors and logs hold no passwords.
//
// It never makes the functions' roles (migrations do) and never removes a login.
package rotation
