//! What is broken in a run, and when. No I/O.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use strum::VariantArray;

/// Something that can be broken. Its text is its name on the command line and in the result file.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum FaultKind {
    /// SIGKILL, and a new process when it is mended.
    GatewayKilled,
    /// SIGSTOP.
    GatewayFrozen,
    /// SIGTERM: it drains, and a new process follows it.
    GatewayRestarted,
    CallbackKilled,
    CallbackFrozen,
    CallbackRestarted,
    /// The server that takes writes is killed, and comes back with its data.
    RedisKilled,
    /// The server that takes writes answers nothing, and then goes on as if nothing had happened.
    RedisFrozen,
    /// The server is killed, and is back at once without its data.
    RedisEmptied,
    /// The server has no memory left, and refuses to write.
    RedisFull,
    /// Every connection between pods and Redis is closed.
    RedisDisconnected,
    /// Every connection between pods and Redis carries nothing any more, and stays open. New ones work.
    RedisStalled,
    /// What Redis answers takes long to arrive.
    RedisSlow,
    /// The server that takes writes is cut off from the other Redis servers. The pods reach both sides.
    RedisPartitioned,
}

/// How long something is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultSpan {
    /// From one moment to another.
    Lasting,
    /// A moment. What follows takes its time.
    Momentary,
}

/// A part of the cluster. Only one thing at a time is broken in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultyPart {
    Gateway,
    Callback,
    Redis,
}

/// Something that is broken in a run. As text it is `gateway-killed@10..15`, with a pod's number `gateway-killed:1@10..15`,
/// or `redis-emptied@10`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlannedFault {
    pub kind: FaultKind,
    /// The number of the gateway or callback; 0 for Redis.
    #[serde(default)]
    pub pod: u32,
    /// When it breaks, in seconds since people began to log in.
    pub from_seconds: f64,
    /// When it is mended; the same as `from_seconds` for what lasts no time.
    pub to_seconds: f64,
}

impl FaultKind {
    /// How long it lasts.
    pub fn span(self) -> FaultSpan {
        match self {
            Self::GatewayRestarted
            | Self::CallbackRestarted
            | Self::RedisEmptied
            | Self::RedisDisconnected
            | Self::RedisStalled => FaultSpan::Momentary,
            Self::GatewayKilled
            | Self::GatewayFrozen
            | Self::CallbackKilled
            | Self::CallbackFrozen
            | Self::RedisKilled
            | Self::RedisFrozen
            | Self::RedisFull
            | Self::RedisSlow
            | Self::RedisPartitioned => FaultSpan::Lasting,
        }
    }

    /// What it breaks.
    pub fn part(self) -> FaultyPart {
        match self {
            Self::GatewayKilled | Self::GatewayFrozen | Self::GatewayRestarted => FaultyPart::Gateway,
            Self::CallbackKilled | Self::CallbackFrozen | Self::CallbackRestarted => FaultyPart::Callback,
            Self::RedisKilled
            | Self::RedisFrozen
            | Self::RedisEmptied
            | Self::RedisFull
            | Self::RedisDisconnected
            | Self::RedisStalled
            | Self::RedisSlow
            | Self::RedisPartitioned => FaultyPart::Redis,
        }
    }

    /// What is so meanwhile, in words: `killed`.
    fn words(self) -> &'static str {
        match self {
            Self::GatewayKilled | Self::CallbackKilled | Self::RedisKilled => "killed",
            Self::GatewayFrozen | Self::CallbackFrozen | Self::RedisFrozen => "frozen",
            Self::GatewayRestarted | Self::CallbackRestarted => "restarted",
            Self::RedisEmptied => "killed, and back without its data",
            Self::RedisFull => "full",
            Self::RedisDisconnected => "disconnected",
            Self::RedisStalled => "behind connections that carry nothing",
            Self::RedisSlow => "slow",
            Self::RedisPartitioned => "cut off from its other servers",
        }
    }
}

