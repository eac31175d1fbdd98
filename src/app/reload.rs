//! What is in force, and how something else comes into force: as a whole, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use metrics::{counter, gauge};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use super::parts::Parts;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::{Config, Files, Source};
use crate::gateway::{Drain, Live};
use crate::telemetry::LogLevel;

/// How often the files are looked at. One look costs a system call for each.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long it may take to read the files. A pipe that nobody writes into, or a file system that is not there, would keep
/// every reload after it waiting.
const READ_TIME: Duration = Duration::from_secs(5);

/// What is in force, beside the path of requests: for probes, the admin API, signals and the watch over files.
pub(super) struct InForce {
    clock: Clock,
    pub(super) audit: Audit,
    live: Live,
    parts: ArcSwap<Parts>,
    /// What stays for as long as the process does, with its key.
    fixed: Fixed,
    level: Option<LogLevel>,
    source: Option<Source>,
    refused: AtomicBool,
    turn: Mutex<Turn>,
}

/// Held by the one reload that runs.
struct Turn {
    /// The files that were last read, whether or not what they say came into force.
    files: Files,
    probes: JoinSet<()>,
}

/// Where a configuration is read from again, and how its log level is put into force.
pub struct Reloading {
    /// The file and the environment.
    pub source: Source,
    /// The files that were read at start.
    pub files: Files,
    /// The process's log, if it is ours.
    pub level: LogLevel,
}

/// Why what was in force stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct Refused {
    /// Each with its place and remedy, as one sentence.
    pub problems: Vec<String>,
}

type Fixed = [(&'static str, String); 5];

impl InForce {
    /// With the configuration of the start.
    pub(super) fn new(
        config: &Config,
        clock: Clock,
        reloading: Option<Reloading>,
        drain: watch::Receiver<Drain>,
    ) -> anyhow::Result<(Arc<Self>, Live)> {
        let audit = Audit::new();
        let parts = Parts::of(config, &clock, None)?;
        let live = Live::new(parts.settings(config, &audit)?, drain);
        let (source, files, level) = match reloading {
            Some(Reloading { source, files, level }) => (Some(source), files, Some(level)),
            None => (None, Files::default(), None),
        };
        let turn = Mutex::new(Turn { files, probes: parts.probes() });
        let (fixed, refused, parts) = (fixed(config), AtomicBool::new(false), ArcSwap::from_pointee(parts));
        for result in ["ok", "refused"] {
            counter!("vestibule_config_reloads_total", "result" => result).absolute(0);
        }
        gauge!("vestibule_config_generation").set(1.0);
        let in_force = Self { clock, audit, live: live.clone(), parts, fixed, level, source, refused, turn };
        Ok((Arc::new(in_force), live))
    }

    pub(super) fn parts(&self) -> Arc<Parts> {
        self.parts.load_full()
    }

    pub(super) fn generation(&self) -> u64 {
        self.live.generation()
    }

    /// Whether the file, as it was last read, is not what is in force.
    pub(super) fn is_behind(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Reads everything anew and puts it in force; says which generation that is. One at a time. Requests that are running
    /// end with what they began with.
    pub(super) async fn reload(&self, cause: &'static str) -> Result<u64, Refused> {
        let mut turn = self.turn.lock().await;
        let started = Instant::now();
        let result = match self.read(&mut turn).await {
            Ok(config) => self.put(&config, &mut turn),
            Err(refused) => Err(refused),
        };
        self.refused.store(result.is_err(), Ordering::Relaxed);
        let word = if result.is_ok() { "ok" } else { "refused" };
        counter!("vestibule_config_reloads_total", "result" => word).increment(1);
        #[expect(clippy::cast_precision_loss, reason = "nobody reloads 2^53 times")]
        gauge!("vestibule_config_generation").set(self.generation() as f64);
        let (generation, duration_ms) = (self.generation(), started.elapsed().as_secs_f64() * 1000.0);
        match &result {
            Ok(_) => tracing::info!(event = "reload", cause, result = word, generation, duration_ms, "in force"),
            Err(refused) => {
                let problems = refused.to_string();
                tracing::error!(
                    event = "reload",
                    cause,
                    result = word,
                    generation,
                    duration_ms,
                    problems,
                    "refused as a whole; what was in force stays"
                );
            }
        }
        result
    }

    async fn read(&self, turn: &mut Turn) -> Result<Config, Refused> {
        let Some(source) = self.source.clone() else {
            return Err(Refused::because("this process was not started from a file".into()));
        };
        let Some((config, files)) = in_time(move || source.read()).await else {
            // What is there now is not tried again before it changes.
            let before = turn.files.clone();
            turn.files = in_time(move || before.again()).await.unwrap_or_else(|| turn.files.clone());
            let problem = format!("the files could not be read within {} s", READ_TIME.as_secs());
            return Err(Refused::because(problem));
        };
        turn.files = files;
        config.map_err(|problems| Refused { problems: problems.sentences() })
    }

    /// Makes everything first. From the log level on nothing can fail any more.
    fn put(&self, config: &Config, turn: &mut Turn) -> Result<u64, Refused> {
        let moved = self.fixed.iter().zip(fixed(config)).filter(|(old, new)| *old != new);
        let problems: Vec<_> =
            moved.map(|((key, _), _)| format!("{key}: a change of it needs a restart of the process")).collect();
        if !problems.is_empty() {
            return Err(Refused { problems });
        }
        let because = |error: anyhow::Error| Refused::because(format!("{error:#}"));
        let parts = Parts::of(config, &self.clock, Some(&self.parts())).map_err(because)?;
        let settings = parts.settings(config, &self.audit).map_err(because)?;
        if let Some(level) = &self.level {
            level.set(&config.telemetry.level).map_err(|error| because(error.into()))?;
        }
        for warning in &config.warnings {
            tracing::warn!(event = "reload", "{warning}");
        }
        turn.probes = parts.probes();
        self.parts.store(Arc::new(parts));
        Ok(self.live.replace(settings))
    }

    /// Reloads when a file has changed and then stayed as it is until the next look, so that nothing half written is read, and
    /// what was refused is not tried again as it is.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut changed = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let read = self.turn.lock().await.files.clone();
            let looked = tokio::task::spawn_blocking(move || (read.again(), read)).await;
            let Ok((now, read)) = looked else { return };
            if now == read {
                changed = None;
            } else if changed.as_ref() == Some(&now) {
                changed = None;
                // It is in the log.
                let _ = self.reload("a file changed").await;
            } else {
                changed = Some(now);
            }
        }
    }
}

impl Refused {
    fn because(problem: String) -> Self {
        Self { problems: vec![problem] }
    }
}

/// Does what may block. One that does not come to its end keeps its thread, and nothing else.
async fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::time::timeout(READ_TIME, tokio::task::spawn_blocking(work)).await.ok()?.ok()
}

/// What a listener or the log is made with, once.
fn fixed(config: &Config) -> Fixed {
    let address = |listen: Option<std::net::SocketAddr>| listen.map(|listen| listen.to_string()).unwrap_or_default();
    [
        ("server.listen", config.server.listen.to_string()),
        ("server.reuse_port", config.server.reuse_port.to_string()),
        ("admin.listen", address(config.admin.as_ref().map(|admin| admin.listen))),
        ("health.listen", address(config.health)),
        ("telemetry.format", format!("{:?}", config.telemetry.format)),
    ]
}
