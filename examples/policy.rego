# A policy for knothole's actions: which it may carry out, and which need a person.
#
#     opa run --server --addr 127.0.0.1:8181 policy.rego
#     remediation: { policy: { url: http://127.0.0.1:8181/v1/data/knothole/remediation/decision } }
#
# knothole's own limits hold besides: both have to allow an action. What `input` has is told in
# docs/remediation.md. Three things are worth knowing:
#
# - What is undefined counts as no. Here each rule says what is wrong, so what must hold is asked with `not`: then
#   something that is not there is wrong too.
# - That holds for a rule (`not is_sure`) and for a comparison, but not for a call: `not f(input.score)` is undefined
#   where there is no score, and then nothing is wrong. So what is asked with `not` is a rule of its own.
# - Numbers are checked to be numbers. In Rego any text is greater than any number, so that a score of "high"
#   would pass `input.anomaly.score >= 0.9`.
package knothole.remediation

decision := {
	"allow": count(denials) == 0,
	"require_approval": count(doubts) > 0,
	"reasons": sort(denials | doubts),
}

# What is forbidden.

denials contains "this kind of action is not allowed" if not is_known

denials contains "neither the namespace nor the workload is labelled for it" if not is_labelled

denials contains "the score is too low" if not is_sure

denials contains "too few pods would be left" if not leaves_enough

denials contains "too much failed within an hour" if not is_calm

denials contains "the cluster is being upgraded" if not is_steady

# What needs a person.

doubts contains "a rollback is for a person to decide" if input.action.kind == "roll_back"

doubts contains "services of tier 1 are for a person to touch" if {
	input.workload.labels.tier == "1"
}

doubts contains "nodes may not be listed, so nobody knows whether the cluster is being upgraded" if {
	input.upgrading == null
}

doubts contains "production is left to people at night" if {
	input.service.environment == "prod"
	not is_day
}

is_steady if input.upgrading in {false, null}

is_labelled if input.namespace.labels["knothole.dev/remediate"] == "true"

# Where the workload has the label with another value, knothole itself says no.
is_labelled if input.workload.labels["knothole.dev/remediate"] == "true"

is_known if input.action.kind in {"restart_pod", "restart_workload", "roll_back", "scale"}

is_sure if {
	is_number(input.anomaly.score)
	input.anomaly.score >= 0.9
}

# Scaling and rolling back take no pod away that is not replaced.
leaves_enough if input.action.kind in {"roll_back", "scale"}

leaves_enough if {
	is_number(input.workload.ready)
	input.workload.ready >= 2
}

is_calm if {
	is_number(input.counters.failures)
	input.counters.failures < 3
}

# From 7 to 22 in UTC.
is_day if {
	[hour, _, _] := time.clock(time.parse_rfc3339_ns(input.now))
	hour >= 7
	hour < 22
}
