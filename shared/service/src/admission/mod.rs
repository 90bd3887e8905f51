//! Which connections and requests a pod accepts, and what the others are told.

pub(crate) mod admit;
pub(crate) mod connection_slots;
pub(crate) mod overload;
pub(crate) mod prefix;
pub(crate) mod rate_limit;

pub use admit::{Admission, AdmissionLimits, admit_clients};
pub use connection_slots::ConnectionSlot;
pub use overload::{Overloaded, RejectReason, Rejections, turn_away};
pub use rate_limit::{AddressRateLimit, RateLimit};
