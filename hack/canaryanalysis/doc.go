// Command canaryanalysis watches a canary through Prometheus and says whether to promote it.
//
// It owns the judgement, and nothing in the cluster: hack/canary.sh gives a revision its traffic before,
// hack/promote.sh or hack/rollback.sh acts on the answer after. What is asked is in monitoring/canary/analysis.yaml.
//
// It promises:
//
//   - A canary is promoted when, at the end of the time, everything is known and every check holds. What cannot be
//     asked, has no value, or rests on too few samples is not known.
//   - A check that fails so many rounds in a row, of a canary with samples enough, ends the watch at once.
//   - The report says what was asked for, what came, and what it was held to.
//
// It never changes anything, and never takes silence for health: a canary that tells nothing is not promoted.
//
//	canaryanalysis -service deliver -canary deliver-00002 -stable deliver-00001 -prometheus http://127.0.0.1:9090
//
// It exits with 0 to promote, 1 to roll back, 2 when it was called wrongly, 3 when too little is known: not to be
// promoted either.
package main
