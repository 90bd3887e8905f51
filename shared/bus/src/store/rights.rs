//! The commands of a callback's stores, for the check of its Redis user.

/// What is before the colon in the names of stored values. The stores themselves are the callback's.
const NAMES: [&str; 10] =
    ["token", "token-lease", "replay", "budget", "js-code", "user", "pending", "code", "codes-open", "guess"];
/// The same for streams.
const STREAMS: [&str; 2] = ["outbox", "outbox-dead"];

/// The commands, with arguments as the stores send them, also those in scripts.
pub(crate) fn commands() -> Vec<String> {
    let of_values = NAMES.iter().flat_map(|name| {
        [
            format!("GET {name}:x"),
            format!("SET {name}:x value"),
            format!("DEL {name}:x"),
            format!("INCR {name}:x"),
            format!("PEXPIRE {name}:x 0"),
        ]
    });
    let of_streams = STREAMS.iter().flat_map(|stream| {
        [
            format!("XGROUP CREATE {stream}:x group $"),
            format!("XADD {stream}:x * letter text"),
            format!("XLEN {stream}:x"),
            format!("XREADGROUP GROUP group pod STREAMS {stream}:x >"),
            format!("XPENDING {stream}:x group"),
            format!("XCLAIM {stream}:x group pod 0 0-1"),
            format!("XACK {stream}:x group 0-1"),
            format!("XDEL {stream}:x 0-1"),
        ]
    });
    of_values.chain(of_streams).collect()
}
