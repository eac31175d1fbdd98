//! Being written.

use super::claims::Claims;
use super::material::Keys;
use super::platform::PayloadForm;
use super::refusal::Refusal;

pub(super) fn open(_form: PayloadForm, _token: &[u8], _keys: &Keys) -> Result<Claims, Refusal> {
    Err(Refusal::Malformed)
}
