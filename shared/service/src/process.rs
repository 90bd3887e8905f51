//! The command line of every binary (`serve`, `check-config`, `healthcheck`), and what each command does.

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
        load::{ConfigError, ConfigWarning, Validate, load},
        types::TelemetryConfig,
    },
    descriptors::{ConnectionCeiling, fit_to_process},
    listener::accept::ListenError,
    outbound::tell_of_unused_proxies,
    telemetry,
};

/// `EX_USAGE` of sysexits.h.
const EXIT_BAD_CONFIG: u8 = 64;

#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// The configuration file; environment variables `SCENECAST_…` go over it.
    #[arg(long, env = "SCENECAST_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// What this process does; without it, it serves.
    #[command(subcommand)]
    pub command: Option<CliCommand>,
}

impl Cli {
    /// Parses the command line of this process. Prints help or an error, and exits, if it has to.
    pub fn from_process() -> Self {
        Self::parse()
    }
}

/// What a binary can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum CliCommand {
    /// Serve until SIGTERM (the default).
    Serve,
    /// Say whether the configuration can be used, and which settings are probably mistakes; then exit.
    CheckConfig,
    /// Ask the running process on its admin listener whether it is alive, and exit.
    Healthcheck,
}

/// What the command line needs from a binary's configuration.
pub trait Binary: Validate {
    /// The address of `/healthz`, `/readyz` and `/metrics`.
    fn admin(&self) -> SocketAddr;
    /// The settings of logs and traces.
    fn telemetry(&self) -> &TelemetryConfig;
    /// The limits of connections, which are lowered at the start if they don't fit the limit of open files.
    fn connection_ceilings(&mut self) -> Vec<ConnectionCeiling<'_>> {
        vec![]
    }
    /// A default filter for the log lines of libraries, such as `fred=error`; empty for none.
    const LIBRARY_LOG_FILTER: &'static str = "";
}

/// Runs the command that the process's command line names. `serve` is called for `serve`, after logs and traces have
/// started.
///
/// The exit code is 0, 64 for a configuration that can't be used or a limit of open files that is far too low, or 1 if an
/// address can't be bound or the health check fails.
pub fn main<C: Binary, F>(name: &'static str, serve: impl FnOnce(C) -> F) -> ExitCode
where
    F: Future<Output = Result<(), ListenError>>,
{
    run(&Cli::from_process(), name, serve)
}

/// As [`main`], for a binary that has this command line under a subcommand.
pub fn run<C: Binary, F>(cli: &Cli, name: &'static str, serve: impl FnOnce(C) -> F) -> ExitCode
where
    F: Future<Output = Result<(), ListenError>>,
{
    let config: C = match load(cli.config.as_deref(), environment()) {
        Ok(config) => config,
        Err(error) => return bad_config(&error),
    };
    match cli.command.unwrap_or(CliCommand::Serve) {
        CliCommand::Serve => run_server(name, config, serve),
        CliCommand::CheckConfig => {
            say_good(&config.warnings());
            ExitCode::SUCCESS
        }
        CliCommand::Healthcheck => match healthcheck(config.admin()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                print_line(&mut std::io::stderr(), &format!("not healthy: {error}"));
                ExitCode::FAILURE
            }
        },
    }
}

/// The environment variables. Those that aren't UTF-8 are left out; none of ours is.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn run_server<C: Binary, F>(name: &'static str, mut config: C, serve: impl FnOnce(C) -> F) -> ExitCode
where
    F: Future<Output = Result<(), ListenError>>,
{
    let telemetry = match telemetry::start(name, C::LIBRARY_LOG_FILTER, config.telemetry()) {
        Ok(telemetry) => telemetry,
        Err(error) => return bad_config(&error),
    };
    config.warnings().iter().for_each(ConfigWarning::log);
    tell_of_unused_proxies(environment());
    if let Err(error) = fit_to_process(&mut config.connection_ceilings()) {
        tracing::error!(%error, "the process stops, because it can't serve");
        telemetry.flush();
        return ExitCode::from(EXIT_BAD_CONFIG);
    }
    let runtime = tokio::runtime::Runtime::new().expect("the system gives threads to a process that starts");
    let served = runtime.block_on(serve(config));
    let code = match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the process stops, because it can't serve");
            ExitCode::FAILURE
        }
    };
    telemetry.flush();
    code
}

fn say_good(warnings: &[ConfigWarning]) {
    for warning in warnings {
        print_line(&mut std::io::stderr(), &format!("warning: {warning}"));
    }
    let verdict = if warnings.is_empty() {
        "the configuration is good"
    } else {
        "the configuration can be used; mind the warnings"
    };
    print_line(&mut std::io::stdout(), verdict);
}

fn bad_config(error: &ConfigError) -> ExitCode {
    print_line(&mut std::io::stderr(), &format!("configuration: {error}"));
    ExitCode::from(EXIT_BAD_CONFIG)
}

/// Prints a line. A closed terminal is not an error.
fn print_line(to: &mut impl Write, text: &str) {
    let _ = writeln!(to, "{text}");
}

/// Asks `/healthz`, within 2 s. It uses no async runtime and no HTTP client, because a probe runs it every few seconds and
/// it has to be quick.
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
