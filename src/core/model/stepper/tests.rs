//! What steps tell, beside a plain reference.
