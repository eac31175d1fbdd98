//! The checks, each a sentence that a reader understands without the code.

use super::Smoke;

mod access;
mod delivery;
mod entry;

const ANN: &str = "aaaaaaaa-bbbb-4ccc-8ddd-000000000001";
const DANA: &str = "77777777-6666-4555-8444-000000000001";

/// Every check, in the order in which a person would meet what it is about.
pub(super) async fn run(smoke: &mut Smoke) -> anyhow::Result<()> {
    entry::bootstrap(smoke).await?;
    delivery::identity(smoke).await?;
    delivery::spoofing(smoke).await?;
    access::sites(smoke).await?;
    access::permissions(smoke).await?;
    entry::tokens(smoke).await?;
    access::paths(smoke).await?;
    delivery::streams(smoke).await?;
    entry::sessions(smoke).await?;
    delivery::operations(smoke).await
}
