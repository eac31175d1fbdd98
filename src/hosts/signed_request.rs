//! Being written.

use super::Call;
use super::hosted::Opened;
use super::material::Keys;
use super::platform::RequestForm;
use super::refusal::Refusal;

pub(super) fn open(_form: RequestForm, _signature: &[u8], _call: &Call, _keys: &Keys) -> Result<Opened, Refusal> {
    Err(Refusal::Malformed)
}
