//! Pages that were written for other servers, over two gateways and two callbacks.

mod flow;
mod matrix;
mod pages;
mod phone;
mod site;
mod trouble;

use std::time::Duration;

use scenecast_loadtest::{
    cluster::{API_KEY, Cluster, MINI_API_KEY, Setup, metric},
    simulator::{CannotDo, Deed, Mode, Person, Screen, read_code, read_drawn},
    visitor::{Events, Said, Socket, Visitor},
};
use scenecast_shared::testing::until;
use serde_json::{Value, json};

use super::cluster::{LOGGED_IN, metric_becomes, within};
use flow::{Flow, Page};
use phone::{Done, Phone, Shown};

/// Two gateways and two callbacks.
async fn cluster() -> Cluster {
    Cluster::start(2, 2).await
}
