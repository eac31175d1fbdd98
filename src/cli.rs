//! The command line: one file per command.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::{Config, Environment, Problems, Source};

mod check;
mod demo;
mod explain;
mod healthcheck;
mod hosts;
mod keys;
mod operator;
mod reload;
mod serve;
mod status;
mod token;

/// What a bad configuration ends with (`EX_CONFIG` of sysexits).
const EXIT_CONFIG: u8 = 78;

/// How a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum OutputFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Which configuration a command works with.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// Configuration; else `$VESTIBULE_CONFIG`, ./vestibule.toml, /etc/vestibule/vestibule.toml.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    fn source(&self) -> Result<Source, Problems> {
        Source::find(self.config.as_deref(), Environment::from_process())
    }

    fn load(&self) -> Result<Config, Problems> {
        self.source()?.read().0
    }
}

/// An auth gateway in front of apps that a host platform embeds in an iframe.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway in the foreground.
    Serve(serve::Args),
    /// Show everything with a simulated host, app and people; needs nothing else.
    Demo(demo::Args),
    /// Check a configuration and print what it means.
    Check(check::Args),
    /// Say how a request would be decided, and why.
    Explain(explain::Args),
    /// Make or read a host token.
    Token(token::Args),
    /// List the host platforms, or judge a file of their tokens.
    Hosts(hosts::Args),
    /// Make keys.
    Keys(keys::Args),
    /// Ask a running gateway whether it lives (for containers).
    Healthcheck(healthcheck::Args),
    /// Let a running gateway read its files again, or say what is wrong with them.
    Reload(reload::Args),
    /// Say what a running gateway says of itself.
    Status(status::Args),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(args),
        Command::Token(args) => token::run(args),
        Command::Hosts(args) => hosts::run(args),
        Command::Keys(args) => keys::run(args),
        Command::Healthcheck(args) => healthcheck::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "vestibule", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|error| {
        // Nobody is left to tell if even this cannot be written.
        if let Some(problems) = error.downcast_ref::<Problems>() {
            let _ = writeln!(std::io::stderr(), "{problems}");
            return ExitCode::from(EXIT_CONFIG);
        }
        // Whoever reads has seen enough, as `head` has.
        let pipe = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if pipe != Some(std::io::ErrorKind::BrokenPipe) {
            let _ = writeln!(std::io::stderr(), "vestibule: {error:#}");
        }
        ExitCode::FAILURE
    })
}
