//! Being written.

use super::claims::Claims;
use super::hosted::HostedSettings;
use super::material::Keys;
use super::platform::QueryForm;
use super::refusal::Refusal;

pub(super) fn open(
    _form: QueryForm,
    _query: &[u8],
    _settings: &HostedSettings,
    _keys: &Keys,
) -> Result<Claims, Refusal> {
    Err(Refusal::Malformed)
}
