//! The images, and the trial of `deploy/docker/compose.yaml`, in a real Docker daemon. `make test-docker` builds the
//! images first, and starts the daemon.

#![cfg(feature = "docker")]
#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

mod docker;
mod images;
mod processes;
mod trial;
