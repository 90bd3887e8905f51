//! A process of ours: its command line (`serve`, `check-config`, `healthcheck`), and what starts and
//! ends around what it serves.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};

use crate::{
    config::{
        load::{ConfigError, Validate, load},
        types::TelemetryConfig,
    },
    listener::accept::ListenError,
    telemetry,
};

/// Exit code for a configuration that can't be used (`EX_USAGE` of sysexits.h).
const BAD_CONFIG: u8 = 64;

/// The command line.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// The configuration file; environment variables `SCENECAST_…` go over it.
    #[arg(long, env = "SCENECAST_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<CliCommand>,
}

impl Cli {
    /// That of this process.
    pub fn of_process() -> Self {
        Self::parse()
    }
}

/// What a binary can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum CliCommand {
    /// Serve until SIGTERM (the default).
    Serve,
    /// Say whether the configuration can be used, and exit.
    CheckConfig,
    /// Ask the running process on its admin listener whether it is alive, and exit.
    Healthcheck,
}

/// What the command line has to know of a binary's configuration.
pub trait Binary: Validate {
    /// Where `/healthz`, `/readyz` and `/metrics` are.
    fn admin(&self) -> SocketAddr;
    /// What the process tells about itself.
    fn telemetry(&self) -> &TelemetryConfig;
    /// A filter for the log lines of libraries, such as `fred=error`.
    const LIBRARY_LOG_FILTER: &'static str = "";
}

/// Does what the command line says; `serve` is the process's story, called with telemetry started.
pub fn main<C: Binary, F>(name: &'static str, serve: impl FnOnce(C) -> F) -> ExitCode
where
    F: Future<Output = Result<(), ListenError>>,
{
    run(&Cli::of_process(), name, serve)
}

/// The same, for a binary that has this command line under a sub-command.
pub fn run<C: Binary, F>(cli: &Cli, name: &'static str, serve: impl FnOnce(C) -> F) -> ExitCode
where
    F: Future<Output = Result<(), ListenError>>,
{
    let config: C = match load(cli.config.as_deref(), environment()) {
        Ok(config) => config,
        Err(bad) => return refuse(&bad),
    };
    match cli.command.unwrap_or(CliCommand::Serve) {
        CliCommand::Serve => run_until_done(name, config, serve),
        CliCommand::CheckConfig => {
            say(&mut std::io::stdout(), "the configuration is good");
            ExitCode::SUCCESS
        }
        CliCommand::Healthcheck => match healthcheck(config.admin()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(&mut std::io::stderr(), &format!("not healthy: {error}"));
                ExitCode::FAILURE
            }
        },
    }
}

/// The variables that are text; what isn't can't be one of ours.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn run_until_done<C: Binary, F>(name: &'static str, config: C, serve: impl FnOnce(C) -> F) -> ExitCode
where
    F: Future<Output = Result<(), ListenError>>,
{
    let telemetry = match telemetry::start(name, C::LIBRARY_LOG_FILTER, config.telemetry()) {
        Ok(telemetry) => telemetry,
        Err(bad) => return refuse(&bad),
    };
    let runtime = tokio::runtime::Runtime::new().expect("the system gives threads to a process that starts");
    let served = runtime.block_on(serve(config));
    let code = match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "stopped");
            ExitCode::FAILURE
        }
    };
    telemetry.flush();
    code
}

fn refuse(bad: &ConfigError) -> ExitCode {
    say(&mut std::io::stderr(), &format!("configuration: {bad}"));
    ExitCode::from(BAD_CONFIG)
}

/// A closed terminal is no reason to fail.
fn say(to: &mut impl Write, text: &str) {
    let _ = writeln!(to, "{text}");
}

/// Asks without a runtime or a client: this runs in containers that have neither curl nor time.
fn healthcheck(admin: SocketAddr) -> std::io::Result<()> {
    let limit = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&admin, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    if answer == *b"HTTP/1.1 200" { Ok(()) } else { Err(std::io::Error::other("/healthz did not answer 200")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
