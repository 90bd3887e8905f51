//! The commands of a callback's stores, for the check of its Redis user.

/// What is before the colon in the names of stored values. The stores themselves are the callback's.
const NAMES: [&str; 11] = [
    "token",
    "token-lease",
    "replay",
    "budget",
    "js-code",
    "kept-code",
    "user",
    "pending",
    "code",
    "codes-open",
    "guess",
];
/// The same for streams.
const STREAMS: [&str; 2] = ["outbox", "outbox-dead"];

/// The commands, with arguments as the stores send them, also those in scripts.
pub(crate) fn commands() -> Vec<String> {
    let of_values = NAMES.iter().flat_map(|name| {
        [
            format!("get {name}:x"),
            format!("set {name}:x value"),
            format!("del {name}:x"),
            format!("incr {name}:x"),
            format!("pexpire {name}:x 0"),
        ]
    });
    let of_streams = STREAMS.iter().flat_map(|stream| {
        [
            format!("xgroup create {stream}:x group $"),
            format!("xadd {stream}:x * letter text"),
            format!("xlen {stream}:x"),
            format!("xreadgroup group group pod STREAMS {stream}:x >"),
            format!("xpending {stream}:x group"),
            format!("xclaim {stream}:x group pod 0 0-1"),
            format!("xack {stream}:x group 0-1"),
            format!("xdel {stream}:x 0-1"),
        ]
    });
    of_values.chain(of_streams).collect()
}
