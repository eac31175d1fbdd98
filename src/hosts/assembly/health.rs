//! What is known about the platform itself, for `/readyz` and for telling a refused key from a refused token.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ConfirmMode;
use crate::clock::Timestamp;

/// How long an accepted key is taken to be good when a token id is refused.
const KEY_HOLDS: Duration = Duration::from_mins(1);

/// The platform as its API last showed itself. Written once per call of the API, so a lock costs nothing that matters.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    api: ApiState,
    token_ids: TokenIds,
    /// When the key alone was last accepted.
    good_key_at: Option<Timestamp>,
}

/// How the last call went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ApiState {
    #[default]
    NotAsked,
    Answers,
    Unreachable,
    KeyRefused,
}

/// What the platform does with a token id that cannot exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TokenIds {
    #[default]
    Unknown,
    Checked,
    Ignored,
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements that hold the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, api: ApiState) {
        self.lock().api = api;
    }

    pub(super) fn note_good_key(&self, now: Timestamp) {
        let mut state = self.lock();
        (state.api, state.good_key_at) = (ApiState::Answers, Some(now));
    }

    pub(super) fn note_token_ids(&self, token_ids: TokenIds) {
        self.lock().token_ids = token_ids;
    }

    /// Whether it was found out what the platform does with token ids.
    pub(super) fn knows_token_ids(&self) -> bool {
        self.lock().token_ids != TokenIds::Unknown
    }

    /// Whether the key alone was accepted so lately that asking again would be a waste of quota.
    pub(super) fn key_was_good(&self, now: Timestamp) -> bool {
        self.lock().good_key_at.is_some_and(|at| now.since(at) < KEY_HOLDS)
    }

    pub(super) fn troubles(&self, mode: ConfirmMode) -> Vec<String> {
        let state = self.lock();
        let api = match state.api {
            ApiState::NotAsked | ApiState::Answers => None,
            ApiState::Unreachable => Some("the platform's API cannot be asked"),
            ApiState::KeyRefused => Some("the platform's API does not accept the API key"),
        };
        let proof = match (mode, state.token_ids) {
            (ConfirmMode::Offline, _) => Some("confirmation: offline"),
            (ConfirmMode::Online, TokenIds::Unknown) => Some("confirmation: unknown until the platform answers"),
            (ConfirmMode::Online, TokenIds::Ignored) => Some("confirmation: existence"),
            (ConfirmMode::Online, TokenIds::Checked) => None,
        };
        [api, proof].into_iter().flatten().map(str::to_owned).collect()
    }
}
