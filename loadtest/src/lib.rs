//! Logins by the thousand across real processes, while something breaks.
//!
//! | room | what is in it |
//! |---|---|
//! | [`run`] | measures logins at a rate; `scenecast-loadtest run` |
//! | [`drills`] | logins go on while something breaks; `scenecast-loadtest drill` |
//! | [`peers`] | servers that people use in our place, measured beside Scenecast; `scenecast-loadtest peers` |
//! | [`health`] | whether the generator itself is the limit |
//! | [`thresholds`] | thresholds in words |
//! | [`faults`] | what can be broken in a cluster, for drills and for runs |
//! | [`workers`] | a run by several processes: what they tell each other, and how it becomes one |
//! | [`generator`] | pages, and logins at their planned instants |
//! | [`targets`] | what a run may be aimed at, behind one trait |
//! | [`compare`] | what became better or worse between two results; `scenecast-loadtest compare` |
//! | [`report`] | a result as an HTML file; `scenecast-loadtest report` |
//! | [`results`] | the result of a run, as a file |
//! | [`measure`] | histograms of times, per phase and second |
//! | [`plan`] | what a run does, and when: a pure function |
//! | [`load_balancers`] | the load balancers before a cluster |
//! | [`crowd`] | thousands of login pages, the phones before them, and the site's backend |
//! | [`ledger`] | what each phone was told, and what became of the login |
//! | [`given_cluster`] | a cluster that somebody else runs |
//! | [`cluster`] | gateways and callbacks as processes around a real Redis |
//! | [`hostile`] | clients that take connections and give nothing back |
//! | [`webhook_receiver`] | a site's server for webhooks |
//! | `units` | counts and times as numbers with a fraction |
//!
//! Imports point downwards in this table. WeChat is the crate `scenecast-simulator`; browsers are in
//! `scenecast-browsers`.

pub mod cluster;
pub mod compare;
pub mod crowd;
pub mod drills;
pub mod faults;
pub mod generator;
pub mod given_cluster;
pub mod health;
pub mod hostile;
pub mod ledger;
pub mod load_balancers;
pub mod measure;
pub mod peers;
pub mod plan;
pub mod report;
pub mod results;
pub mod run;
pub mod targets;
pub mod thresholds;
mod units;
pub mod webhook_receiver;
pub mod workers;
