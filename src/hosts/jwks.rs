//! placeholder until the branch with the real one is merged
use super::keys::{Algorithm, PublicKey};
use crate::access::HostName;
use crate::clock::Clock;
use std::sync::Arc;
pub(super) struct RemoteKeys;
#[derive(Debug)]
pub(super) struct Unavailable;
impl RemoteKeys {
    pub(super) fn new(_: HostName, _: &str, _: bool, _: Clock) -> Result<Self, super::StartError> {
        Ok(Self)
    }
    pub(super) fn is_like(&self, _: &str, _: bool) -> bool {
        true
    }
    pub(super) async fn find(&self, _: Option<&str>, _: Algorithm) -> Result<Option<Arc<PublicKey>>, Unavailable> {
        Err(Unavailable)
    }
}
