//! All HTTP routes of the simulator.

use axum::Router;

use crate::{api, control, phone, simulator::Simulator};

impl Simulator {
    /// Serves the API, the phone, and the control routes under `/sim`.
    pub fn router(&self) -> Router {
        api::router(self).merge(phone::router()).merge(control::router()).with_state(self.clone())
    }
}
