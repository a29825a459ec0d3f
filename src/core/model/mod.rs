//! The network, its vocabulary and the bundle it is kept in (bytes in, bytes out).
