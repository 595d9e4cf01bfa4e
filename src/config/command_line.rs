//! The command line, drawn from the list of settings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgMatches, Command, value_parser};

use super::layers::Variables;
use super::settings::{SETTINGS, Setting};
use crate::mock::{Fail, MockOptions};

/// Where `reprise mock` listens if nothing is said.
const MOCK_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

/// What to do.
#[derive(Debug)]
pub enum Task {
    /// Run the proxy.
    Serve,
    /// Show what it does, with the scripted upstream.
    Demo,
    /// Run the scripted upstream alone.
    Mock(SocketAddr, MockOptions),
    /// Show the configuration in force.
    CheckConfig,
    /// Print the OpenAPI document.
    OpenApi,
    /// Ask a running server whether it is alive.
    Healthcheck,
}

/// Reads the process's command line. Ends the process where it asks for help or
/// cannot be understood.
pub fn parse() -> (Task, Variables) {
    understand(&command().get_matches())
}

pub(super) fn understand(matches: &ArgMatches) -> (Task, Variables) {
    let innermost = matches.subcommand().map_or(matches, |(_, inner)| inner);
    let flags = SETTINGS
        .iter()
        .filter(|setting| !setting.is_secret())
        .filter_map(|setting| {
            // Not every command takes settings.
            let value = innermost.try_get_one::<String>(setting.name).ok()??;
            Some((setting.name.to_owned(), value.clone()))
        })
        .collect();
    let task = match matches.subcommand() {
        Some(("demo", _)) => Task::Demo,
        Some(("mock", inner)) => mock_task(inner),
        Some(("check-config", _)) => Task::CheckConfig,
        Some(("openapi", _)) => Task::OpenApi,
        Some(("healthcheck", _)) => Task::Healthcheck,
        Some(_) | None => Task::Serve,
    };
    (task, flags)
}

fn mock_task(matches: &ArgMatches) -> Task {
    let number = |name: &str| matches.get_one::<u64>(name).copied();
    let options = MockOptions {
        ttfb: Duration::from_millis(number("ttfb-ms").unwrap_or_default()),
        tokens_per_second: matches.get_one::<u32>("tokens-per-second").copied(),
        fail: matches.get_one::<Fail>("fail").copied(),
    };
    let listen = matches.get_one::<SocketAddr>("mock-listen").copied();
    Task::Mock(listen.unwrap_or(MOCK_LISTEN), options)
}

/// The whole command line.
pub fn command() -> Command {
    let with_settings = |command: Command| {
        SETTINGS
            .iter()
            .filter(|setting| !setting.is_secret())
            .map(flag)
            .fold(command, Command::arg)
    };
    let plain = |name: &'static str, about: &'static str| Command::new(name).about(about);
    let configured = |name, about| with_settings(plain(name, about));
    with_settings(
        Command::new("reprise")
            .version(env!("CARGO_PKG_VERSION"))
            .about("A caching proxy for OpenAI-compatible APIs")
            .after_help(
                "Secrets have no flags: set REPRISE_UPSTREAM_API_KEY (or OPENAI_API_KEY) and \
                 REPRISE_CACHE_SECRET in the environment, in .env or in reprise.toml.",
            ),
    )
    .args_conflicts_with_subcommands(true)
    .subcommand(configured("serve", "Runs the proxy (the default)"))
    .subcommand(configured(
        "demo",
        "Shows what it does, with a scripted upstream",
    ))
    .subcommand(configured(
        "check-config",
        "Shows the configuration in force, or all that is wrong with it",
    ))
    .subcommand(configured(
        "healthcheck",
        "Asks a running server whether it is alive",
    ))
    .subcommand(plain("openapi", "Prints the OpenAPI document"))
    .subcommand(mock_command())
}

fn flag(setting: &'static Setting) -> Arg {
    let default = match setting.default {
        "" => String::new(),
        default => format!("[default: {default}] "),
    };
    let also = setting
        .also
        .map(|variable| format!(" or {variable}"))
        .unwrap_or_default();
    let variable = setting.variable();
    Arg::new(setting.name)
        .long(setting.flag())
        .value_name(setting.kind.placeholder())
        // Somebody who passes on a variable that is empty did not mean the default.
        .value_parser(NonEmptyStringValueParser::new())
        .help(format!("{} {default}[env: {variable}{also}]", setting.help))
}

fn mock_command() -> Command {
    Command::new("mock")
        .about("Runs the scripted upstream alone")
        .arg(
            Arg::new("mock-listen")
                .long("listen")
                .value_name("ADDRESS:PORT")
                .default_value(MOCK_LISTEN.to_string())
                .value_parser(value_parser!(SocketAddr))
                .help("Address and port to listen on"),
        )
        .arg(
            Arg::new("ttfb-ms")
                .long("ttfb-ms")
                .value_name("MILLISECONDS")
                .value_parser(value_parser!(u64))
                .help("How long the first byte of an answer takes"),
        )
        .arg(
            Arg::new("tokens-per-second")
                .long("tokens-per-second")
                .value_name("TOKENS")
                .value_parser(value_parser!(u32).range(1..))
                .help("How many tokens come in a second; all at once where it is not said"),
        )
        .arg(
            Arg::new("fail")
                .long("fail")
                .value_name("STATUS[:EVERY]")
                .value_parser(|text: &str| text.parse::<Fail>())
                .help("Fail with a status: every call (503), or every so many (429:10)"),
        )
}
