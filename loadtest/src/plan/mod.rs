//! What a run does, and when: a pure function of the seed. No I/O.
//!
//! | module | what it is for |
//! |---|---|
//! | `login_plan` | everything that a run is asked to do; its hash |
//! | `people` | when they come, and what they do on their phones |
//! | `way_in` | how pages are reached |
//! | `fault` | what is broken meanwhile |
//! | `page_stages` | a ramp in stages |
//! | `phase` | the parts of a run, which are never measured together |
//! | `rate_curve` | how many logins a second, over time |
//! | `schedule` | the planned instants of one segment |
//!
//! A run may have several workers. Each takes one [`Segment`] of the plan, and all segments together are exactly the
//! plan, so a run without workers is segment 1 of 1 on the same path.

mod fault;
mod login_plan;
mod page_stages;
mod people;
mod phase;
mod rate_curve;
mod schedule;
mod way_in;

pub use fault::{FaultKind, FaultSpan, FaultyPart, PlannedFault};
pub use login_plan::{LoginPlan, PlanError};
pub use page_stages::PageStages;
pub use people::{Arrivals, PhoneSteps, ThinkTime};
pub use phase::Phase;
pub use rate_curve::{RateCurve, RateStage};
pub use schedule::{Schedule, Segment, SegmentError};
pub use way_in::{WayIn, WeightedWay};
