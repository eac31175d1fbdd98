//! Being written.

use super::claims::Claims;
use super::material::KeyMaterial;
use super::platform::Purpose;
use super::refusal::Refusal;

pub(super) fn open(_purpose: Purpose, _token: &[u8], _keys: &KeyMaterial) -> Result<Claims, Refusal> {
    Err(Refusal::Malformed)
}