impl PlannedFault {
    /// What is broken, in words for people: `gateway 1 killed`.
    pub fn words(&self) -> String {
        let words = self.kind.words();
        match self.kind.part() {
            FaultyPart::Gateway => format!("gateway {} {words}", self.pod),
            FaultyPart::Callback => format!("callback {} {words}", self.pod),
            FaultyPart::Redis => format!("Redis {words}"),
        }
    }

    /// Whether both break the same part at the same time.
    pub(super) fn collides_with(&self, other: &Self) -> bool {
        let is_same = self.kind.part() == other.kind.part() && self.pod == other.pod;
        is_same && self.from_seconds <= other.to_seconds && other.from_seconds <= self.to_seconds
    }
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, pod, from_seconds, to_seconds } = self;
        write!(f, "{kind}")?;
        if *pod > 0 {
            write!(f, ":{pod}")?;
        }
        write!(f, "@{from_seconds}")?;
        if kind.span() == FaultSpan::Lasting { write!(f, "..{to_seconds}") } else { Ok(()) }
    }
}

impl FromStr for PlannedFault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, when) =
            text.split_once('@').ok_or("has no @; a fault is for example gateway-killed@10..15 or redis-emptied@10")?;
        let (name, pod) = what.split_once(':').unwrap_or((what, "0"));
        let kind = FaultKind::from_str(name).map_err(|_| {
            let names: Vec<&str> = FaultKind::VARIANTS.iter().map(Into::into).collect();
            format!("{name:?} is no fault; faults are {}", names.join(", "))
        })?;
        if kind.part() == FaultyPart::Redis && what.contains(':') {
            return Err(format!("{kind} takes no number: it breaks the server that takes writes"));
        }
        let pod = pod.parse().map_err(|_| format!("{pod:?} is no number of a pod; they count from 0"))?;
        let seconds = |text: &str| text.trim().parse::<f64>().map_err(|_| format!("{text:?} is no number of seconds"));
        let (from_seconds, to_seconds) = match (when.split_once(".."), kind.span()) {
            (Some((from, to)), FaultSpan::Lasting) => (seconds(from)?, seconds(to)?),
            (None, FaultSpan::Momentary) => (seconds(when)?, seconds(when)?),
            (None, FaultSpan::Lasting) => return Err(format!("{kind} needs an end, as in {kind}@10..15")),
            (Some(_), FaultSpan::Momentary) => return Err(format!("{kind} is a moment, as in {kind}@10")),
        };
        Ok(Self { kind, pod, from_seconds, to_seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Result<PlannedFault, String> {
        text.parse()
    }

    #[test]
    fn a_fault_is_read_and_written_as_the_same_text_and_told_in_words() {
        for (text, words) in [
            ("gateway-killed@10..15", "gateway 0 killed"),
            ("gateway-frozen:1@0.5..2", "gateway 1 frozen"),
            ("callback-restarted:2@3", "callback 2 restarted"),
            ("redis-emptied@10", "Redis killed, and back without its data"),
            ("redis-partitioned@1..9", "Redis cut off from its other servers"),
        ] {
            let fault = fault(text).unwrap();
            assert_eq!((fault.to_string().as_str(), fault.words().as_str()), (text, words));
        }
        for kind in FaultKind::VARIANTS {
            let when = if kind.span() == FaultSpan::Lasting { "1..2" } else { "1" };
            assert_eq!(fault(&format!("{kind}@{when}")).unwrap().kind, *kind);
        }
    }

    #[test]
    fn what_is_no_fault_is_refused_with_what_is_wrong() {
        for (text, says) in [
            ("gateway-killed", "has no @"),
            ("", "has no @"),
            ("gateway-eaten@1..2", "faults are gateway-killed, gateway-frozen"),
            ("gateway-killed@10", "needs an end, as in gateway-killed@10..15"),
            ("redis-emptied@1..2", "redis-emptied is a moment"),
            ("gateway-killed:x@1..2", "\"x\" is no number of a pod"),
            ("gateway-killed:-1@1..2", "is no number of a pod"),
            ("redis-killed:1@1..2", "takes no number"),
            ("gateway-killed@a..2", "\"a\" is no number of seconds"),
            ("gateway-killed@1..", "\"\" is no number of seconds"),
        ] {
            let refused = fault(text).unwrap_err();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }
}
