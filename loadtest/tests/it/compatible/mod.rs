//! Pages that were written for other servers, over two gateways and two callbacks.

mod flow;
mod matrix;
mod pages;
mod svg;
mod trouble;

use scenecast_loadtest::{
    cluster::{API_KEY, Cluster, MINI_API_KEY, Setup},
    simulator::{CannotDo, Deed, Mode, Outcome, Person, Screen, read_code},
    visitor::{Events, Said, Socket, Visitor},
};
use serde_json::{Value, json};

use super::cluster::{soon, within};
use flow::{Flow, Page, Shown};
