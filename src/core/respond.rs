//! Anomaly and the owner's rules → an action to propose. Nothing is executed here.
