# opa test policy.rego policy_test.rego
package knothole.remediation_test

import data.knothole.remediation

good := {
	"action": {"kind": "restart_pod", "target": {"namespace": "shop"}},
	"anomaly": {"score": 0.97},
	"service": {"environment": "prod", "namespace": "shop", "name": "cart"},
	"namespace": {"name": "shop", "labels": {"knothole.dev/remediate": "true"}},
	"workload": {"replicas": 3, "ready": 3, "labels": {"tier": "2"}},
	"counters": {"last_hour": 1, "in_flight": 0, "failures": 0},
	"upgrading": false,
	"now": "2025-11-21T12:00:00.000000000Z",
}

# What is decided of the good one with one thing changed.
changed(path, value) := decision if {
	input_changed := json.patch(good, [{"op": "replace", "path": path, "value": value}])
	decision := remediation.decision with input as input_changed
}

removed(path) := decision if {
	input_changed := json.patch(good, [{"op": "remove", "path": path}])
	decision := remediation.decision with input as input_changed
}

test_what_is_right_is_allowed if {
	decision := remediation.decision with input as good
	decision == {"allow": true, "require_approval": false, "reasons": []}
}

test_nothing_known_is_nothing_allowed if {
	decision := remediation.decision with input as {}
	decision.allow == false
	count(decision.reasons) > 3
}

test_other_kinds_are_forbidden if {
	every kind in ["argo_sync", "jenkins_job", "webhook", "", 7, null] {
		changed("/action/kind", kind).allow == false
	}
}

test_a_score_that_is_no_number_is_forbidden if {
	every score in ["high", "0.97", null, true, [1], {"score": 1}, 0.89] {
		changed("/anomaly/score", score).allow == false
	}
	removed("/anomaly/score").allow == false
}

test_counts_that_are_no_numbers_are_forbidden if {
	every value in ["many", null, true, 1] {
		changed("/workload/ready", value).allow == false
	}
	every value in ["none", null, false, 3] {
		changed("/counters/failures", value).allow == false
	}
	removed("/workload").allow == false
	removed("/counters").allow == false
}

test_a_label_of_the_workload_will_do if {
	bare := json.patch(good, [{"op": "replace", "path": "/namespace/labels", "value": {}}])
	labels := {"tier": "2", "knothole.dev/remediate": "true"}
	labelled := json.patch(bare, [{"op": "replace", "path": "/workload/labels", "value": labels}])
	decision := remediation.decision with input as labelled
	decision == {"allow": true, "require_approval": false, "reasons": []}
}

test_a_namespace_without_the_label_is_forbidden if {
	changed("/namespace/labels", {}).allow == false
	changed("/namespace/labels", {"knothole.dev/remediate": true}).allow == false
	changed("/namespace", null).allow == false
}

test_an_upgrade_is_waited_for if {
	changed("/upgrading", true).allow == false
	changed("/upgrading", "no").allow == false
	removed("/upgrading").allow == false
}

test_what_needs_a_person if {
	changed("/action/kind", "roll_back") == {
		"allow": true,
		"require_approval": true,
		"reasons": ["a rollback is for a person to decide"],
	}
	changed("/workload/labels", {"tier": "1"}).require_approval
	changed("/upgrading", null).require_approval
	changed("/now", "2025-11-21T23:00:00Z").require_approval
	changed("/now", "whenever").require_approval
	not changed("/service/environment", "dev").require_approval
}
