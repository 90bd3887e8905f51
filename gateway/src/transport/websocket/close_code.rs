//! The close codes that this server sends (RFC 6455 section 7.4 and the IANA registry).

/// The scene is over.
pub(super) const DONE: u16 = 1000;
/// The peer broke the protocol.
pub(super) const PROTOCOL_ERROR: u16 = 1002;
/// The peer sent a binary frame, which this server doesn't accept.
pub(super) const UNSUPPORTED: u16 = 1003;
/// The peer sent text that isn't UTF-8.
pub(super) const NOT_UTF8: u16 = 1007;
/// The request is refused, and would be refused again.
pub(super) const POLICY: u16 = 1008;
/// The peer sent a message over the limit.
pub(super) const TOO_BIG: u16 = 1009;
/// The page has to reconnect, to another pod.
pub(super) const RESTART: u16 = 1012;
/// The server has no room, or something that it needs is away; reconnect later.
pub(super) const TRY_LATER: u16 = 1013;
