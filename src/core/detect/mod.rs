//! Windows of a sequence → how surprising each record is, with the evidence.
