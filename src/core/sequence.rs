//! Records of one stream → ordered sequences.
