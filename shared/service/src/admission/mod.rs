//! Decides which connections and requests a pod accepts, and answers the others.

pub(crate) mod admit;
pub(crate) mod connection_slots;
pub(crate) mod held_connections;
pub(crate) mod overload;
pub(crate) mod prefix;
pub(crate) mod rate_limit;

pub use admit::{Admission, AdmissionLimits, admit_clients};
pub use connection_slots::ConnectionSlot;
pub use held_connections::{HeldConnection, HeldConnections};
pub use overload::{Overloaded, RejectReason, Rejections, reject_overloaded};
pub use prefix::{ClientPrefix, PrefixWidth};
pub use rate_limit::{AddressRateLimit, RateLimit};
