//! x
pub(super) async fn run(_: &super::Demo) -> anyhow::Result<bool> {
    Ok(true)
}
